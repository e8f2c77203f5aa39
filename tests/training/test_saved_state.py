"""States that were damaged: a run tells so instead of going on from them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deltasr.errors import DeltasrError, TrainingError
from deltasr.training.display import Silence
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.recipes.picture import RrdbRecipe
from deltasr.training.trainer import Options, train

State = dict[str, Any]
NOT_A_NUMBER = float("nan")


def _set(*path: Any, to: Any) -> Callable[[State], None]:
    def change(state: State) -> None:
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = to

    change.__name__ = f"{'.'.join(map(str, path))} = {to if not isinstance(to, torch.Tensor) else tuple(to.shape)}"
    return change


def _without(*path: Any) -> Callable[[State], None]:
    def change(state: State) -> None:
        for key in path[:-1]:
            state = state[key]
        del state[path[-1]]

    change.__name__ = f"without {'.'.join(map(str, path))}"
    return change


ADAMW, MUON = ("optimizers", 0, "state", 0), ("optimizers", 1, "state", 0)
DAMAGES = [
    *(_without(key) for key in ("images", "seconds", "model", "average", "optimizers", "random")),
    *(_set("images", to=value) for value in (-2, 3, 10**18, 10**30, 2.0, True, None, "2")),
    *(_set("seconds", to=value) for value in (-1.0, NOT_A_NUMBER, float("inf"), None, "1", [])),
    *(_set("random", to=value) for value in (None, torch.zeros(3), torch.zeros(3, dtype=torch.uint8))),
    *(_set("model", to=value) for value in (None, [], {}, 3)),
    _set("model", "net.tail.weight", to=torch.zeros(3)),
    _set("model", "net.tail.weight", to="weight"),
    _without("model", "net.tail.weight"),
    _set("average", "module.net.tail.weight", to=torch.zeros(3)),
    *(_set("average", "n_averaged", to=torch.tensor(value)) for value in (-10, 2, 10**15)),
    _without("average", "n_averaged"),
    *(_set("optimizers", to=value) for value in (None, [], [{}, {}], 3)),
    _without("optimizers", 1),
    _without("optimizers", 0, "state"),
    _set("optimizers", 0, "state", to=[1]),
    *(_set("optimizers", 0, "state", key, to={}) for key in (-1, 999, "0")),
    _without(*ADAMW, "exp_avg"),
    _set(*ADAMW, "more", to=1),
    _set(*ADAMW, "exp_avg_sq", to=torch.zeros(3)),
    _set(*ADAMW, "exp_avg_sq", to=3),
    *(_set(*ADAMW, "step", to=torch.tensor(value)) for value in (-5.0, NOT_A_NUMBER, [1.0, 2.0])),
    *(_set("optimizers", 0, "param_groups", 0, "lr", to=value) for value in (-1.0, NOT_A_NUMBER, "1e-3")),
    _set(*MUON, "mean", to=torch.zeros(3)),
    _set(*MUON, to={}),
    *(_set("best", to=value) for value in (None, {}, 3)),
    *(_set("best", "score", to=value) for value in (None, "x", NOT_A_NUMBER)),
    *(_set("best", "since", to=value) for value in (-1, None, 1.5)),
    *(_set("best", "images", to=value) for value in (-1, None, "2")),
    *(_set("best", "weights", to=value) for value in (3, {}, {"net.tail.weight": torch.zeros(3)}, {"x": 1})),
    *(_set("window", to=value) for value in (None, {}, [], 3)),
    *(_set("window", "first", to=value) for value in (-1, 2, 10**30, None)),
    *(_set("window", "seconds", to=value) for value in (-1.0, None, "x")),
    *(_set("window", "steps", to=value) for value in (None, [], [3], [{}], 3)),
    _set("window", "steps", 0, "terms", to=["unknown"]),
    *(_set("window", "steps", 0, "values", "step-1", to=value) for value in (NOT_A_NUMBER, None, "x")),
]


@pytest.fixture(scope="module")
def stopped(pictures: Path, decoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped after its first step, in the middle of a window."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    recipe = DeltaDiffRecipe(crop=8, batch=2, images=12, warmup=4, validation_pictures=1, optimizer="muon", patience=2)
    train(recipe, Options(data=pictures, cache=decoded, run=run, device="cpu", minutes=1e-9), Silence())
    return run


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_state_is_told(damage: Callable[[State], None], stopped: Path, learn: Any, tmp_path: Path):
    run = shutil.copytree(stopped, tmp_path / "run")
    state = torch.load(run / "state.pt", weights_only=True)
    assert (state["images"], len(state["window"]["steps"])) == (2, 1)
    damage(state)
    torch.save(state, run / "state.pt")
    with pytest.raises(DeltasrError) as error:
        learn(DeltaDiffRecipe(), resume=True)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_damaged_state_of_a_discriminator_is_told(learn: Any):
    recipe = RrdbRecipe(
        crop=8, batch=2, images=4, blocks=1, width=4, adversarial=0.1, discriminator_width=4, validation_pictures=1
    )
    run = learn(recipe, minutes=1e-9)
    state = run.state
    state["discriminator_optimizer"]["state"][0]["exp_avg"] = torch.zeros(3)
    torch.save(state, run.folder / "state.pt")
    with pytest.raises(TrainingError, match=r"The saved state does not fit the recipe: exp_avg of .* shape \(3,\)"):
        learn(recipe, resume=True)
