"""How wrong each pixel of a DeltaDiff's result may be: a head on its features, and factors that calibrate it.

The interval around each value of the result is [result - v, result + v] with v = lambda v', where v' is the head's
prediction (Angelopoulos et al., "Image-to-Image Regression with Distribution-Free Uncertainty Quantification and
Applications in Imaging", ICML 2022, section 2: intervals of a heuristic size, multiplied by one calibrated factor).
The factor is the smallest one whose share of missed values on n held-out pictures, n / (n + 1) times their mean plus
1 / (n + 1), is at most 10 % (Angelopoulos et al., "Conformal Risk Control", ICLR 2024, section 2). The share that is
missed on another picture of the same kind is then at most 10 % in expectation, whatever the errors' distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from deltasr.diffusion.sampling import sample
from deltasr.errors import CheckpointError, SettingError, reason
from deltasr.files import write_whole
from deltasr.models import catalogue
from deltasr.models.base import Model
from deltasr.models.chain import Condition
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.error_map_interface import COVERAGE, LARGEST, STEPS_PER_LEVEL, Run, no_map
from deltasr.nets.error_head import ErrorHead

FIDELITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
RESTORATIONS = (0.0, 1.0)
"""Where the dials stand in calibration; the factors between are interpolated linearly."""

_HEADER_KEY = "deltasr-map"
_SMALLEST = 0.25
"""Of a prediction, in levels."""


class ErrorMap(nn.Module):
    """Predicts the half-widths of intervals around a model's results; its own weights are the head and the factors.

    Args:
        model: makes the results.
    """

    factors: Tensor

    def __init__(self, model: DeltaDiff) -> None:
        super().__init__()
        self._models = (model,)  # in a tuple, so that its weights are not the map's
        self.head = ErrorHead(width=model.net.head.out_channels, scale=model.scale, dials=2)
        self.register_buffer("factors", torch.ones(len(RESTORATIONS), len(FIDELITIES)))

    def run(self, lr: Tensor, fidelity: Condition = None, restoration: Condition = None) -> Run:
        """Run the model as its `forward` does, and keep its features; these are float32 under autocast too."""
        (model,) = self._models
        features = model.features(lr, fidelity, restoration)
        y_0, predict = model.predictor(lr, fidelity, restoration, features=features)
        result = model.decode(sample(predict, y_0, model.schedule)).clamp(0, 1)
        given = (model.default_fidelity if fidelity is None else fidelity, 0.0 if restoration is None else restoration)
        dial_values = torch.stack(
            [torch.as_tensor(value, dtype=torch.float32, device=lr.device).expand(len(lr)) for value in given], dim=1
        )
        return Run(result.float(), features.float(), dial_values)

    def predict(self, run: Run, result: Tensor) -> Tensor:
        """The head's prediction log(1 + v'), (N, 1, scale h, scale w).

        Args:
            run: of the model.
            result: (N, 3, scale h, scale w) in [0, 1]: that run's, projected if the model's results are.
        """
        prediction: Tensor = self.head(run.features, result, run.dial_values)
        return prediction

    def forward(self, run: Run, result: Tensor) -> Tensor:
        """The half-widths v in 8-bit levels, (N, 1, scale h, scale w); arguments as for `predict`."""
        fidelity, restoration = run.dial_values.unbind(dim=1)
        factors = torch.einsum(
            "nr,rf,nf->n", _shares(restoration, RESTORATIONS), self.factors, _shares(fidelity, FIDELITIES)
        )
        levels = self.head.levels(run.features, result, run.dial_values)
        return factors[:, None, None, None] * levels.clamp(min=_SMALLEST)

    def stored(self, run: Run, result: Tensor) -> Tensor:
        """The half-widths as results store them, in 1/256 of a level, over the largest number of 16 bits, up to 1."""
        return (self(run, result) * STEPS_PER_LEVEL / LARGEST).clamp(max=1)


def half_widths(prediction: Tensor) -> Tensor:
    """The head's prediction log(1 + v') as v' in levels."""
    return prediction.expm1().clamp(min=_SMALLEST)


