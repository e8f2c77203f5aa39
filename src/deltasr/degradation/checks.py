"""Checks of the settings of random degradations, whose errors are one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deltasr.errors import SettingError


def check_probability(name: str, value: float) -> None:
    """Raise SettingError unless `value` lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise SettingError(f"{name} is {value}; a probability lies between 0 and 1.")


def check_weights(name: str, values: Sequence[float], count: int) -> None:
    """Raise SettingError unless `values` are `count` probabilities that add up to 1."""
    if len(values) != count or not all(0.0 <= value <= 1.0 for value in values) or abs(sum(values) - 1.0) > 1e-6:
        raise SettingError(f"{name} is {tuple(values)}; give {count} probabilities that add up to 1.")


def check_range(name: str, bounds: Sequence[float], *, least: float, most: float = math.inf, unit: str = "") -> None:
    """Raise SettingError unless `bounds` are two numbers with least <= low <= high <= most."""
    if len(bounds) != 2 or not least <= bounds[0] <= bounds[1] <= most or math.isinf(bounds[1]):
        limits = f"at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise SettingError(
            f"{name} is {tuple(bounds)}; give a lower and an upper bound, {limits}{f' {unit}' if unit else ''}."
        )


def check_sides(name: str, bounds: Sequence[int]) -> None:
    """Raise SettingError unless `bounds` are two odd whole numbers of pixels, the smaller first."""
    check_range(name, bounds, least=1, unit="pixels")
    if any(not isinstance(side, int) or side % 2 == 0 for side in bounds):
        raise SettingError(f"{name} is {tuple(bounds)}; kernels have odd sides, such as 7 and 21.")


def check_quality(name: str, bounds: Sequence[int]) -> None:
    """Raise SettingError unless `bounds` are two whole JPEG qualities, the smaller first."""
    check_range(name, bounds, least=1, most=100)
    if not all(isinstance(quality, int) for quality in bounds):
        raise SettingError(f"{name} is {tuple(bounds)}; JPEG qualities are whole numbers.")
