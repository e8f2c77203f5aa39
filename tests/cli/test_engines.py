"""`deltasr engines`, and `deltasr upscale --engine`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deltasr.engines import choice, trial
from deltasr.engines.trial import Verdict
from deltasr.imaging import picture_from, read_picture, write_picture
from deltasr.models import catalogue

FOUND = {
    "torch": Verdict(seconds=0.5, levels=0.0),
    "onnxruntime": Verdict(seconds=0.25, levels=0.001),
    "openvino": Verdict(fault="SIGILL"),
}


@pytest.fixture(autouse=True)
def tried(tmp_path, monkeypatch, small_net, exported_small_net):
    """A small network in the default's place, and verdicts in the trial's."""
    trials = []

    def answer(model, content, runtimes, *, dtype):
        trials.append(dtype)
        return {name: FOUND[name] for name in ("torch", *runtimes)}

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_known", {})
    monkeypatch.setattr("deltasr.engines.export.export", lambda model: exported_small_net)
    monkeypatch.setattr(choice, "installed", lambda name: "1.2.3")
    monkeypatch.setattr(trial, "try_all", answer)
    monkeypatch.setattr(catalogue, "load", lambda name, **settings: small_net)
    return trials


def test_engines_are_listed_with_times_and_verdicts(command_line):
    status, out, _ = command_line("engines")
    assert status == 0
    head, torch, runtime, crashed, last = out.splitlines()
    assert head.split()[0] == "engine"
    assert torch.split()[:4] == ["torch", "1.2.3", "500", "1.00"]
    assert runtime.split()[:4] == ["onnxruntime", "1.2.3", "250", "2.00"]
    assert "not used: SIGILL" in crashed
    assert last == "auto is onnxruntime for deltadiff-x4 in float32"


def test_they_are_tried_once_unless_asked(command_line, tried):
    command_line("engines")
    command_line("engines")
    assert tried == ["float32"]
    command_line("engines", "--refresh")
    assert tried == ["float32", "float32"]


def test_a_missing_package_is_listed_with_what_installs_it(command_line, monkeypatch):
    monkeypatch.setattr(choice, "installed", lambda name: None if name == "openvino" else "1.2.3")
    assert "not installed: pip install openvino" in command_line("engines")[1]


def test_a_type_that_an_engine_does_not_know_is_told(command_line, monkeypatch):
    monkeypatch.setattr("deltasr.environment.let_bf16_run", lambda: None)
    out = command_line("engines", "--dtype", "bfloat16")[1]
    assert "does not compute in bfloat16" in out
    assert out.splitlines()[-1] == "auto is torch for deltadiff-x4 in bfloat16"


def test_json_has_the_same(command_line):
    told = json.loads(command_line("engines", "--json")[1])
    assert told["auto"] == "onnxruntime"
    assert told["engines"]["openvino"] == {"version": "1.2.3", "seconds": None, "levels": None, "fault": "SIGILL"}
    assert told["engines"]["onnxruntime"]["seconds"] == 0.25


def test_upscale_takes_an_engine(command_line, tmp_path, small_net):
    source = tmp_path / "a.png"
    write_picture(picture_from(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)), source)
    for engine in ("torch", "onnxruntime", "auto"):
        status, _, _ = command_line("upscale", source, "-o", tmp_path / f"{engine}.png", "--engine", engine)
        assert status == 0
    torch, runtime, auto = (
        read_picture(tmp_path / f"{name}.png").pixels.astype(int) for name in ("torch", "onnxruntime", "auto")
    )
    assert np.abs(torch - runtime).max() <= 1
    assert np.array_equal(runtime, auto)
    status, _, errors = command_line("upscale", source, "-o", tmp_path / "no.png", "--engine", "openvino")
    assert status == 1
    assert "OpenVINO does not run" in errors
    assert not (tmp_path / "no.png").exists()
