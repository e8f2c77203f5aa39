"""What an `Upscaler` is made from: values that travel to other processes, where the model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltasr.errors import SettingError

if TYPE_CHECKING:
    from deltasr.inference.batch import Request
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.interface import ModelInterface


@dataclass(frozen=True, kw_only=True)
class UpscalerSettings:
    """A model by its name, and how it runs.

    Attributes:
        model: as `models.catalogue.load` takes it.
        blend: share of a second model, in [0, 1]; None for the model alone.
        blend_with: the second model; None for the counterpart of the first.
        steps, eta: of latent diffusion; None for its own, and for all other models.
        device, dtype, engine, tile, consistency, ensemble, reference: as `Upscaler` takes them.
    """

    model: str
    blend: float | None = None
    blend_with: str | None = None
    steps: int | None = None
    eta: float | None = None
    device: str = "auto"
    dtype: str = "float32"
    engine: str | None = None
    tile: int | None = None
    consistency: bool | None = None
    ensemble: bool = False
    reference: bool = False

    def load(self, request: Request) -> Upscaler:
        """The upscaler, if it can do what a request asks of every picture.

        Raises:
            ModelError: the model cannot be loaded, or has no error map where one is asked for.
            SettingError: a setting does not apply to it.
        """
        from deltasr.inference.conditions import require_fidelity, require_restoration
        from deltasr.inference.upscaler import Upscaler

        model = self._model()
        require_fidelity(model, request.fidelity)
        require_restoration(model, request.restoration)
        upscaler = Upscaler(
            model,
            device=self.device,
            dtype=self.dtype,
            engine=self.engine,
            tile=self.tile,
            consistency=self.consistency,
            ensemble=self.ensemble,
            reference=self.reference,
        )
        if request.map == "error":
            upscaler.load_error_map()  # so that a model without one is refused before any picture is read
        return upscaler

    def _model(self) -> ModelInterface:
        from deltasr.models import catalogue

        if self.blend is None and self.blend_with is not None:
            raise SettingError(
                f"--blend-with {self.blend_with} needs a share for that model; set --blend, from 0 to 1."
            )
        if self.blend is None:
            runtime = self.engine if self.engine in ("onnxruntime", "openvino") else None
            model = catalogue.load(self.model, runtime=runtime)
        else:
            from deltasr.models.blend import load_blended

            model = load_blended(self.model, self.blend, other=self.blend_with)
        if self.steps is None and self.eta is None:
            return model
        from deltasr.models.ldm import LatentDiffusion

        if not isinstance(model, LatentDiffusion):
            option, has = ("--eta", "no such noise") if self.steps is None else ("--steps", "a fixed number of steps")
            raise SettingError(f"{option} is for latent diffusion; {self.model} has {has}, so leave it out.")
        if self.steps is not None:
            model.use_steps(self.steps)
        if self.eta is not None:
            model.use_eta(self.eta)
        return model
