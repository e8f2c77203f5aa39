"""DeltaDiff for spandrel: importing this file lets programs that load models by spandrel load deltasr's checkpoints.

It needs torch and spandrel, and no deltasr. In ComfyUI, copy it into `custom_nodes/`; the node "Load Upscale Model"
then takes `deltadiff-x4.safetensors` as it is. Elsewhere, import it before the first model is loaded:

    import deltadiff
    model = spandrel.ModelLoader().load_from_file("deltadiff-x4.safetensors")

spandrel hands over the weights of a file and not its header, and its models have no dials. So the dials stand at
`FIDELITY` and `RESTORATION`, and the chain is `STEPS`, `P`, `ETA_1` and `ETA_T`, whatever the header says. deltasr's
consistency projection is not part of the network either: results are those of `deltasr upscale --no-consistency
--fidelity 0.5 --restoration 0`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from spandrel import MAIN_REGISTRY, Architecture, ArchSupport, ImageModelDescriptor, StateDict, UnsupportedModelError
from spandrel.util import KeyCondition
from torch import Tensor, nn

FIDELITY = 0.5
"""From the most natural picture, 0, to the most faithful one, 1."""

RESTORATION = 0.0
"""From a clean picture, 0, to a strongly degraded one, 1."""

STEPS, P, ETA_1, ETA_T = 4, 0.3, 0.01, 0.99
"""The shifting sequence of every released checkpoint (DeltaDiff, arXiv:2502.12567, eq. 7)."""

BODY_BLOCKS = {48: 2, 64: 4, 128: 6}
"""Width of the network to the blocks that one step runs."""

NEGATIVE_SLOPE = 0.1
"""Of the leaky ReLUs of checkpoints that have any, which also have it among their weights."""

_TIME_FREQUENCIES, _DIAL_FREQUENCIES, _HIDDEN = 8, 3, 64


def _waves(values: Tensor, count: int) -> Tensor:
    """(N,) in [0, 1] to cosines and sines (N, 2 count), from a quarter of a wave upwards in octaves."""
    angles = values[:, None] * (math.pi / 2 * 2.0 ** torch.arange(count, device=values.device))
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _sequence() -> list[float]:
    """eta_0 = 0, eta_1, ..., eta_T: geometric in its square root."""
    growth = [((t - 1) / (STEPS - 1)) ** P for t in range(1, STEPS)]
    return [0.0, *(ETA_1 * (ETA_T / ETA_1) ** share for share in growth), ETA_T]


def _bicubic_kernels(scale: int) -> Tensor:
    """(3 scale^2, 1, 5, 5): Keys' weights (a = -0.5) of the 5 x 5 LR pixels around each place in an LR pixel."""
    places = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    x = (places[:, None] - torch.arange(-2, 3)).abs()
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    taps = torch.where(x <= 1, (1.5 * x - 2.5) * x * x + 1, torch.where(x < 2, far, 0.0))
    return torch.einsum("ay,bx->abyx", taps, taps).reshape(-1, 1, 5, 5).repeat(3, 1, 1, 1).float()