def calibrated_factor(ratios: Sequence[Tensor], *, missed: float = 1 - COVERAGE) -> float:
    """The smallest lambda with n / (n + 1) R(lambda) + 1 / (n + 1) <= `missed`.

    R(lambda) is the mean over n pictures of the share of values whose ratio is above lambda.

    Args:
        ratios: for each picture, |error| / v' of its values, any shape.
        missed: the share of values that may lie outside their intervals.

    Raises:
        SettingError: there are too few pictures for so small a share.
    """
    count = len(ratios)
    allowed = (missed * (count + 1) - 1) / count if count else -1.0
    if allowed < 0:
        raise SettingError(f"{count} pictures are too few to calibrate a share of {missed:g}; give more.")
    values, order = torch.cat([ratio.flatten() for ratio in ratios]).sort(descending=True)
    shares = torch.cat([torch.full((ratio.numel(),), 1 / (count * ratio.numel())) for ratio in ratios])
    above = shares.double()[order].cumsum(0)
    outside = int((above <= allowed + 1e-9).sum())
    return float(values[min(outside, len(values) - 1)])


def untrained(model: Model) -> ErrorMap:
    """A map for a model, with fresh weights.

    Raises:
        ModelError: models of this kind have no map.
    """
    if not isinstance(model, DeltaDiff) or model.config.features != "once":
        raise no_map(model.name, catalogue.with_error_maps())
    return ErrorMap(model)


def save(error_map: ErrorMap, path: Path, *, model: Model, facts: dict[str, Any]) -> None:
    """Write a map to a `.safetensors` file whose header names the weights that it belongs to.

    Args:
        error_map: trained and calibrated.
        path: the file.
        model: that it was trained on.
        facts: how it was trained, as JSON values.

    Raises:
        CheckpointError: the file cannot be written.
    """
    from safetensors.torch import save as serialise

    header = msgspec.json.encode({"model_sha256": model.weights_sha256(), "coverage": COVERAGE, **facts}).decode()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in error_map.state_dict().items()}
    write_whole(path, serialise(tensors, metadata={_HEADER_KEY: header}), what="The error map", error=CheckpointError)


def load(model: Model, path: Path | None = None) -> ErrorMap:
    """The map of a model, on its device.

    Args:
        model: a model of the catalogue.
        path: the map's file; None for the one that comes with the package.

    Raises:
        ModelError: the model has no map.
        CheckpointError: the file cannot be read, or belongs to other weights.
    """
    from safetensors import safe_open

    error_map = untrained(model)
    file = file_of(model.name) if path is None else path
    if path is None and not catalogue.has_error_map(model.name):
        raise no_map(model.name, catalogue.with_error_maps())
    try:
        with safe_open(file, "pt") as content:
            header = msgspec.json.decode((content.metadata() or {})[_HEADER_KEY], type=dict[str, Any])
            weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - no mapping
    except Exception as error:  # safetensors, msgspec and the file system fail each in their own way
        raise CheckpointError(f"{file} is not a readable error map ({reason(error)}).") from error
    if header.get("model_sha256") != model.weights_sha256():
        raise CheckpointError(
            f"The error map {file} belongs to other weights than those of {model.name}; train one for these by "
            "scripts/train_map.py."
        )
    try:
        error_map.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"The weights in {file} are no error map of {model.name} ({reason(error)}).") from error
    error_map.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return error_map.to(next(model.parameters()).device).eval()


def file_of(name: str) -> Path:
    """Where the package keeps the map of a bundled model."""
    return catalogue.bundled_file(name, catalogue.MAP_SUFFIX)


def _shares(values: Tensor, knots: Sequence[float]) -> Tensor:
    """(N,) in [0, 1] to (N, knots): shares of evenly spaced knots that interpolate linearly."""
    places = torch.tensor(knots, device=values.device)
    return (1 - (values[:, None] - places).abs() * (len(knots) - 1)).clamp(min=0)
