"""Latent diffusion for super-resolution (LDM-SR, Rombach et al. 2022, arXiv:2112.10752), from a diffusers folder.

The folder is one of diffusers' `LDMSuperResolutionPipeline`: a U-Net on a noisy code and the LR picture, a VQ
autoencoder whose codes have the LR picture's size, and the noise schedule. Its parts are run here and not by the
pipeline, which resizes pictures to multiples of 32 and draws noise of its own for every call: here the noise lies over
the whole picture, so that tiles see parts of the same. Sampling is DDIM's (arXiv:2010.02502): with eta = 0 noise is
drawn for the start only, with eta = 1 also after every step, as much as DDPM draws.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import torch
from msgspec import Meta
from torch import Tensor

from deltasr.arguments import require_shallow, shown
from deltasr.diffusion.noise import NoiseField
from deltasr.errors import CheckpointError, ModelError, SettingError, reason
from deltasr.models.base import Model, SizeRequirements
from deltasr.models.configs import Blocks, Channels, ChannelsByLevel
from deltasr.models.limits import no_larger_than, require_within
from deltasr.models.pytorch_file import read_tensors

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, UNet2DModel, VQModel

DEFAULT_STEPS = 100
"""Denoising steps: diffusers' own default for this pipeline."""

_PIPELINE = "LDMSuperResolutionPipeline"
_PARTS = {"unet": "UNet2DModel", "vqvae": "VQModel", "scheduler": "DDIMScheduler"}
_CONFIGS = {"unet": "config.json", "vqvae": "config.json", "scheduler": "scheduler_config.json"}
_START = 0

_Many = Annotated[int, Meta(ge=0, le=1 << 20)]
_LevelTypes = Annotated[list[str], Meta(min_length=1, max_length=8)]


class _ConfigLimits(TypedDict, total=False):
    """The values that the parts' configurations may have."""

    in_channels: Channels
    out_channels: Channels
    latent_channels: Channels
    block_out_channels: ChannelsByLevel
    layers_per_block: Blocks
    down_block_types: _LevelTypes
    up_block_types: _LevelTypes
    norm_num_groups: Channels
    attention_head_dim: Channels | None
    time_embedding_dim: Channels | None
    vq_embed_dim: Channels | None
    num_vq_embeddings: _Many
    num_class_embeds: _Many | None
    num_train_timesteps: _Many | None
    steps_offset: _Many
    trained_betas: Annotated[list[float], Meta(max_length=1 << 20)] | None


