"""Metrics without a reference: what is asked of pyiqa, what becomes of its answers, and what is said without it."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from deltasr.errors import ModelError, PictureError, SettingError
from deltasr.evaluation.benchmark import measure_upscaling
from deltasr.evaluation.niqe import Niqe
from deltasr.evaluation.no_reference import NO_REFERENCE_NAMES, TITLES, NoReference, find_no_reference
from deltasr.evaluation.sets import find_set
from deltasr.imaging import Picture


@pytest.fixture
def pyiqa(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module in pyiqa's place; its metrics answer with the picture's mean in pyiqa's shapes, and note their calls."""
    module = types.ModuleType("pyiqa")
    seen: list[Any] = []

    def create_metric(name: str, *, device: torch.device) -> Callable[[Tensor], Tensor]:
        print(f"Loading pretrained model {name}")
        seen.append((name, str(device)))

        def score(target: Tensor) -> Tensor:
            seen.append((name, target.dtype, tuple(target.shape)))
            mean = target.mean()
            return mean if name == "musiq" else mean.reshape(1, 1)

        return score

    vars(module).update(create_metric=create_metric, __version__="0.0-stand-in", seen=seen)
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    return module


def picture(value: float, *, height: int = 4, width: int = 6) -> Tensor:
    return torch.full((1, 3, height, width), value, dtype=torch.float64)


def test_pyiqa_is_not_imported_unless_asked(monkeypatch: pytest.MonkeyPatch):
    def import_module(name: str) -> Any:
        raise AssertionError(f"imported {name}")

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert find_no_reference([]) == {}
    assert list(find_no_reference(["niqe"])) == ["NIQE"]


def test_metrics_are_made_on_the_cpu_and_score_the_result_alone(pyiqa: Any, capsys: pytest.CaptureFixture[str]):
    metrics = find_no_reference(["musiq", "clipiqa"])
    assert list(metrics) == ["MUSIQ", "CLIP-IQA"]
    assert pyiqa.seen == [("musiq", "cpu"), ("clipiqa", "cpu")]
    for metric in metrics.values():
        assert metric.library == "pyiqa 0.0-stand-in"
        score = metric(picture(0.25), picture(0.75))
        assert (score.shape, score.dtype, score.item()) == ((1,), torch.float32, 0.25)
    assert pyiqa.seen[2:] == [(name, torch.float32, (1, 3, 4, 6)) for name in ("musiq", "clipiqa")]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Loading pretrained model musiq" in printed.err


def test_a_metric_named_twice_is_one_column(pyiqa: Any):
    assert list(find_no_reference(["musiq", "musiq"])) == ["MUSIQ"]


@pytest.mark.usefixtures("pyiqa")
def test_measurements_carry_scores_and_libraries(hr_folder: Path):
    def enlarged(lr: Picture) -> Picture:
        return Picture(pixels=lr.pixels.repeat(4, axis=0).repeat(4, axis=1))

    def distance(sr: Tensor, hr: Tensor) -> Tensor:
        return (sr - hr).abs().mean().reshape(1)

    measured = measure_upscaling(
        enlarged, find_set(hr_folder), model="m", scale=4, perceptual={"L1": distance, **find_no_reference(["musiq"])}
    )
    for m in measured:
        assert m.libraries == {"MUSIQ": "pyiqa 0.0-stand-in"}
        assert set(m.perceptual) == {"L1", "MUSIQ"}
        assert 0 < m.perceptual["MUSIQ"] < 1


def fails(error: Exception) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    "network", [fails(AssertionError("blocks\nof 96")), lambda x: torch.tensor(torch.nan), lambda x: torch.zeros(2)]
)
def test_a_picture_without_a_score_is_one_sentence(network: Any):
    metric = NoReference(title="NIQE", library="pyiqa 1", network=network)
    with pytest.raises(ModelError, match=r"NIQE gives no score for a picture of 6x4 pixels.*; leave out") as caught:
        metric(picture(0.5), picture(0.5))
    assert "\n" not in str(caught.value)


def test_such_a_picture_is_named(hr_folder: Path):
    metric = NoReference(title="NIQE", library="pyiqa 1", network=lambda x: torch.tensor(torch.inf))
    with pytest.raises(PictureError, match=r"picture_0\.png cannot be scored: NIQE gives no score for .* 48x40"):
        measure_upscaling(
            lambda lr: Picture(pixels=lr.pixels.repeat(4, axis=0).repeat(4, axis=1)),
            find_set(hr_folder),
            model="m",
            scale=4,
            perceptual={"NIQE": metric},
        )


def test_without_pyiqa_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ModelError, match=r"^MUSIQ needs the pyiqa package: pip install -e '\.\[iqa\]'\.$"):
        find_no_reference(["musiq"])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operator torchvision::nms does not exist"),
        ModuleNotFoundError("No module named 'cv2'", name="cv2"),
    ],
)
def test_a_pyiqa_that_cannot_be_imported_is_told_with_the_reason(error: Exception, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib, "import_module", fails(error))
    with pytest.raises(ModelError) as caught:
        find_no_reference(["musiq"])
    assert str(caught.value).startswith(f"pyiqa is installed but cannot be imported ({error}); ")


def test_weights_that_cannot_be_had_are_told_with_the_reason(pyiqa: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pyiqa, "create_metric", fails(OSError("<urlopen error no route\nto host>")))
    with pytest.raises(ModelError) as caught:
        find_no_reference(["clipiqa"])
    assert str(caught.value) == (
        "pyiqa cannot make CLIP-IQA (<urlopen error no route to host>); it downloads weights when a metric is first "
        "used, so try again with a connection."
    )


def test_niqe_is_computed_here_and_says_with_which_parameters(tmp_path: Path):
    noise = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0))
    own = find_no_reference(["niqe"])["NIQE"]
    np.savez(tmp_path / "others.npz", mu_pris_param=np.zeros((1, 36)), cov_pris_param=np.eye(36))
    other = find_no_reference(["niqe"], niqe_parameters=tmp_path / "others.npz")["NIQE"]
    assert (own.library, other.library) == ("own parameters", "parameters of others.npz")
    assert own(noise, noise).item() == pytest.approx(Niqe()(noise).item())
    assert own(noise, noise).item() != other(noise, noise).item()
    with pytest.raises(ModelError, match=r"^NIQE gives no score for a picture of 6x4 pixels \(NIQE needs two blocks"):
        own(picture(0.5), picture(0.5))


def test_niqe_s_parameters_without_niqe_are_a_mistake(tmp_path: Path):
    with pytest.raises(SettingError, match="of no use without the metric niqe"):
        find_no_reference(["musiq"], niqe_parameters=tmp_path / "others.npz")


def test_every_metric_has_a_title_of_its_own():
    assert set(TITLES) == set(NO_REFERENCE_NAMES)
    assert len(set(TITLES.values())) == len(TITLES)
