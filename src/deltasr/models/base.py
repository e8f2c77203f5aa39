"""The interface of every model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from torch import Tensor, nn

from deltasr.models.configs import Config


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
        tiled: whether its results may be made tile by tile; if not, an `Upscaler` runs it on whole pictures, unless a
            tile is set.
        dtypes: the types that it computes in, of `float32`, `bfloat16` and `float16`; those of 16 bits by autocast.
        stochastic: whether results depend on noise, and `forward` also takes `noise`: a `diffusion.noise.NoiseField`,
            which lies over the whole picture. All other models are deterministic.
        dial: whether results depend on a fidelity, and `forward` also takes `fidelity`: None, a number
            in [0, 1], from the most natural picture to the most faithful one, or a tensor (N,) of such numbers.
        default_fidelity: what a model with a dial takes where `fidelity` is None.
        restoring: whether results depend on how degraded the LR picture is, and `forward` also takes `restoration`:
            None for a clean one, a number in [0, 1] (`degradation.web`), or a tensor (N,) of such numbers.
        inpaints: whether it fills in parts of a picture, which a fourth channel of `lr` marks: 1 there, 0 elsewhere.
        consistent: whether an `Upscaler` projects its results onto the pictures that downscale to the input
            (`inference.consistency`), unless it is set otherwise.
        hidden_bytes_per_pixel: what a run takes for each LR pixel besides torch's tensors, where torch does not run it.
    """

    config: Config | None = None
    """What the model was built from; None for models that have no checkpoints."""

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
    inpaints: bool = False
    consistent: bool = False
    hidden_bytes_per_pixel: float = 0.0

    def forward(self, lr: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define forward")

    @property
    def architecture(self) -> str:
        """The name under which checkpoints record its class; empty for models that have no checkpoints."""
        return "" if self.config is None else self.config.architecture

    @property
    def steps(self) -> int:
        """How many predictions a result takes, each made from the one before; 1 for a single pass."""
        return 1

    def current_config(self) -> Config:
        """The config that builds this model again, with the options of use as they are set now.

        Raises:
            TypeError: the model has no checkpoints.
        """
        if self.config is None:
            raise TypeError(f"{type(self).__name__} has no checkpoints")
        return replace(self.config, **{name: getattr(self, name) for name in self.config.of_use})

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that build this model again, as JSON values (for a checkpoint's header)."""
        return self.current_config().arguments()

    def net_arguments(self) -> dict[str, Any]:
        """What decides the networks' shapes; models that agree in it can exchange weights."""
        return self.current_config().shape()

    def adopt(self, other: Model) -> bool:
        """Take over the weights of a model of the same networks, and return whether it is one."""
        if type(other) is not type(self) or other.net_arguments() != self.net_arguments():
            return False
        self.load_state_dict(other.state_dict())
        return True

    def predictions(self, lr: Tensor, **conditions: float | Tensor | None) -> list[Tensor]:
        """The picture after each step, first step first, the last of them the result.

        Args:
            lr: as for a call of the model.
            conditions: the other arguments of the call, such as `fidelity`.
        """
        return [self(lr, **conditions)]


class OnePassModel(Model):
    """A model that makes its result by one pass of its network; subclasses define `unclamped`."""

    def unclamped(self, lr: Tensor) -> Tensor:
        """The result (N, 3, scale h, scale w), not clamped: losses on values out of range have gradients, too."""
        raise TypeError(f"{type(self).__name__} does not define unclamped")

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1]."""
        return self.unclamped(lr).clamp(0, 1)
