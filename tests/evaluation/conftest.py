"""Small benchmark sets and LPIPS files made on the fly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.evaluation.lpips import Lpips, NetName


def smooth_pixels(seed: int, height: int, width: int) -> np.ndarray:
    """(height, width, 3), uint8: soft blobs of colour, so that upscaling has something to find."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def hr_folder(tmp_path: Path) -> Path:
    """Three pictures; the last one is 50x41, which is no multiple of 4."""
    folder = tmp_path / "Tiny" / "HR"
    folder.mkdir(parents=True)
    for index, (height, width) in enumerate([(40, 48), (36, 36), (41, 50)]):
        Image.fromarray(smooth_pixels(index, height, width)).save(folder / f"picture_{index}.png")
    return folder


@pytest.fixture
def lpips_folder(tmp_path: Path) -> Path:
    """Files in the format of the released weights, with random values."""
    folder = tmp_path / "weights"
    folder.mkdir()
    nets: tuple[NetName, ...] = ("alex", "squeeze")
    for net in nets:
        torch.manual_seed(0)
        state = {name: value.abs() for name, value in Lpips(net=net).state_dict().items()}
        torch.save(state, folder / f"lpips_{net}_v0.1.pth")
    return folder
