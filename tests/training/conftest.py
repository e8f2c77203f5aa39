"""A few small pictures to learn from, and what a run says while it learns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from deltasr.training import systems
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.chain import DeltaDiffRecipe
from deltasr.training.trainer import Options, train
from deltasr.training.validation import Validation


def smooth_pixels(seed: int, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8: soft blobs of colour."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five PNG pictures of several sizes, one of them in a folder inside."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    for seed, (name, height, width) in enumerate(
        [("a.png", 48, 64), ("b.png", 50, 41), ("c.png", 64, 64), ("d.png", 40, 96), ("more/e.png", 61, 47)]
    ):
        Image.fromarray(smooth_pixels(seed, height, width)).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all tests share."""
    return tmp_path_factory.mktemp("decoded")


@pytest.fixture
def leftover() -> Callable[[Path], Path]:
    """Has a process killed while it writes into a folder; what it leaves there."""

    def make(folder: Path) -> Path:
        program = (
            "import os, signal, sys; from pathlib import Path; from deltasr.files import whole\n"
            "with whole(Path(sys.argv[1], 'file')): os.kill(os.getpid(), signal.SIGKILL)"
        )
        folder.mkdir(parents=True, exist_ok=True)
        before = set(folder.iterdir())
        subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
        (left,) = set(folder.iterdir()) - before
        return left

    return make


@dataclass
class Recorder:
    """A display that keeps what it is shown."""

    decoded: list[tuple[int, int]] = field(default_factory=list)
    taught: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    validations: list[tuple[int, Validation]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    on_progress: Callable[[int], None] = lambda images: None

    def caching(self, done: int, total: int) -> None:
        self.decoded.append((done, total))

    def teaching(self, share: float) -> None:
        self.taught.append(share)

    def drawing(self, share: float) -> None:
        self.taught.append(share)

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        self.images.append(images)
        self.on_progress(images)

    def validation(self, images: int, result: Validation) -> None:
        self.validations.append((images, result))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def recipe() -> Recipe:
    """Six steps of two small crops."""
    return DeltaDiffRecipe(
        crop=8, batch=2, images=12, warmup=4, validation_pictures=1, validate_every=1_000, save_every=1_000
    )


TINY_DENOISER = {
    "model_channels": 32,
    "channel_mult": [1],
    "num_res_blocks": [1],
    "swin_embed_dim": 32,
    "swin_depth": 2,
    "num_head_channels": 16,
    "window_size": 4,
    "mlp_ratio": 1,
    "image_size": 8,
}


@pytest.fixture
def tiny_denoiser(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What recipes call the small denoiser is a tiny one, for pictures of multiples of 4 pixels."""
    monkeypatch.setattr(systems, "SMALL_DENOISER", TINY_DENOISER)
    return TINY_DENOISER


class Distance(nn.Module):
    """Stands for LPIPS or features: the mean absolute difference of each picture, cubed."""

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return (sr - hr).abs().mean(dim=(1, 2, 3)) ** 3


@pytest.fixture
def distance() -> Distance:
    return Distance()


class OneProcess:
    """What a learner needs of Accelerate's Accelerator."""

    device = torch.device("cpu")
    process_index = 0

    def prepare(self, module: Any) -> Any:
        return module


@pytest.fixture
def one_process() -> OneProcess:
    return OneProcess()


@pytest.fixture
def no_loss_networks() -> LossNetworks:
    """For recipes whose losses look through no other network."""
    return LossNetworks(lpips=None, perceptual=None)


@dataclass
class Trained:
    """A run's folder and what it saved."""

    folder: Path

    @property
    def state(self) -> dict[str, Any]:
        return torch.load(self.folder / "state.pt", weights_only=True)


Learn = Callable[..., Trained]


@pytest.fixture
def learn(pictures: Path, decoded: Path, tmp_path: Path) -> Learn:
    """Trains in this process, on the CPU; keywords replace those of `Options`."""

    def learn_with(recipe: Recipe, name: str = "run", *, display: Any = None, **options: Any) -> Trained:
        given = Options(data=pictures, cache=decoded, run=tmp_path / name, device="cpu")
        train(recipe, replace(given, **options), display or Recorder())
        return Trained(tmp_path / name)

    return learn_with


def assert_same(left: Any, right: Any) -> None:
    """Two states are equal to the last bit, the time they took aside."""
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left.keys() - {"seconds"}:
            assert_same(left[key], right[key])
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    elif isinstance(left, torch.Tensor):
        assert torch.equal(left, right)
    else:
        assert left == right


@pytest.fixture(name="assert_same")
def assert_same_fixture() -> Callable[[Any, Any], None]:
    return assert_same
