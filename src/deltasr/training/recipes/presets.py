"""Training recipes that have names."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from deltasr.errors import SettingError
from deltasr.training.recipes.chain import DeltaDiffRecipe, ResShiftRecipe
from deltasr.training.recipes.picture import AutoencoderRecipe, RrdbRecipe
from deltasr.training.recipes.types import AnyRecipe

_PAPER = ResShiftRecipe(
    network="paper", first_stage="vq", unroll="teacher-forced", loss="l2", crop=64, batch=64, images=32_000_000,
    learning_rate=5e-5, decay="none", betas=(0.9, 0.999), warmup=320_000, clip=0, ema=0.999, precision="bf16",
    workers=8, steps=15, kappa=2.0, eta_1=0.0004, eta_T=0.999, degradation="realesrgan",
    validate_every=640_000, save_every=320_000,
)  # fmt: skip
_SMALL = ResShiftRecipe(
    optimizer="muon", learning_rate=2.5e-3, crop=32, batch=8, images=10_000, warmup=800, ema=0.99, loss="l2",
    unroll="teacher-forced", validate_every=2_500, save_every=1_000, eta_T=0.9801,
)  # fmt: skip
_RRDB = RrdbRecipe(
    learning_rate=1e-4, decay="halved", betas=(0.9, 0.999), warmup=0, clip=0, ema=0.99, crop=24, batch=16,
    images=320_000, shrink=2, validation_pictures=0.1, test_pictures=0.1, patience=8,
)  # fmt: skip

_TINY = DeltaDiffRecipe(
    size="tiny", block="leaky", images=224_000, optimizer="muon", learning_rate=1e-3, warmup=6_400, ema=0.999,
)  # fmt: skip
_DIAL = replace(
    _TINY, dial=True, default_fidelity=0.25, lpips=0.05, grid=50.0, step_weights=(1.0, 1.0, 2.0, 6.0), images=84_000,
    learning_rate=1e-3, warmup=4_800, precision="bf16", channels_last=True,
)  # fmt: skip
_WITHOUT_PATTERNS: dict[str, Any] = {
    "lpips": 0.3, "lpips_pooling": "l2", "spectrum": 0.12, "local_range": 5.0, "dial_power": 3,
}  # fmt: skip
_ON_A_GPU = DeltaDiffRecipe(
    size="small", block="leaky", crop=48, batch=64, images=19_200_000, learning_rate=1e-3, warmup=64_000,
    precision="bf16", channels_last=True, ema=0.999, workers=8, validate_every=640_000, save_every=320_000,
)  # fmt: skip

RECIPES: dict[str, AnyRecipe] = {
    "deltadiff-tiny-x4": _TINY,
    "deltadiff-x4": replace(
        _DIAL, default_fidelity=0.5, degradation="web", restoring=True, graphics=0.15, **_WITHOUT_PATTERNS, crop=40,
        batch=8, images=64_000, warmup=800, learning_rate=7e-4, early_steps=2, early=0.2,
    ),
    "deltadiff-photo-x4": replace(
        _DIAL, block="residual", degradation="realesrgan", default_fidelity=1.0, lpips=0.1, step_weights=(), crop=32,
        batch=12, images=48_000, warmup=2_400, workers=1, save_every=4_000,
    ),
    "deltadiff-small-x4": _ON_A_GPU,
    "deltadiff-small-dial-x4": replace(
        _ON_A_GPU, dial=True, grid=50.0, **_WITHOUT_PATTERNS, learning_rate=5e-4, images=6_400_000,
    ),
    "deltadiff-base-x4": DeltaDiffRecipe(
        size="base", block="leaky", crop=48, batch=64, images=32_000_000, learning_rate=5e-4, warmup=128_000,
        precision="bf16", channels_last=True, ema=0.9995, workers=8, validate_every=640_000, save_every=320_000,
    ),
    "resshift-paper": _PAPER,
    "resshift-journal": replace(
        _PAPER, steps=4, eta_1=0.01, eta_T=0.9801, lpips=1.0, lpips_network="vgg", batch=96, images=38_400_000,
        decay="cosine", decay_end=0.4, warmup=480_000,
    ),
    "deltadiff-paper": replace(
        _PAPER, steps=4, kappa=0.0, eta_1=0.01, eta_T=0.99, degradation="bicubic",
    ),
    "resshift-small": _SMALL,
    "resshift-journal-small": replace(_SMALL, lpips=0.1),
    "deltadiff-paper-small": replace(
        _SMALL, kappa=0.0, eta_T=0.99, unroll="through", images=2_496, warmup=200, ema=0.98,
        validate_every=1_248, save_every=480,
    ),
    "vq-f4": AutoencoderRecipe(
        crop=64, batch=16, images=16_000_000, learning_rate=7e-5, decay="none", betas=(0.5, 0.9), warmup=16_000, clip=0,
        ema=0.999, lpips=1.0, lpips_network="squeeze", adversarial=0.1, adversarial_loss="bce", discriminator="patch",
        discriminator_learning_rate=7e-5, precision="bf16", workers=8, validate_every=640_000, save_every=320_000,
    ),
    "vq-f4-small": AutoencoderRecipe(
        widths=(32, 64, 64), blocks=1, codes=1024, crop=12, batch=8, images=64_000, optimizer="muon",
        learning_rate=2.5e-3, warmup=1_600, ema=0.998, validate_every=8_000, save_every=4_000,
    ),
    "rrdb-cnn": _RRDB,
    "rrdb-gan": replace(
        _RRDB, l1=1e-2, perceptual=1.0, adversarial=5e-3, patience=0,
    ),
    "rrdb-x4": RrdbRecipe(
        optimizer="muon", learning_rate=2.5e-3, images=20_000, warmup=1_600, crop=24, channels_last=True, ema=0.995,
        validate_every=4_000, save_every=2_000,
    ),
    "rrdb-gan-x4": RrdbRecipe(
        optimizer="muon", learning_rate=3e-4, images=2_800, warmup=160, crop=32, batch=8, channels_last=True, ema=0.98,
        lpips=0.1, adversarial=5e-3, validate_every=1_400, save_every=400,
    ),
}  # fmt: skip
"""Named recipes; docs/training.md says what each is for."""

DEFAULT_RECIPE = "deltadiff-tiny-x4"
"""What is trained unless a recipe is named."""


def recipe_named(name: str) -> AnyRecipe:
    """The recipe of a name in `RECIPES`.

    Raises:
        SettingError: there is no such recipe.
    """
    if name not in RECIPES:
        raise SettingError(f"There is no recipe called '{name}'; known are {', '.join(RECIPES)}.")
    return RECIPES[name]
