"""Fixtures shared by all tests."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from deltasr.models.base import Model

if TYPE_CHECKING:
    from deltasr.engines.export import Exported

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of evaluation pictures and LPIPS weights beside the project; the test is skipped without it."""
    folder = Path(os.environ.get("DELTASR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not (folder / "data" / "eval").is_dir():
        pytest.skip("needs the evaluation data in ../shared (or DELTASR_SHARED)")
    return folder


class Reference:
    """Entries of the papers' networks, and the outputs of tiny ones with known weights for known inputs.

    Attributes:
        names: `swin_unet_paper`, `swin_unet_tiny`, `vq_f4_paper`, `vq_f4_tiny`: published name to shape.
        golden: the outputs.
        denoiser, autoencoder: arguments of the tiny networks.
    """

    denoiser: ClassVar[dict[str, Any]] = {
        "model_channels": 32,
        "num_res_blocks": [1, 2, 1, 1],
        "swin_embed_dim": 64,
        "num_head_channels": 16,
        "mlp_ratio": 2,
    }
    autoencoder: ClassVar[dict[str, Any]] = {"widths": [32, 64, 128], "codes": 64}

    def __init__(self) -> None:
        folder = Path(__file__).parent / "data" / "reference"
        lists = json.loads((folder / "keys.json").read_text(encoding="utf-8"))
        self.names = {net: {name: tuple(shape) for name, shape in entries} for net, entries in lists.items()}
        self.golden = dict(np.load(folder / "golden_tiny.npz"))

    @staticmethod
    def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Normal values that depend on the name alone."""
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        return generator.standard_normal(shape, dtype=np.float32)

    def weights(self, net: str) -> dict[str, torch.Tensor]:
        """A published state dict with known values; what networks compute themselves holds zeros."""
        return {name: torch.from_numpy(self._filled(name, shape)) for name, shape in self.names[net].items()}

    def _filled(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name.endswith(("attn_mask", "relative_position_index")):
            return np.zeros(shape, np.float32)
        values = self.drawn(name, shape)
        if len(shape) > 1:
            return values / np.float32(np.sqrt(np.prod(shape[1:])))
        values = values * np.float32(0.1)
        return values + np.float32(1) if name.endswith("weight") else values


@pytest.fixture
def dial_checkpoint(tmp_path: Path) -> Path:
    """A small DeltaDiff with a dial, 0.75 by default, and random weights that heed it."""
    from deltasr.models import checkpoint
    from deltasr.models.deltadiff import DeltaDiff

    generator = torch.Generator().manual_seed(0)
    model = DeltaDiff(steps=2, dial=True, default_fidelity=0.75)
    for name, parameter in model.named_parameters():
        gain = 0.05 if "tail" in name or "time" in name else 1.0
        size = parameter[0].numel() if parameter.ndim > 1 else 50
        parameter.data = torch.randn(parameter.shape, generator=generator) * gain / size**0.5
    path = tmp_path / "dialled.safetensors"
    checkpoint.save(model, path)
    return path


@pytest.fixture(scope="session")
def bf16() -> None:
    """For tests that compute in bfloat16; skipped where the processor does not run it."""
    from deltasr.devices import obstacle

    reason = obstacle("bfloat16", torch.device("cpu"))
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The published networks as facts to test against."""
    return Reference()


class SmallNet(Model):
    """A network with both dials and a receptive field of 2, quick to export; random weights far from any interpolation.

    Its results depend on both dials, and lie in [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.name, self.description, self.scale, self.receptive_field = "small-net", "A small network x2", 2, 2
        self.dial, self.default_fidelity, self.restoring, self.consistent = True, 0.75, True, True
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 12, 3, padding=1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5

    def forward(
        self, lr: torch.Tensor, fidelity: float | torch.Tensor | None = None, restoration: torch.Tensor | None = None
    ) -> torch.Tensor:
        fidelity, restoration = (
            torch.as_tensor(default if value is None else value, dtype=torch.float32).view(-1, 1, 1, 1)
            for value, default in ((fidelity, self.default_fidelity), (restoration, 0.0))
        )
        features = torch.relu(self.first(lr - restoration)) * (0.5 + fidelity)
        return torch.sigmoid(nn.functional.pixel_shuffle(self.second(features), 2))


@pytest.fixture(scope="session")
def small_net() -> Model:
    """A `SmallNet`, which tests must not change."""
    return SmallNet().eval()


@pytest.fixture(scope="session")
def exported_small_net(small_net: Model) -> Exported:
    """The same in ONNX's format; skipped without what that needs."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra export")
    from deltasr.engines.export import export

    return export(small_net)
