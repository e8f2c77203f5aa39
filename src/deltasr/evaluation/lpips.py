"""LPIPS v0.1 (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric").

Two images go through a fixed classification network; LPIPS is the weighted squared distance between their
channel-normalised features (eq. 1), averaged over places and summed over layers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from deltasr.errors import CheckpointError
from deltasr.models.pytorch_file import read_tensors
from deltasr.nets.classifiers import alexnet, require_comparable, smallest_side, squeezenet, vgg16

NetName = Literal["alex", "squeeze", "vgg"]
NET_NAMES: tuple[NetName, ...] = get_args(NetName)

_STACKS: dict[NetName, Callable[[], nn.Sequential]] = {"alex": alexnet, "squeeze": squeezenet, "vgg": vgg16}
_TAPS: dict[NetName, dict[int, int]] = {
    "alex": {1: 64, 4: 192, 7: 384, 9: 256, 11: 256},
    "squeeze": {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512},
    "vgg": {3: 64, 8: 128, 15: 256, 22: 512, 29: 512},
}
"""The layers whose features are compared, each with its channels."""

_SMALLEST_NORM = 1e-10


class Lpips(nn.Module):
    """LPIPS v0.1 as a metric and as a differentiable training loss; its weights are fixed.

    Weights come from a file (`Lpips.from_file`): the convolution layers under torchvision's names
    (`features.*`) and one linear head per layer (`lin*.model.1.weight`).

    Attributes:
        net: the network: "alex" (AlexNet), "squeeze" (SqueezeNet 1.1) or "vgg" (VGG16).
        smallest_side: the smallest height and width that the network accepts.
    """

    shift: Tensor
    spread: Tensor

    def __init__(self, *, net: NetName = "alex") -> None:
        super().__init__()
        self.net = net
        self.features = _STACKS[net]()
        self._taps = _TAPS[net]
        for index, width in enumerate(self._taps.values()):
            self.add_module(f"lin{index}", _Head(width))
        self.smallest_side = smallest_side(self.features)
        shift, spread = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", spread.view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def from_file(cls, path: Path | str, *, net: NetName | None = None) -> Lpips:
        """Reads the weights.

        Args:
            path: a `.pth` file that holds one state dict, or a folder with `lpips_<net>_v0.1.pth` in it.
            net: the network expected; by default the one that the file holds ("alex" for a folder).

        Raises:
            CheckpointError: the file is missing, damaged, not of LPIPS v0.1, or of another network.
        """
        path = Path(path)
        if path.is_dir():
            net = net or "alex"
            path = path / f"lpips_{net}_v0.1.pth"
        weights = _read_weights(path)
        held = _net_of(weights)
        if held is None:
            raise CheckpointError(
                f"{path} does not hold LPIPS v0.1 for AlexNet, SqueezeNet 1.1 or VGG16; "
                "give lpips_alex_v0.1.pth, lpips_squeeze_v0.1.pth or lpips_vgg_v0.1.pth."
            )
        if net is not None and held != net:
            raise CheckpointError(f"{path} holds LPIPS-{held}, not LPIPS-{net}; give lpips_{net}_v0.1.pth.")
        module = cls(net=held)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path} does not hold all layers of LPIPS-{held} and no others; fetch the file again."
            ) from error
        return module

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The distance between images: 0 for equal ones, around 0.1 to 0.5 between results and HR pictures.

        Args:
            sr: (N, 3, H, W), RGB in [0, 1].
            hr: the HR pictures, same shape.

        Returns:
            (N,), float32, also under autocast, at least 0.

        Raises:
            ModelError: shapes differ, or images are smaller than the network accepts.
        """
        require_comparable(sr, hr, name=f"LPIPS-{self.net}", least=self.smallest_side)
        with torch.autocast(sr.device.type, enabled=False):
            return self._distance(sr.float(), hr.float())

    def _distance(self, sr: Tensor, hr: Tensor) -> Tensor:
        distance = torch.zeros(sr.shape[0], device=sr.device)
        for index, (x, y) in enumerate(zip(self._layers(sr), self._layers(hr), strict=True)):
            head = self.get_submodule(f"lin{index}")
            difference = (_normalised(x) - _normalised(y)).square()
            distance = distance + head(difference).mean(dim=(1, 2, 3))
        return distance

    def train(self, mode: bool = True) -> Lpips:
        """Stays in evaluation mode, also as a part of a module that is trained."""
        return super().train(False)

    def _layers(self, image: Tensor) -> list[Tensor]:
        x = (2 * image.float() - 1 - self.shift) / self.spread
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                found.append(x)
        return found


class _Head(nn.Module):
    """One layer's channel weights, under the names that the released files use."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, kernel_size=1, bias=False))

    def forward(self, difference: Tensor) -> Tensor:
        weighted: Tensor = self.model(difference)
        return weighted


def _normalised(features: Tensor) -> Tensor:
    features = features.float()
    # The clamp keeps the gradient finite where all channels are zero.
    norm = features.square().sum(dim=1, keepdim=True).clamp_min(_SMALLEST_NORM**2).sqrt()
    return features / (norm + _SMALLEST_NORM)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"There is no LPIPS weights file {path}; check the name.")
    try:
        weights = read_tensors(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read as PyTorch weights; fetch the file again.") from error
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path} does not hold a state dict; give lpips_alex_v0.1.pth.")
    return weights


def _net_of(weights: dict[str, Tensor]) -> NetName | None:
    if "lin0.model.1.weight" not in weights:
        return None
    if "features.3.squeeze.weight" in weights:
        return "squeeze"
    if "features.28.weight" in weights:
        return "vgg"
    return "alex" if "features.8.weight" in weights else None
