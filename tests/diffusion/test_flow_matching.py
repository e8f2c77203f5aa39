"""At kappa = 0 the chain is Euler's method on the flow-matching ODE, step by step, with `sigma = eta`."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor

from deltasr.diffusion.process import reverse_step
from deltasr.diffusion.sampling import sample
from deltasr.diffusion.schedule import PRESETS, Schedule, geometric_schedule

SCHEDULES = [
    PRESETS["deltadiff"],
    geometric_schedule(steps=15, p=0.3, kappa=0.0, eta_1=0.0004, eta_T=1.0),
    geometric_schedule(steps=1, p=0.3, kappa=0.0, eta_1=0.01, eta_T=0.99),
]


def predict(x_t: Tensor, t: int) -> Tensor:
    """A stand-in for a network that depends on the state and the step."""
    return torch.tanh(1.5 * x_t - 0.1 * t)


def start() -> Tensor:
    return torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_reverse_step_is_an_euler_step(schedule: Schedule):
    x_t = start().double()
    for t in range(schedule.steps, 0, -1):
        prediction = predict(x_t, t)
        velocity = (x_t - prediction) / schedule.eta[t]
        euler = x_t + (schedule.eta[t - 1] - schedule.eta[t]) * velocity
        x_t = reverse_step(x_t, prediction, t, schedule)
        torch.testing.assert_close(x_t, euler, atol=1e-14, rtol=0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_diffusers_goes_the_same_way(schedule: Schedule):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from diffusers import FlowMatchEulerDiscreteScheduler

    ours: list[Tensor] = []
    ours.append(sample(predict, start(), schedule, callback=lambda t, x_t, prediction: ours.append(x_t)))

    euler = FlowMatchEulerDiscreteScheduler(shift=1.0, shift_terminal=None, use_dynamic_shifting=False)
    euler.set_timesteps(sigmas=list(schedule.eta[:0:-1]))
    assert euler.sigmas.tolist() == pytest.approx(schedule.eta[::-1], abs=1e-7)
    x_t, theirs = start(), [start()]
    for t, timestep in zip(range(schedule.steps, 0, -1), euler.timesteps, strict=True):
        velocity = (x_t - predict(x_t, t)) / schedule.eta[t]
        x_t = euler.step(velocity, timestep, x_t, return_dict=False)[0]
        theirs.append(x_t)

    assert len(ours) == len(theirs) == schedule.steps + 1
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=2e-6, rtol=0)
