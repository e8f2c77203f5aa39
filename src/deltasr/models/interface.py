"""The interface of every model, whatever program runs its network. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


class ModelInterface:
    """A super-resolution model: networks, process, metadata and weights behind one call.

    `model(lr)` maps floats (N, 3, h, w), RGB in [0, 1], to (N, 3, scale * h, scale * w) in [0, 1]: tensors for models
    of torch (`models.base.Model`), NumPy's arrays or tensors where `takes_arrays`. Any batch; any h and w that
    `size_requirements` allow. It holds no global state. A deterministic model never touches a random generator.

    Attributes:
        config: what the model was built from; None for models that have no checkpoints.
        takes_arrays: whether it computes on NumPy's arrays, on the CPU and without torch.
        name: the catalogue's or the checkpoint's name for it.
        description: one line for `deltasr models`.
        scale: the factor from LR to HR.
        size_requirements: the LR sizes it accepts.
        receptive_field: how far, in LR pixels, one result pixel can see; None where it is not bounded or not known.
        tiled: whether its results may be made tile by tile; if not, an `Upscaler` runs it on whole pictures, unless a
            tile is set.
        dtypes: the types that it computes in, of `float32`, `bfloat16` and `float16`; torch's models compute in those
            of 16 bits by autocast.
        stochastic: whether results depend on noise, and a call also takes `noise`: a `diffusion.noise.NoiseField`,
            which lies over the whole picture. All other models are deterministic.
        dial: whether results depend on a fidelity, and a call also takes `fidelity`: None, a number in [0, 1], from the
            most natural picture to the most faithful one, or an array (N,) of such numbers.
        default_fidelity: what a model with a dial takes where `fidelity` is None.
        restoring: whether results depend on how degraded the LR picture is, and a call also takes `restoration`:
            None for a clean one, a number in [0, 1] (`degradation.web`), or an array (N,) of such numbers.
        inpaints: whether it fills in parts of a picture, which a fourth channel of `lr` marks: 1 there, 0 elsewhere.
        consistent: whether an `Upscaler` projects its results onto the pictures that downscale to the input
            (`inference.consistency`), unless it is set otherwise.
        hidden_bytes_per_pixel: what a run takes for each LR pixel besides torch's tensors, where torch does not run it.
    """

    config: Config | None = None
    takes_arrays: bool = False
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

    if TYPE_CHECKING:
        __call__: Callable[..., Any]

    @property
    def steps(self) -> int:
        """How many predictions a result takes, each made from the one before; 1 for a single pass."""
        return 1

    @property
    def parameter_count(self) -> int:
        """How many numbers its weights are; 0 where that is not known."""
        return 0

    def weights_sha256(self) -> str:
        """SHA-256 of what the model has learnt; empty for models that have learnt nothing."""
        return ""
