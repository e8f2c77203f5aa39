"""What every model promises, whatever is inside it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class SizeRequirements:
    """The LR sizes a model accepts; `inference.padding.pad` brings any picture there.

    Attributes:
        minimum: smallest height and width, in LR pixels.
        multiple_of: height and width must be multiples of this.
        square: height and width must be equal.
    """

    minimum: int = 1
    multiple_of: int = 1
    square: bool = False


class Model(nn.Module):
    """A super-resolution model: networks, process, metadata and weights behind one call.

    `model(lr)` maps a float tensor (N, 3, h, w), RGB in [0, 1], to (N, 3, scale * h, scale * w) in [0, 1]. Any batch;
    any h and w that `size_requirements` allow. It holds no global state and moves with `.to()`. A deterministic model
    never touches a random generator.

    Attributes:
        name: the catalogue's or the checkpoint's name for it.
        description: one line for `deltasr models`.
        scale: the factor from LR to HR.
        size_requirements: the LR sizes it accepts.
        receptive_field: how far, in LR pixels, one result pixel can see; None where it is not bounded or not known.
        tiled: whether its results may be made tile by tile; where not, an `Upscaler` shows it whole pictures unless
            told otherwise.
        dtypes: the types that it computes in, of `float32`, `bfloat16` and `float16`; those of 16 bits by autocast.
        stochastic: whether results depend on noise, and `forward` also takes `noise`: a `diffusion.noise.NoiseField`,
            which lies over the whole picture. All other models are deterministic.
        dial: whether results depend on how faithful they shall be, and `forward` also takes `fidelity`: None, a number
            in [0, 1], from the most natural picture to the most faithful one, or a tensor (N,) of such numbers.
        default_fidelity: what a model with a dial takes where `fidelity` is None.
        restoring: whether results depend on how degraded the LR picture is, and `forward` also takes `restoration`:
            None for a clean one, a number in [0, 1] (`degradation.web`), or a tensor (N,) of such numbers.
        consistent: whether an `Upscaler` projects its results onto the pictures that downscale to the input, unless
            told otherwise (`inference.consistency`).
        hidden_bytes_per_pixel: what a run takes for each LR pixel besides torch's tensors, where torch does not run it.
    """

    architecture: ClassVar[str] = ""
    """The name under which checkpoints record this class; empty for models that have no checkpoints."""

    limits: ClassVar[Any] = dict[str, Any]
    """A `TypedDict` of bounds on `arguments()` as a checkpoint's header may state them (`models.limits`)."""

    name: str = ""
    description: str = ""
    scale: int = 4
    size_requirements: SizeRequirements = SizeRequirements()
    receptive_field: int | None = None
    tiled: bool = True
    dtypes: tuple[str, ...] = ("float32", "bfloat16", "float16")
    stochastic: bool = False
    dial: bool = False
    default_fidelity: float = 1.0
    restoring: bool = False
    consistent: bool = False
    hidden_bytes_per_pixel: float = 0.0

    def forward(self, lr: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define forward")

    def net_arguments(self) -> dict[str, object]:
        """The arguments that decide the networks' shapes; models that agree in them can exchange weights."""
        return self.arguments()

    def adopt(self, other: Model) -> bool:
        """Take over the weights of a model of the same networks, and say whether it is one."""
        if type(other) is not type(self) or other.net_arguments() != self.net_arguments():
            return False
        self.load_state_dict(other.state_dict())
        return True

    def arguments(self) -> dict[str, object]:
        """The keyword arguments that build this model again, as JSON values (for a checkpoint's header)."""
        raise TypeError(f"{type(self).__name__} has no checkpoints")


def complete_arguments(network: type[nn.Module], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A network's arguments with those left at their defaults, as JSON values: a file must not depend on defaults."""
    bound = inspect.signature(network).bind(**arguments)
    bound.apply_defaults()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in bound.arguments.items()}
