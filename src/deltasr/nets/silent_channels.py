"""Channels inside residual blocks that are silent: hardly ever positive before the activation, whatever the picture.

Behind a ReLU such a channel adds nothing to the result, and has no gradient to learn by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from deltasr.nets.blocks import ReparameterisedBlock, ResidualBlock

_SILENT = 0.002
"""A channel is silent if a smaller share of its values is positive."""


class Channels:
    """What has been seen of the channels between the two convolutions of each residual block of a network."""

    def __init__(self) -> None:
        self._positive: dict[str, Tensor] = {}
        self._runs: dict[str, int] = {}

    def see(self, name: str, block: nn.Module, inputs: tuple[Tensor]) -> None:
        """Take note of what reaches the second convolution of the block of a name, (N, width, h, w)."""
        share = (inputs[0].detach() > 0).float().mean(dim=(0, 2, 3)).cpu()
        self._positive[name] = self._positive.get(name, torch.zeros_like(share)) + share
        self._runs[name] = self._runs.get(name, 0) + 1

    def share_of_silent(self) -> float | None:
        """The share of silent channels, 0 to 1; None if no residual block has run."""
        silent = [total / self._runs[name] < _SILENT for name, total in self._positive.items()]
        return float(torch.cat(silent).float().mean()) if silent else None


@contextmanager
def watched_channels(network: nn.Module) -> Iterator[Channels]:
    """See the channels of all residual blocks of a network in every run within the context."""
    channels, handles = Channels(), []
    for name, block in network.named_modules():
        if isinstance(block, ResidualBlock | ReparameterisedBlock):
            handles.append(block.conv2.register_forward_pre_hook(partial(channels.see, name)))
    try:
        yield channels
    finally:
        for handle in handles:
            handle.remove()
