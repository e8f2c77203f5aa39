"""spandrel beside any build of torch, and files of models built from its own architectures."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn


def import_torchvision() -> None:
    """Import torchvision also where its compiled operators do not load, as beside a CPU build of torch.

    It gives fake kernels to two of them without asking whether they are there, and fails. spandrel uses none, so that
    it is enough to declare them.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        importlib.import_module("torchvision")


import_torchvision()


@pytest.fixture
def build() -> Callable[..., nn.Module]:
    """Builds a network of one of spandrel's architectures, by its name, with random weights."""

    def built(architecture: str, **arguments: object) -> nn.Module:
        module = importlib.import_module(f"spandrel.architectures.{architecture}")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return getattr(module, architecture)(**arguments).eval()

    return built


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a network's state dict, perhaps inside another dictionary, in the format of the name."""

    def saved(net: nn.Module, name: str, *, inside: str | None = None) -> Path:
        from safetensors.torch import save_file

        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_file(net.state_dict(), path)
        else:
            torch.save(net.state_dict() if inside is None else {inside: net.state_dict()}, path)
        return path

    return saved
