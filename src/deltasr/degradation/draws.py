"""Random parameters: one generator per picture, and the distributions that degradations draw from.

Everything is drawn on the CPU in double precision, so that the same seed means the same degradation on every device.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import torch

Option = TypeVar("Option")

Range = tuple[float, float]
"""Lower and upper bound of a uniform distribution."""


def derived_seed(seed: int, key: int | str) -> int:
    """A seed in [0, 2^63) from a seed and a key, by a hash, so that neighbouring seeds and keys give unrelated ones."""
    digest = blake2b(f"{seed}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator_for(seed: int, key: int | str) -> torch.Generator:
    """A generator on the CPU whose stream depends on `seed` and `key` alone."""
    return torch.Generator(device="cpu").manual_seed(derived_seed(seed, key))


def uniform(bounds: Range, generator: torch.Generator) -> float:
    """A number from [low, high)."""
    low, high = bounds
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64, device="cpu"))


def normal(generator: torch.Generator) -> float:
    """A number of mean 0 and variance 1."""
    return float(torch.randn((), generator=generator, dtype=torch.float64, device="cpu"))


def uniform_integer(bounds: tuple[int, int], generator: torch.Generator, *, step: int = 1) -> int:
    """One of low, low + step, ... up to and including high, all with equal probability."""
    low, high = bounds
    count = (high - low) // step + 1
    return low + step * int(torch.randint(count, (), generator=generator, device="cpu"))


def bernoulli(probability: float, generator: torch.Generator) -> bool:
    """True with this probability."""
    return uniform((0.0, 1.0), generator) < probability


def choice(options: Sequence[Option], generator: torch.Generator, *, weights: Sequence[float] | None = None) -> Option:
    """One of the options, with probabilities in proportion to `weights`; equal ones without."""
    shares = torch.tensor([1.0] * len(options) if weights is None else list(weights), dtype=torch.float64, device="cpu")
    return options[int(torch.multinomial(shares, 1, generator=generator))]


def permutation(count: int, generator: torch.Generator) -> list[int]:
    """The numbers 0 to count - 1 in random order."""
    return [int(position) for position in torch.randperm(count, generator=generator, device="cpu")]
