"""The random number streams of a batch."""

from __future__ import annotations

import pytest
import torch

from deltasr.training.losses.objective import Objective, RngStreams


def _drawn(streams: RngStreams, purpose: str, count: int) -> list[float]:
    return [float(torch.rand((), generator=generator)) for generator in streams.generators(purpose, count)]


def test_streams_are_each_crop_s_own_whatever_batch_it_is_in():
    whole = _drawn(RngStreams(seed=1, position=10), "noise", 4)
    halves = [_drawn(RngStreams(seed=1, position=position), "noise", 2) for position in (10, 12)]
    assert whole == halves[0] + halves[1]
    assert len(set(whole)) == 4


def test_streams_depend_on_the_seed_and_the_purpose():
    values = [
        _drawn(RngStreams(seed=seed, position=10), purpose, 2)
        for seed, purpose in ((1, "noise"), (2, "noise"), (1, "steps"))
    ]
    assert len({value for pair in values for value in pair}) == 6


def test_an_objective_has_to_say_what_it_is():
    with pytest.raises(TypeError, match="Objective does not define forward"):
        Objective()(torch.zeros(1), torch.zeros(1), RngStreams(seed=0, position=0))
