"""Which channels inside residual blocks are hardly ever positive."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deltasr.nets.blocks import BLOCKS
from deltasr.nets.silent_channels import watched_channels

WIDTH = 5


def _network(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(BLOCKS[kind](WIDTH) for _ in range(2)))


def _share(network: nn.Module, *pictures: torch.Tensor) -> float | None:
    with torch.no_grad(), watched_channels(network) as channels:
        for picture in pictures:
            network(picture)
    return channels.share_of_silent()


PICTURE = torch.randn(1, WIDTH, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["residual", "leaky"])
def test_channels_that_are_always_negative_are_silent(kind: str):
    network = _network(kind)
    assert _share(network, PICTURE) == 0
    with torch.no_grad():
        network[1].conv1.bias[:3] = -100.0
    assert _share(network, PICTURE) == pytest.approx(0.3)


def test_a_channel_that_one_picture_wakes_is_not_silent():
    network = _network("residual")
    with torch.no_grad():
        network[0].conv1.weight[0] = 0.0
        network[0].conv1.weight[0, 0, 1, 1] = 1.0
        network[0].conv1.bias[0] = -3.0
    quiet, loud = PICTURE.clamp(-1, 1), PICTURE + 4
    assert _share(network, quiet) == pytest.approx(0.1)
    assert _share(network, quiet, loud) == 0


def test_other_blocks_have_no_such_channels():
    assert _share(_network("naf"), PICTURE) is None


def test_nothing_is_watched_afterwards():
    network = _network("residual")
    with watched_channels(network) as channels:
        pass
    network(PICTURE)
    assert channels.share_of_silent() is None
