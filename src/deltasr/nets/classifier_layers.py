"""Names of the layers of the classification networks whose features losses compare. Imports no torch."""

from __future__ import annotations

from typing import Literal

from deltasr.errors import SettingError

ClassifierName = Literal["vgg19", "alex", "squeeze"]

LAYERS: dict[ClassifierName, dict[str, int]] = {
    "vgg19": {
        f"conv{block}_{layer}": first + 2 * (layer - 1)
        for block, (first, layers) in enumerate([(0, 2), (5, 2), (10, 4), (19, 4), (28, 4)], start=1)
        for layer in range(1, layers + 1)
    },
    "alex": {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10},
    "squeeze": {
        "conv1": 0,
        "fire2": 3,
        "fire3": 4,
        "fire4": 6,
        "fire5": 7,
        "fire6": 9,
        "fire7": 10,
        "fire8": 11,
        "fire9": 12,
    },
}
"""Network, then layer, to its place N in torchvision's `features.N`. Names are the papers' own."""


def layer_names(network: ClassifierName) -> tuple[str, ...]:
    """The layers of a network that have a name, from the picture upwards."""
    return tuple(LAYERS[network])


def layer_index(network: ClassifierName, layer: str) -> int:
    """Where a layer stands in its network's stack of `nets.classifiers`.

    Raises:
        SettingError: the network has no such layer.
    """
    if layer not in LAYERS[network]:
        raise SettingError(f"'{network}' has no layer '{layer}'; its layers are {', '.join(LAYERS[network])}.")
    return LAYERS[network][layer]
