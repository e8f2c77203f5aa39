"""A run's numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from deltasr.errors import TrainingError
from deltasr.training.learner import Step
from deltasr.training.metrics import Means, Metrics, Window
from deltasr.training.run_folder import RunFolder
from deltasr.training.validation import Validation


def _step(first: float, second: float, norm: float) -> Step:
    terms = {"step-1": torch.tensor(first), "step-2": torch.tensor(second)}
    return Step(terms=terms, watched={"gradient_norm": torch.tensor(norm)})


def _one_process(sums: torch.Tensor, reduction: str) -> torch.Tensor:
    assert reduction == "mean"
    return sums


def test_means_are_over_the_steps_since_the_last_look():
    window = Window(0)
    for value in (1.0, 3.0):
        window.add(_step(value, 0.5, 2 * value))
    means = window.look(8, _one_process)
    assert means.terms == {"step-1": 2.0, "step-2": 0.5}
    assert means.watched == {"gradient_norm": 4.0}
    assert means.loss == 2.5
    assert means.rate > 0
    window.add(_step(7.0, 0.0, 1.0))
    assert window.look(12, _one_process).terms == {"step-1": 7.0, "step-2": 0.0}


def test_means_are_over_all_processes():
    window = Window(0)
    window.add(_step(1.0, 0.5, 2.0))
    means = window.look(8, lambda sums, reduction: (sums + torch.tensor([3.0, 0.5, 2.0])) / 2)
    assert means.terms == {"step-1": 2.0, "step-2": 0.5}


def test_what_only_some_steps_show_is_averaged_over_those():
    """As in phases, where a network learns in some steps and not in others."""
    window = Window(0)
    window.add(Step(terms={}, watched={"d_real": torch.tensor(0.25)}))
    window.add(Step(terms={"l1": torch.tensor(3.0)}, watched={"d_real": torch.tensor(0.75)}))
    window.add(Step(terms={"l1": torch.tensor(1.0)}, watched={"d_real": torch.tensor(0.5)}))
    means = window.look(6, _one_process)
    assert means.terms == {"l1": 2.0}
    assert means.watched == {"d_real": 0.5}
    window.add(Step(terms={}, watched={"d_real": torch.tensor(0.25)}))
    assert window.look(8, _one_process).loss == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_first_step_that_is_not_finite_is_named(bad: float):
    """It spoils the weights, and with them all terms of the steps after it."""
    window = Window(4)
    window.add(_step(1.0, 1.0, 1.0))
    window.add(_step(1.0, bad, bad))
    window.add(_step(bad, bad, bad))
    with pytest.raises(TrainingError, match="The loss step-2 is not finite in the step after 6 crops"):
        window.look(10, _one_process)


def test_a_gradient_that_is_not_finite_is_named():
    window = Window(0)
    window.add(_step(1.0, 1.0, float("inf")))
    with pytest.raises(TrainingError, match="The gradient is not finite in the step after 0 crops"):
        window.look(2, _one_process)


def test_json_lines_and_tensorboard(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = Metrics(RunFolder(tmp_path), 0)
    means = Means(terms={"step-1": 0.25, "step-2": 0.5}, watched={"gradient_norm": 2.0}, rate=10.0)
    metrics.train(40, 1.234, means, 1e-3)
    metrics.validation(40, 1.5, Validation(bicubic=25.0, steps=(26.0, 27.0)))
    metrics.close()
    first, second = (json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert first == {
        "kind": "train",
        "images": 40,
        "seconds": 1.23,
        "loss": 0.75,
        "terms": {"step-1": 0.25, "step-2": 0.5},
        "learning_rate": 1e-3,
        "gradient_norm": 2.0,
        "images_per_second": 10.0,
    }
    assert second == {
        "kind": "validation",
        "images": 40,
        "seconds": 1.5,
        "bicubic_psnr_y": 25.0,
        "psnr_y_per_step": [26.0, 27.0],
    }
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(board.Tags()["scalars"]) == {
        *("loss/total", "loss/step-1", "loss/step-2", "learning_rate", "gradient_norm", "images_per_second"),
        *("validation/psnr_y_step_1", "validation/psnr_y_step_2"),
    }
    assert [(event.step, event.value) for event in board.Scalars("validation/psnr_y_step_2")] == [(40, 27.0)]


def test_tensorboard_hides_what_a_killed_process_wrote_beyond_the_state(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    means = Means(terms={"step-1": 1.0}, watched={"gradient_norm": 1.0}, rate=1.0)
    for begins, steps in ((0, (10, 20, 30)), (20, (30, 40))):
        metrics = Metrics(RunFolder(tmp_path), begins)
        for images in steps:
            metrics.train(images, 1.0, means, 1e-3)
        metrics.close()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss/total")] == [10, 20, 30, 40]
