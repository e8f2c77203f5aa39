"""`deltasr steps`: the predictions of every step of the chain, side by side (DeltaDiff's figure 4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeGuard

from cyclopts import Parameter

from deltasr.cli.messages import plain
from deltasr.cli.parameters import OUTPUT, Flag

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from deltasr.models.base import Model
    from deltasr.models.chain import ChainModel

_LARGEST_SIDE = 256
_GAP = 4


def steps_command(
    picture: Path,
    /,
    *,
    output: Annotated[Path, OUTPUT],
    model: str = "deltadiff-x4",
    fidelity: float | None = None,
    crop: Annotated[tuple[int, int, int, int] | None, Parameter(negative=())] = None,
    overwrite: Flag = False,
) -> None:
    """Draw what each step of a model predicts.

    Writes one picture, a strip of the upsampled input and the picture after each step.

    Parameters
    ----------
    picture
        The LR picture.
    output
        The strip, a PNG or any other writable format.
    model
        A DeltaDiff model on the LR grid: a name in the catalogue, a checkpoint, or a training run's folder.
    fidelity
        For models with a dial, from 0 (most natural) to 1 (most faithful to the input). The default depends on the
        model.
    crop
        Left, top, width and height of the part to show, in LR pixels. By default the whole picture, or
        the middle 256x256 of a larger one.
    overwrite
        Replace the output if it already exists.
    """
    from deltasr.errors import ModelError, PictureError
    from deltasr.imaging import picture_from, read_rgb8, write_picture
    from deltasr.inference.conditions import require_fidelity
    from deltasr.models import catalogue

    if output.exists() and not overwrite:
        raise PictureError(f"{output} exists; name another output or pass --overwrite.")
    loaded = catalogue.load(model)
    if not _shows(loaded):
        steps = f"{loaded.steps} steps that are not shown here" if loaded.steps > 1 else "one pass and no steps to show"
        raise ModelError(f"{model} has {steps}; choose a DeltaDiff model on the LR grid, such as deltadiff-x4.")
    require_fidelity(loaded, fidelity)
    pixels = read_rgb8(picture)
    left, top, width, height = _shown(crop, pixels, picture)
    panels = _panels(loaded, pixels[top : top + height, left : left + width], fidelity)
    for note in write_picture(picture_from(_side_by_side(panels)), output):
        print(plain(note))
    print(plain(f"{output}: the upsampled input and {len(panels) - 1} steps, left to right"))


def _shows(model: Model) -> TypeGuard[ChainModel]:
    """Whether a model has steps on the LR grid, of pictures of any size."""
    from deltasr.models.base import SizeRequirements
    from deltasr.models.chain import ChainModel

    return isinstance(model, ChainModel) and model.size_requirements == SizeRequirements()


def _shown(crop: tuple[int, int, int, int] | None, pixels: np.ndarray, picture: Path) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part to show; the middle of the picture unless `crop` names another."""
    from deltasr.errors import SettingError

    whole_height, whole_width = pixels.shape[:2]
    if crop is None:
        width, height = min(whole_width, _LARGEST_SIDE), min(whole_height, _LARGEST_SIDE)
        return (whole_width - width) // 2, (whole_height - height) // 2, width, height
    left, top, width, height = crop
    lies_inside = 0 <= left < left + width <= whole_width and 0 <= top < top + height <= whole_height
    if not lies_inside:
        raise SettingError(
            f"The crop {left} {top} {width} {height} does not lie inside {picture}, "
            f"which is {whole_width} pixels wide and {whole_height} high."
        )
    return crop


def _panels(model: ChainModel, pixels: np.ndarray, fidelity: float | None) -> list[Tensor]:
    """The start of the chain and the prediction of each step, (3, H, W) in [0, 1], of an LR picture (h, w, 3)."""
    import torch

    codes: list[Tensor] = []

    def keep(t: int, x_t: Tensor, prediction: Tensor) -> None:
        codes.extend([prediction] if codes else [x_t, prediction])

    lr = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        model(lr, callback=keep, fidelity=fidelity)
        return [model.decode(code)[0].clamp(0, 1) for code in codes]


def _side_by_side(panels: list[Tensor]) -> np.ndarray:
    """One strip (H, W, 3), uint8, with white gaps between the panels."""
    import torch

    gap = torch.ones(3, panels[0].shape[-2], _GAP)
    pieces = [piece for panel in panels for piece in (gap, panel)][1:]
    return (torch.cat(pieces, dim=-1).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