class LatentDiffusion(Model):
    """Super-resolution by denoising a code beside the LR picture.

    Results depend on a seed, through a `NoiseField`. Each picture of a batch gets the same noise, so that it does not
    matter which others are in it.

    Attributes:
        eta: how much noise is added after each step, from 0 (none) to 1 (as much as DDPM adds).

    Args:
        unet: takes codes and LR pictures, concatenated, and predicts what the scheduler asks for.
        vqvae: the autoencoder; the scale is the factor by which it makes pictures smaller.
        scheduler: the noise schedule; it belongs to this model from now on.
        steps: denoising steps.
        eta: as the attribute.
        name: what the model is called in messages.

    Raises:
        ModelError: the U-Net is not made for the codes of this autoencoder beside RGB pictures.
        SettingError: the schedule has not as many steps, or `eta` is out of range.
    """

    def __init__(
        self,
        unet: UNet2DModel,
        vqvae: VQModel,
        scheduler: DDIMScheduler,
        *,
        steps: int = DEFAULT_STEPS,
        eta: float = 0.0,
        name: str,
    ) -> None:
        super().__init__()
        channels: int = vqvae.config.latent_channels
        if (unet.config.in_channels, unet.config.out_channels) != (channels + 3, channels):
            raise ModelError(
                f"The U-Net of {name} maps {unet.config.in_channels} channels to {unet.config.out_channels}, where "
                f"codes of {channels} channels beside RGB pictures need {channels + 3} and {channels}; look for the "
                "pipeline's own parts."
            )
        self.unet: UNet2DModel = unet
        self.vqvae: VQModel = vqvae
        self.channels = channels
        self.name = name
        self.scale = _factor(vqvae)
        self.stochastic = True
        self.size_requirements = SizeRequirements(minimum=_factor(unet), multiple_of=_factor(unet))
        self._scheduler = scheduler
        self.use_steps(steps)
        self.use_eta(eta)

    @property
    def description(self) -> str:  # type: ignore[override]  # steps and eta may change
        noise = f" with eta = {self.eta:g}" if self.eta else ""
        return f"latent diffusion x{self.scale}: {self.steps} DDIM steps{noise} in VQ-f{self.scale} codes"

    @property
    def steps(self) -> int:
        """The number of denoising steps."""
        return len(self._scheduler.timesteps)

    def use_steps(self, steps: int) -> None:
        """Take so many denoising steps from now on.

        Raises:
            SettingError: the schedule has not as many.
        """
        most: int = self._scheduler.config.num_train_timesteps - self._scheduler.config.steps_offset
        if not 1 <= steps <= most:
            raise SettingError(f"{self.name} cannot take {steps} steps; give a number from 1 to {most}.")
        self._scheduler.set_timesteps(steps)

    def use_eta(self, eta: float) -> None:
        """Add so much noise after each step from now on.

        Raises:
            SettingError: it is not in [0, 1].
        """
        if not 0 <= eta <= 1:
            raise SettingError(f"{self.name} cannot be run with eta = {eta:g}; give a number from 0 to 1.")
        self.eta = eta

    def forward(self, lr: Tensor, *, noise: NoiseField | None = None) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1].

        Args:
            lr: the LR pictures, or windows of them; h and w as `size_requirements` say.
            noise: the picture's noise as seen from the window's position; by default that of seed 0.
        """
        condition = 2 * lr - 1
        draw = noise or NoiseField()
        code = draw(_START, lr.new_empty(lr.shape[0], self.channels, *lr.shape[-2:], dtype=torch.float32))
        for step, t in enumerate(self._scheduler.timesteps, start=_START + 1):
            prediction = self.unet(torch.cat((code, condition), dim=1), t).sample.float()
            added = draw(step, code) if self.eta else None
            code = self._scheduler.step(prediction, t, code, eta=self.eta, variance_noise=added).prev_sample
        picture: Tensor = self.vqvae.decode(code).sample.float()
        return (picture.clamp(-1, 1) + 1) / 2


def load(
    folder: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    steps: int = DEFAULT_STEPS,
    eta: float = 0.0,
) -> LatentDiffusion:
    """The model of a diffusers folder, in evaluation mode.

    Args:
        folder: holds `model_index.json` and the folders `unet`, `vqvae` and `scheduler`; nothing is downloaded.
        device: where to put the model.
        steps: denoising steps.
        eta: how much noise is added after each step, from 0 (none) to 1 (as much as DDPM adds).

    Raises:
        CheckpointError: there is no such pipeline in the folder, or a part of it is missing or damaged.
        ModelError: diffusers is not installed, or the parts do not fit together.
        SettingError: the schedule has not as many steps, or `eta` is out of range.
    """
    folder = Path(folder)
    _check_index(folder)
    diffusers = _diffusers(folder)
    unet, vqvae = (_network(diffusers, folder, part) for part in ("unet", "vqvae"))
    scheduler = _loaded(folder, "scheduler", lambda: diffusers.DDIMScheduler.from_pretrained(folder / "scheduler"))
    model = LatentDiffusion(unet, vqvae, scheduler, steps=steps, eta=eta, name=folder.resolve().name)
    return model.to(device).eval()


def _check_index(folder: Path) -> None:
    """Make sure that the folder is such a pipeline, made of the parts that are run here."""
    file = folder / "model_index.json"
    try:
        index = _read_json(file)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} is a folder without model_index.json; give a checkpoint's file, or the folder of a diffusers "
            f"{_PIPELINE}."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read ({reason(error)}); download it again.") from error
    found = index.get("_class_name") if isinstance(index, Mapping) else None
    if found != _PIPELINE:
        raise CheckpointError(f"{folder} holds a diffusers {shown(found)}; of its pipelines, only {_PIPELINE} runs.")
    for part, expected in _PARTS.items():
        if (named := index.get(part)) != ["diffusers", expected]:
            raise CheckpointError(f"{file} names {shown(named)} as its {part}; only diffusers' {expected} runs there.")


def _read_json(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    require_shallow(text)
    return json.loads(text)


def _diffusers(folder: Path) -> ModuleType:
    try:
        import diffusers
    except ImportError as error:
        raise ModelError(
            f"{folder} holds a diffusers pipeline, which needs the diffusers package; install it with "
            "pip install -e '.[papers]'."
        ) from error
    return diffusers


def _network(diffusers: ModuleType, folder: Path, part: str) -> Any:
    """A network with its weights, all of them."""
    network = getattr(diffusers, _PARTS[part])
    loaded, info = _loaded(
        folder,
        part,
        lambda: network.from_pretrained(
            folder / part, local_files_only=True, low_cpu_mem_usage=False, output_loading_info=True
        ),
    )
    if missing := info["missing_keys"]:
        raise CheckpointError(f"The weights in {folder / part} lack '{min(missing)}'; download them again.")
    return loaded


def _loaded(folder: Path, part: str, load_part: Callable[[], Any]) -> Any:
    """What diffusers makes of a part, without its warnings."""
    from diffusers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        require_within(_read_json(folder / part / _CONFIGS[part]), _ConfigLimits)
        with torch.device("cpu"), no_larger_than(_weights_bytes(folder / part)):
            return load_part()
    except Exception as error:  # diffusers, safetensors, torch and the file system fail each in their own way
        raise CheckpointError(
            f"The part {folder / part} cannot be loaded ({reason(error)}); download it again."
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def _weights_bytes(part: Path) -> int:
    """The size of all weights of a part; PyTorch's own files are made sure of on the way."""
    safe, pickled = (list(part.glob(f"*{suffix}")) for suffix in (".safetensors", ".bin"))
    for file in () if safe else pickled:
        read_tensors(file)
    return sum(file.stat().st_size for file in safe or pickled)


def _factor(network: UNet2DModel | VQModel) -> int:
    """How much smaller a network makes pictures on its way: it halves them between its levels."""
    return int(2 ** (len(network.config.block_out_channels) - 1))
