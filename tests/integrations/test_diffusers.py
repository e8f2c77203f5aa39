"""The scheduler for diffusers takes the same steps as our chain, in the real diffusers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

import deltasr
from deltasr.diffusion.process import forward_marginal
from deltasr.diffusion.sampling import noise_from, sample
from deltasr.diffusion.schedule import Schedule, geometric_schedule
from deltasr.models.chain import ChainModel

pytest.importorskip("diffusers", reason="needs the extra 'papers'")

FILE = Path(__file__).parents[2] / "integrations" / "diffusers" / "residual_shift.py"


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    """The file, imported by its path."""
    spec = importlib.util.spec_from_file_location("residual_shift", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def chain(scheduler, predict, y_0: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Every state of a chain that diffusers runs."""
    scheduler.set_timesteps()
    states = [scheduler.start(y_0, generator=generator)]
    for t in scheduler.timesteps:
        states.append(scheduler.step(predict(states[-1], int(t)), t, states[-1], generator=generator).prev_sample)
    return states


@pytest.mark.parametrize("kappa", [0.0, 2.0])
@pytest.mark.parametrize("steps", [1, 4, 15])
def test_the_states_are_those_of_our_chain(theirs: ModuleType, steps: int, kappa: float):
    if steps == 1:
        schedule = Schedule(eta=(0.0, 0.9), kappa=kappa)
    else:
        schedule = geometric_schedule(steps=steps, p=0.3, kappa=kappa, eta_1=0.01, eta_T=0.98)
    y_0 = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def predict(x_t: Tensor, t: int) -> Tensor:
        return torch.tanh(x_t * 0.9 + 0.01 * t)

    ours: list[Tensor] = []
    last = sample(
        predict, y_0, schedule, noise=noise_from(torch.Generator().manual_seed(7)),
        callback=lambda t, x_t, prediction: ours.append(x_t),
    )  # fmt: skip
    scheduler = theirs.ResidualShiftScheduler(eta=schedule.eta, kappa=kappa)
    states = chain(scheduler, predict, y_0, torch.Generator().manual_seed(7))
    assert len(states) == steps + 1
    for mine, other in zip([*ours, last], states, strict=True):
        torch.testing.assert_close(other, mine, atol=1e-6, rtol=1e-6)


def test_a_bundled_model_runs_in_it(theirs: ModuleType):
    model = deltasr.load("deltadiff-x4")
    assert isinstance(model, ChainModel)
    lr = torch.rand(1, 3, 12, 9, generator=torch.Generator().manual_seed(0))
    scheduler = theirs.ResidualShiftScheduler(eta=model.schedule.eta, kappa=model.schedule.kappa)
    with torch.inference_mode():
        y_0, predict = model.predictor(lr)
        result = model.decode(chain(scheduler, predict, y_0, torch.Generator())[-1]).clamp(0, 1)
        torch.testing.assert_close(result, model(lr), atol=1e-6, rtol=0)


def test_training_states_are_ours(theirs: ModuleType):
    schedule = geometric_schedule(steps=4, p=0.3, kappa=2.0, eta_1=0.01, eta_T=0.98)
    x_0, y_0, noise = (torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3))
    scheduler = theirs.ResidualShiftScheduler(eta=schedule.eta, kappa=schedule.kappa)
    states = scheduler.add_noise(x_0, y_0, noise, torch.tensor([1, 3, 4]))
    for number, t in enumerate((1, 3, 4)):
        one = slice(number, number + 1)
        torch.testing.assert_close(states[one], forward_marginal(x_0[one], y_0[one], t, schedule, noise[one]))


def test_it_is_saved_and_loaded_as_diffusers_does(theirs: ModuleType, tmp_path: Path):
    scheduler = theirs.ResidualShiftScheduler(eta=(0.0, 0.25, 0.9), kappa=1.5)
    scheduler.save_pretrained(tmp_path)
    again = theirs.ResidualShiftScheduler.from_pretrained(tmp_path)
    assert (again.eta, again.config.kappa, again.timesteps.tolist()) == ((0.0, 0.25, 0.9), 1.5, [2, 1])


def test_what_cannot_be_is_refused(theirs: ModuleType):
    scheduler = theirs.ResidualShiftScheduler(eta=(0.0, 0.25, 0.9))
    with pytest.raises(ValueError, match="has 2 steps"):
        scheduler.set_timesteps(50)
    with pytest.raises(ValueError, match="Step 3 does not exist"):
        scheduler.step(torch.zeros(1, 1, 1, 1), 3, torch.zeros(1, 1, 1, 1))
    with pytest.raises(ValueError, match="eta has to begin at 0"):
        theirs.ResidualShiftScheduler(eta=(0.1, 0.5))
    assert len(FILE.read_text(encoding="utf-8").splitlines()) < 150