class _Block(nn.Module):
    """Convolution, scale and shift, ReLU or leaky ReLU, convolution, with a skip."""

    def __init__(self, width: int, leaky: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.leaky = leaky
        if leaky:
            self.register_buffer("negative_slope", torch.tensor(NEGATIVE_SLOPE))

    def forward(self, x: Tensor, modulation: Tensor | None) -> Tensor:
        hidden = self.conv1(x)
        if modulation is not None:
            scale, shift = modulation.chunk(2, dim=1)
            hidden = torch.addcmul(shift, hidden, 1 + scale)
        return x + self.conv2(F.leaky_relu(hidden, NEGATIVE_SLOPE) if self.leaky else torch.relu(hidden))


class _Modulation(nn.Module):
    """Waves (1, inputs) to a scale and a shift, (1, 2 width, 1, 1), for each block."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, 2 * width * blocks)
        self.blocks = blocks

    def forward(self, waves: Tensor) -> tuple[Tensor, ...]:
        hidden = F.silu(self.hidden(waves.to(self.hidden.weight.dtype)))
        return self.out(hidden)[:, :, None, None].chunk(self.blocks, dim=1)


class _Net(nn.Module):
    """An encoder that runs once per picture, and a body that runs once per step; both on the LR grid."""

    def __init__(self, width: int, encoder_blocks: int, body_blocks: int, code: int, dials: int, leaky: bool) -> None:
        super().__init__()
        asked = 2 * _DIAL_FREQUENCIES * dials
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.encoder = nn.ModuleList(_Block(width, leaky) for _ in range(encoder_blocks))
        self.encoder_out = nn.Conv2d(width, width, 3, padding=1)
        self.time = _Modulation(2 * _TIME_FREQUENCIES + asked, width, body_blocks)
        self.state = nn.Conv2d(code, width, 1)
        self.body = nn.ModuleList(_Block(width, leaky) for _ in range(body_blocks))
        self.tail = nn.Conv2d(width, code, 3, padding=1)
        self.fidelity = _Modulation(asked, width, encoder_blocks) if dials else None  # of all dials

    def encode(self, lr: Tensor, dials: Tensor) -> Tensor:
        first = x = self.head(lr)
        modulations = [None] * len(self.encoder) if self.fidelity is None else self.fidelity(dials)
        for block, modulation in zip(self.encoder, modulations, strict=True):
            x = block(x, modulation)
        return first + self.encoder_out(x)

    def forward(self, residual: Tensor, features: Tensor, waves: Tensor) -> Tensor:
        x = features + self.state(residual)
        for block, modulation in zip(self.body, self.time(waves), strict=True):
            x = block(x, modulation)
        return self.tail(x)


class DeltaDiff(nn.Module):
    """Deterministic residual shifting: (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w), not clamped.

    The picture is its pixel-unshuffled code on the LR grid. `shifted` is what the chain has added to the code of the
    bicubic upsampling so far, `x_t - y_0`.
    """

    def __init__(
        self, *, width: int, encoder_blocks: int, body_blocks: int, scale: int, dials: int, leaky: bool
    ) -> None:
        super().__init__()
        self.scale, self.dials = scale, dials
        self.net = _Net(width, encoder_blocks, body_blocks, 3 * scale**2, dials, leaky)
        self.register_buffer("kernels", _bicubic_kernels(scale), persistent=False)

    def forward(self, lr: Tensor) -> Tensor:
        y_0 = F.conv2d(F.pad(lr, (2, 2, 2, 2), mode="replicate"), self.kernels, groups=3)
        places = torch.tensor([FIDELITY, RESTORATION][: self.dials], device=lr.device)
        dials = _waves(places, _DIAL_FREQUENCIES).view(1, -1)
        features = self.net.encode(lr - 0.5, dials)
        eta = _sequence()
        shifted = torch.zeros_like(y_0)
        for t in range(STEPS, 0, -1):
            residual = shifted / (1 - eta[t])
            time = _waves(torch.tensor([eta[t]], device=lr.device).sqrt(), _TIME_FREQUENCIES)
            residual = residual + self.net(residual, features, torch.cat([time, dials], dim=1))
            kept = eta[t - 1] / eta[t]
            shifted = kept * shifted + (1 - kept) * residual
        return F.pixel_shuffle(y_0 + shifted, self.scale)


class DeltaDiffArch(Architecture[DeltaDiff]):
    """Checkpoints of `deltasr.models.deltadiff` of residual blocks that all steps share."""

    def __init__(self) -> None:
        super().__init__(
            id="DeltaDiff",
            detect=KeyCondition.has_all(
                "net.head.weight",
                "net.encoder.0.conv1.weight",
                "net.encoder_out.weight",
                "net.time.hidden.weight",
                "net.state.weight",
                "net.body.0.conv1.weight",
                "net.tail.weight",
            ),
        )

    def load(self, state_dict: StateDict) -> ImageModelDescriptor[DeltaDiff]:
        width = state_dict["net.head.weight"].shape[0]
        encoder_blocks, body_blocks = (_count(state_dict, f"net.{part}.") for part in ("encoder", "body"))
        if "net.encoder_state.weight" in state_dict or body_blocks != BODY_BLOCKS.get(width):
            raise UnsupportedModelError("Only DeltaDiff models whose steps share all weights are supported.")
        scale = math.isqrt(state_dict["net.tail.weight"].shape[0] // 3)
        dials = (state_dict["net.time.hidden.weight"].shape[1] - 2 * _TIME_FREQUENCIES) // (2 * _DIAL_FREQUENCIES)
        model = DeltaDiff(
            width=width,
            encoder_blocks=encoder_blocks,
            body_blocks=body_blocks,
            scale=scale,
            dials=dials,
            leaky="net.encoder.0.negative_slope" in state_dict,
        )
        return ImageModelDescriptor(
            model,
            state_dict,
            architecture=self,
            purpose="SR",
            tags=[f"{width}nf", f"{encoder_blocks}nb"],
            supports_half=True,
            supports_bfloat16=False,  # the bicubic upsampling needs more than eight bits
            scale=scale,
            input_channels=3,
            output_channels=3,
        )


def _count(state_dict: StateDict, prefix: str) -> int:
    """How many blocks of that prefix there are."""
    return len({name[len(prefix) :].partition(".")[0] for name in state_dict if name.startswith(prefix)})


MAIN_REGISTRY.add(ArchSupport.from_architecture(DeltaDiffArch()), ignore_duplicates=True)

NODE_CLASS_MAPPINGS: dict[str, Any] = {}
"""ComfyUI imports the file for what it does; it has no nodes of its own."""
