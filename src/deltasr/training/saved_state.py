"""Checks of a saved state before a run goes on from it.

Damage raises a `ValueError`, or an error of the function that gets the value, such as `load_state_dict`.
"""

from __future__ import annotations

import math
from typing import Any

import torch

_ENTRIES = {"AdamW": {"step", "exp_avg", "exp_avg_sq"}, "Adam": {"step", "exp_avg", "exp_avg_sq"}, "Muon": {"mean"}}
"""Class of an optimizer to the names of the values that it keeps for each weight."""


def count(value: object, name: str, *, most: int) -> int:
    """Return a value if it is an integer from 0 to `most`.

    Raises:
        ValueError: it is not; the message begins with `name`.
    """
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name} is no whole number from 0 to {most}")
    return value


def amount(value: object, name: str) -> float:
    """Return a value as a float if it is a finite number of at least 0.

    Raises:
        ValueError: it is not; the message begins with `name`.
    """
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is no finite number of at least 0")
    return float(value)


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Restore an optimizer's values for each weight, and its learning rate; other settings stay.

    Raises:
        ValueError: an entry is missing, unknown or of another shape than its weight, or a count of steps is not
            finite or below 0.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    expected = _ENTRIES[type(optimizer).__name__]
    for number, kept in saved["state"].items():
        weight = weights[count(number, "the number of a weight", most=len(weights) - 1)]
        if kept.keys() != expected:
            raise ValueError(f"an optimizer keeps {sorted(kept)} of a weight, not {sorted(expected)}")
        for name, value in kept.items():
            shape = torch.Size([]) if name == "step" else weight.shape
            if value.shape != shape:
                raise ValueError(f"{name} of an optimizer has the shape {tuple(value.shape)}, not {tuple(shape)}")
        if "step" in kept:
            amount(kept["step"].item(), "step of an optimizer")
    groups = optimizer.state_dict()["param_groups"]
    for group, kept in zip(groups, saved["param_groups"], strict=True):
        group["lr"] = amount(kept["lr"], "the learning rate")
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
