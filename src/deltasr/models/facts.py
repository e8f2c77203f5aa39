"""Facts about a checkpoint's model without building it, from its header and the shapes of its weights.

Building needs torch, which takes seconds to load.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from deltasr.errors import ModelError, SettingError
from deltasr.models.configs import ARCHITECTURES, configured
from deltasr.models.header import Header, read_header, read_shapes

if TYPE_CHECKING:
    from deltasr.models.interface import ModelInterface


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a model; `models.base.Model` describes the attributes of the same names.

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
    """What is known of a checkpoint's model; None where it has to be built for that, as for an unknown architecture.

    Raises:
        CheckpointError: the file is missing, or is no checkpoint that this deltasr reads.
    """
    header, shapes = read_header(path), read_shapes(path)
    kind = ARCHITECTURES.get(header.architecture)
    try:
        config = None if kind is None else configured(kind, header.arguments)
    except (ModelError, SettingError):
        return None
    told = None if config is None else config.scale_and_reach(shapes)
    if told is None:
        return None
    scale, reach = told
    return Facts(
        name=header.name,
        description=header.description,
        scale=scale,
        parameters=sum(prod(shape) for shape in shapes.values() if shape),  # single numbers are constants
        receptive_field=reach,
        dial=getattr(config, "dial", False),
        default_fidelity=getattr(config, "default_fidelity", 1.0),
        restoring=getattr(config, "restoring", False),
        header=header,
    )


def told_by(model: ModelInterface) -> Facts:
    """The facts of a model that had to be loaded."""
    return Facts(
        name=model.name,
        description=model.description,
        scale=model.scale,
        parameters=model.parameter_count,
        receptive_field=model.receptive_field,
        dial=model.dial,
        default_fidelity=model.default_fidelity,
        restoring=model.restoring,
    )
