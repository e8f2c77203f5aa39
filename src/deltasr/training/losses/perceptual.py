"""The perceptual loss: the distance between features that a classification network computes from two pictures."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from deltasr.errors import CheckpointError, ModelError
from deltasr.models.checkpoint import misfit
from deltasr.models.pytorch_file import read_state_dict
from deltasr.nets.classifier_layers import ClassifierName, layer_index
from deltasr.nets.classifiers import STACKS, Fire, require_comparable, smallest_side
from deltasr.training.losses.pixel import PixelLoss, l1, l2

Activation = Literal["before", "after"]
Distance = Literal["l1", "l2", "squared"]


def squared(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared distance between the feature vectors of a place, a mean over places: `l2` times the channels."""
    return (prediction - target).square().sum(dim=1).mean()


_DISTANCES: dict[Distance, PixelLoss] = {"l1": l1, "l2": l2, "squared": squared}

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

_FILES: dict[ClassifierName, tuple[str, ...]] = {
    "vgg19": ("vgg19-*.pth", "vgg19*.safetensors"),
    "alex": ("lpips_alex_v0.1.pth", "alexnet-*.pth", "alexnet*.safetensors"),
    "squeeze": ("lpips_squeeze_v0.1.pth", "squeezenet1_1-*.pth", "squeezenet1_1*.safetensors"),
}
"""What weights files are called, in the order in which a folder is searched for them."""

_IN_TORCHVISION: dict[ClassifierName, str] = {"vgg19": "vgg19", "alex": "alexnet", "squeeze": "squeezenet1_1"}


class PerceptualLoss(nn.Module):
    """The mean distance between one layer's features of a result and of the HR picture; its weights never change.

    Features before the activation are ESRGAN's (arXiv:1809.00219, section 3.4), after it SRGAN's (arXiv:1609.04802,
    eq. 5). It computes in float32, whatever autocast says.

    Args:
        stack: a network's convolutions with their weights (`nets.classifiers`); those up to the layer become the loss's
            own, and the others are let go.
        network: which network that is.
        layer: one of `nets.classifier_layers.layer_names(network)`.
        activation: features `before` the layer's ReLU or `after` it.
        distance: `l1`, the mean absolute difference, `l2`, the mean squared one, or `squared`, the squared distance
            divided by the features' width and height (SRGAN eq. 5).

    Attributes:
        smallest_side: the smallest height and width of pictures that have features at this layer.

    Raises:
        SettingError: the network has no such layer.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        stack: nn.Sequential,
        *,
        network: ClassifierName,
        layer: str,
        activation: Activation,
        distance: Distance = "l1",
    ) -> None:
        super().__init__()
        self.name = f"{network} {layer}"
        self.features = nn.Sequential(*list(stack)[: layer_index(network, layer) + 1])
        self.smallest_side = smallest_side(self.features)
        self._after = activation == "after"
        self._distance = _DISTANCES[distance]
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def from_source(
        cls,
        source: Path | None,
        *,
        network: ClassifierName,
        layer: str,
        activation: Activation,
        distance: Distance = "l1",
    ) -> PerceptualLoss:
        """Reads the weights.

        Args:
            source: a file, PyTorch's or safetensors, that has the network's convolutions under torchvision's names
                (`features.*`; further entries do not matter, so that LPIPS's files serve), or a folder with such a
                file; None for torchvision, which downloads them once.
            network, layer, activation, distance: as for the class.

        Raises:
            SettingError: the network has no such layer.
            CheckpointError: the file is missing, damaged, or does not hold this network.
            ModelError: there is neither a source nor a torchvision that can be used.
        """
        layer_index(network, layer)
        if source is None:
            weights, origin = _from_torchvision(network), "torchvision"
        else:
            file = _in_folder(source, network) if source.is_dir() else source
            weights, origin = read_state_dict(file), str(file)
        stack = _stack(network, weights, origin)
        return cls(stack, network=network, layer=layer, activation=activation, distance=distance)

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The distance between results and HR pictures: 0 for equal ones.

        Args:
            sr: (N, 3, H, W), RGB in [0, 1].
            hr: the HR pictures, same shape; no gradient reaches them.

        Returns:
            A scalar, float32.

        Raises:
            ModelError: shapes differ, or pictures are too small to have features at this layer.
        """
        require_comparable(sr, hr, name=f"The perceptual loss at {self.name}", least=self.smallest_side)
        with torch.autocast(sr.device.type, enabled=False):
            with torch.no_grad():
                target = self._features_of(hr)
            return self._distance(self._features_of(sr), target)

    def train(self, mode: bool = True) -> PerceptualLoss:
        """Stays in evaluation mode: a loss must not depend on whether its owner trains."""
        return super().train(False)

    def _features_of(self, picture: Tensor) -> Tensor:
        x = (picture.float() - self.mean) / self.std
        *earlier, last = self.features
        for layer in earlier:
            x = layer(x)
        x = last.expand(x) if isinstance(last, Fire) else last(x)
        return x.relu() if self._after else x


def _stack(network: ClassifierName, weights: Mapping[str, Tensor], origin: str) -> nn.Sequential:
    """A network's convolutions with their weights from a state dict; no random number is drawn."""
    with torch.device("meta"):
        stack = STACKS[network]()
    prefix = "features."
    found = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    if reason := misfit(stack.state_dict(prefix=prefix), {prefix + name: value for name, value in found.items()}):
        raise CheckpointError(f"{origin} does not hold the features of {network}: {reason}; give {_wanted(network)}.")
    stack.to_empty(device="cpu").load_state_dict(found)
    return stack


def _in_folder(folder: Path, network: ClassifierName) -> Path:
    for pattern in _FILES[network]:
        for file in sorted(folder.glob(pattern)):
            return file
    raise CheckpointError(f"{folder} has no weights of {network} in it; give {_wanted(network)}.")


def _from_torchvision(network: ClassifierName) -> Mapping[str, Tensor]:
    name = _IN_TORCHVISION[network]
    try:
        weights = importlib.import_module("torchvision.models").get_model_weights(name)["IMAGENET1K_V1"]
        return weights.get_state_dict(map_location="cpu", progress=False, check_hash=True, weights_only=True)
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise _no_torchvision(network, error) from error
        raise ModelError(
            f"The perceptual loss looks through {network}, whose weights come with torchvision, which is not "
            f"installed; give {_wanted(network)}."
        ) from error
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise _no_torchvision(network, error) from error


def _no_torchvision(network: ClassifierName, error: Exception) -> ModelError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return ModelError(f"torchvision cannot give the weights of {network} ({reason}); give {_wanted(network)}.")


def _wanted(network: ClassifierName) -> str:
    names = [name for name in _FILES[network] if name.endswith(".pth")]
    return f"{' or '.join(names)}, or a folder with it"
