"""Two models of one network made into one, by mixing their weights (ESRGAN's network interpolation)."""

from __future__ import annotations

import copy
import os

import torch

from deltasr.errors import ModelError, SettingError
from deltasr.models import catalogue
from deltasr.models.base import Model


def blended(first: Model, second: Model, share: float) -> Model:
    """The model whose every weight lies between those of two others (ESRGAN, arXiv:1809.00219, section 3.5).

    `theta = (1 - share) theta_first + share theta_second`: with weights trained for fidelity first and the same ones
    trained further for realism second, the share moves results from the one to the other.

    Args:
        first, second: models of one class with equal options, but for those that only say how they are used by default
            (`Config.of_use`); they stay as they are.
        share: of the second, in [0, 1]; at 0 and 1 weights are exactly those of the first and of the second.

    Returns:
        A new model on the first one's device, in evaluation mode, which `checkpoint.save` writes as any other.

    Raises:
        SettingError: the share is not in [0, 1].
        ModelError: the models have no weights of deltasr's own, or are not of one network.
    """
    if not 0 <= share <= 1:
        raise SettingError(f"A blend with a share of {share} is not possible; give a share from 0 to 1.")
    for model in (first, second):
        if not model.architecture:
            raise ModelError(f"{model.name} cannot be blended; give two checkpoints of deltasr's own.")
    if type(first) is not type(second) or first.current_config().decisive() != second.current_config().decisive():
        raise ModelError(
            f"{first.name} and {second.name} are not the same network, so they cannot be blended; "
            "give two that were trained one from the other."
        )
    others = second.state_dict()
    mixed = {name: torch.lerp(weight, others[name].to(weight), share) for name, weight in first.state_dict().items()}
    model = copy.deepcopy(first)
    model.load_state_dict(mixed)
    model.name = f"{first.name}-{second.name}-{share:g}"
    model.description = f"{1 - share:g} {first.name} + {share:g} {second.name}"
    return model.eval()


def load_blended(
    model: str | os.PathLike[str],
    share: float,
    *,
    other: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
) -> Model:
    """A blend of two models by their names or paths.

    Args:
        model: the first one. Without `other`, either of a pair in `catalogue.COUNTERPARTS`, which stands for both: then
            the one trained for fidelity is the first, whichever is named.
        share: of the second, in [0, 1].
        other: the second one.
        device: where to put the blend.

    Raises:
        SettingError: the share is not in [0, 1], or there is no counterpart to `model`.
        ModelError, CheckpointError: as `catalogue.load` and `blended`.
    """
    pair = catalogue.pair_of(os.fspath(model)) if other is None else (model, other)
    if pair is None:
        raise SettingError(
            f"{os.fspath(model)} has no counterpart to be blended with; name the second model by --blend-with."
        )
    first, second = (catalogue.load(name, device=device) for name in pair)
    return blended(first, second, share)
