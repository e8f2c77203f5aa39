"""Which types a device computes in, and which of them is worth it."""

from __future__ import annotations

import pytest
import torch

from deltasr import processor
from deltasr.devices import drawback, obstacle, order_channels_last, usable

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def processor_that_traps_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    results = {"float32": 2.0, "bfloat16": "SIGILL", "float16": 3.0}
    monkeypatch.setattr(processor, "tried", lambda: results)


def test_float32_needs_no_trial(monkeypatch):
    monkeypatch.setattr(processor, "tried", lambda: pytest.fail("tried"))
    assert usable("float32", CPU) == ("float32", None)
    assert drawback("float32", CPU) is None


def test_a_type_that_does_not_run_is_told_and_float32_takes_its_place():
    assert obstacle("bfloat16", CPU) == drawback("bfloat16", CPU) == "bfloat16 does not run on this processor (SIGILL)"
    dtype, note = usable("bfloat16", CPU)
    assert dtype == "float32"
    assert note == "bfloat16 does not run on this processor (SIGILL), so float32 is used"


def test_a_type_that_runs_slower_is_used_where_it_is_asked_for():
    assert usable("float16", CPU) == ("float16", None)
    assert drawback("float16", CPU) == "float16 is slower than float32 on this processor"


def test_a_type_that_runs_faster_has_no_drawback(monkeypatch):
    monkeypatch.setattr(processor, "tried", lambda: {"float32": 2.0, "bfloat16": 1.0})
    assert usable("bfloat16", CPU) == ("bfloat16", None)
    assert drawback("bfloat16", CPU) is None


@pytest.mark.parametrize(
    ("runs", "native", "obstacle_", "drawback_"),
    [
        (True, True, None, None),
        (True, False, None, "bfloat16 is slower than float32 on this GPU"),
        (False, False, "bfloat16 does not run on this GPU", "bfloat16 does not run on this GPU"),
    ],
)
def test_a_gpu_is_asked_itself(monkeypatch, runs, native, obstacle_, drawback_):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: runs if including_emulation else native
    )
    assert obstacle("bfloat16", CUDA) == obstacle_
    assert drawback("bfloat16", CUDA) == drawback_
    assert usable("float16", CUDA) == ("float16", None)


def test_weights_of_five_dimensions_keep_their_order():
    model = torch.nn.Conv2d(4, 4, 3)
    model.experts = torch.nn.Parameter(torch.zeros(2, 4, 4, 3, 3))
    order_channels_last(model)
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    assert model.experts.is_contiguous()
