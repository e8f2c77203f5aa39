"""Bounds on what files say: types, numbers, depth, and how much comes into being while a model is built."""

from __future__ import annotations

import threading
from typing import TypedDict

import pytest
import torch
from torch import nn

from deltasr.errors import ModelError, SettingError
from deltasr.models.configs import Channels
from deltasr.models.limits import no_larger_than, require_within


class Limits(TypedDict, total=False):
    width: Channels


def test_bounds_are_named_with_their_argument():
    require_within({"width": 3, "other": object}, Limits)
    with pytest.raises(SettingError, match=r"^width: expected `int` <= 8192$"):
        require_within({"width": 10**30}, Limits)
    with pytest.raises(SettingError, match=r"^they: expected `object`, got `array`$"):
        require_within([], Limits)


def test_modules_may_hold_what_a_file_of_their_size_holds():
    with no_larger_than(4 * 16_000_000):
        built = nn.Linear(4000, 4000)
    assert built.weight.shape == (4000, 4000)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(*(nn.Conv2d(64, 64, 3) for _ in range(10**9))),
        lambda: nn.Linear(10**5, 10**5),
        lambda: nn.Parameter(torch.zeros(10**10)),
        lambda: torch.arange(10**8),
    ],
)
def test_more_is_refused_before_it_takes_memory(build):
    with pytest.raises(ModelError, match="more weights than the file holds"), no_larger_than(1000):
        build()


def test_other_threads_build_what_they_like():
    built: list[nn.Module] = []
    with no_larger_than(1000):
        thread = threading.Thread(target=lambda: built.append(nn.Linear(5000, 5000)))
        thread.start()
        thread.join()
    assert len(built) == 1
