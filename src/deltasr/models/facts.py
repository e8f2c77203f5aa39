"""What can be told of a checkpoint's model without building it, from its header and the shapes of its weights.

Building needs torch, which takes longer to load than all that these facts are asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from deltasr.models.header import Header, read_header, read_shapes

if TYPE_CHECKING:
    from deltasr.models.base import Model

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each weight, by its name."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a model; `models.base.Model` says what the attributes of the same names mean.

    Attributes:
        parameters: how many numbers its weights are.
        header: of its checkpoint; None for models that have none.
    """

    name: str
    description: str
    scale: int
    parameters: int = 0
    receptive_field: int | None = None
    dial: bool = False
    default_fidelity: float = 1.0
    restoring: bool = False
    header: Header | None = field(default=None, repr=False)


def facts_of(path: str | os.PathLike[str]) -> Facts | None:
    """What is known of a checkpoint's model; None where only building it tells, as for an unknown architecture.

    Raises:
        CheckpointError: the file is missing, or is no checkpoint that this deltasr reads.
    """
    header, shapes = read_header(path), read_shapes(path)
    tell = _ARCHITECTURES.get(header.architecture)
    if tell is None:
        return None
    try:
        scale, reach = tell(header.arguments, shapes)
        return Facts(
            name=header.name,
            description=header.description,
            scale=int(scale),
            parameters=sum(map(prod, shapes.values())),
            receptive_field=reach,
            dial=bool(header.arguments.get("dial", False)),
            default_fidelity=float(header.arguments.get("default_fidelity", 1.0)),
            restoring=bool(header.arguments.get("restoring", False)),
            header=header,
        )
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError, OverflowError):
        return None


def told_by(model: Model) -> Facts:
    """What a model that had to be loaded says of itself."""
    return Facts(
        name=model.name,
        description=model.description,
        scale=model.scale,
        parameters=sum(weight.numel() for weight in model.parameters()),
        receptive_field=model.receptive_field,
        dial=model.dial,
        default_fidelity=model.default_fidelity,
        restoring=model.restoring,
    )


def _deltadiff(arguments: Mapping[str, Any], shapes: Shapes) -> tuple[int, int]:
    """Its convolutions are one behind the other: each sees half of its kernel further, those of the body every step."""
    bodies = 1 if arguments.get("shared", True) else arguments.get("steps", 4)
    encoder = _reach(shapes, r"net\.(head|encoder|encoder_out)\.")
    body = _reach(shapes, r"net\.body\.") // bodies + _reach(shapes, r"net\.tail\.")
    state = body + (encoder - 1 if arguments.get("features") == "every-step" else 0)
    return arguments.get("scale", 4), encoder + body + (arguments.get("steps", 4) - 1) * state


def _reach(shapes: Shapes, names: str) -> int:
    """How far the convolutions of such names see, one behind the other."""
    kernels = [shape for name, shape in shapes.items() if re.match(names, name) and len(shape) == 4]
    return sum(shape[-1] // 2 for shape in kernels)


def _rrdb(arguments: Mapping[str, Any], shapes: Shapes) -> tuple[int, int]:
    """As `nets.rrdb.RrdbNet.reach`."""
    return 4, 15 * arguments.get("blocks", 2) + 4


def _resshift(arguments: Mapping[str, Any], shapes: Shapes) -> tuple[int, None]:
    return (4 if arguments.get("first_stage") == "pixel-unshuffle" else _autoencoder_factor(arguments)), None


def _vq(arguments: Mapping[str, Any], shapes: Shapes) -> tuple[int, None]:
    return 1, None


def _autoencoder_factor(arguments: Mapping[str, Any]) -> int:
    """Its levels halve a picture between them."""
    return int(2 ** (len(arguments["autoencoder"]["widths"]) - 1))


_ARCHITECTURES: dict[str, Callable[[Mapping[str, Any], Shapes], tuple[int, int | None]]] = {
    "deltadiff": _deltadiff,
    "rrdb": _rrdb,
    "resshift": _resshift,
    "vq": _vq,
}
"""Scale and receptive field of the models that checkpoints name."""
