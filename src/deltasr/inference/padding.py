"""Padding of pictures to a size that a model accepts, and cropping of the results."""

from __future__ import annotations

from functools import partial
from math import ceil

from deltasr.arrays import Array
from deltasr.inference.conditions import Conditions
from deltasr.inference.ensemble import mean_of_orientations
from deltasr.models.interface import ModelInterface, SizeRequirements
from deltasr.resampling.mirroring import mirror


def padded_size(height: int, width: int, requirements: SizeRequirements) -> tuple[int, int]:
    """The smallest allowed (height, width), in LR pixels, that is at least the given size."""
    height, width = max(height, requirements.minimum), max(width, requirements.minimum)
    if requirements.square:
        height = width = max(height, width)
    step = requirements.multiple_of
    return ceil(height / step) * step, ceil(width / step) * step


def pad(lr: Array, requirements: SizeRequirements) -> Array:
    """Mirror a picture beyond its bottom and right borders, as often as it takes, until a model accepts its size.

    Args:
        lr: (N, C, h, w), a tensor or an array, any values, h and w at least 1.
        requirements: the model's `size_requirements`.

    Returns:
        (N, C, H, W) with `lr` in its top left corner; `lr` itself if its size is allowed.
    """
    height, width = lr.shape[-2:]
    target = padded_size(height, width, requirements)
    if target == (height, width):
        return lr
    return mirror(lr, range(target[0]), range(target[1]))


def run_padded(
    model: ModelInterface, lr: Array, *, conditions: Conditions | None = None, ensemble: bool = False
) -> Array:
    """Run a model on a picture of any size, or on a window of one.

    Args:
        model: any model.
        lr: (N, 3, h, w) in the kind that the model takes, RGB in [0, 1], h and w at least 1.
        conditions: the other inputs of the model for this window; by default those of a whole picture with seed 0 and
            the model's own fidelity.
        ensemble: whether the result is the mean over the orientations of the padded picture (`inference.ensemble`).

    Returns:
        (N, 3, scale * h, scale * w), RGB in [0, 1].
    """
    height, width = lr.shape[-2:]
    padded = pad(lr, model.size_requirements)
    run = partial(model, **(conditions or Conditions()).arguments(model))
    result = mean_of_orientations(run, padded) if ensemble else run(padded)
    return result[..., : height * model.scale, : width * model.scale]
