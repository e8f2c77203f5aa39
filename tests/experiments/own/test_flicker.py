"""Flicker: the measure is exact on known motion, and each kind of model has its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deltasr.errors import PictureError
from deltasr.experiments.experiment import Settings
from deltasr.experiments.own import flicker, motion
from deltasr.models import checkpoint
from deltasr.models.configs import DenoiserConfig
from deltasr.models.resshift import ResShift


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shift", [0, 1, 3, 4])
def test_a_moving_window_over_any_picture_has_no_flicker(shift: int):
    frames = motion.moving_window(noise(120, 140, 3), shift=shift, frames=4)
    assert {frame.shape for frame in frames} == {((120 - 3 * shift) // 4 * 4, (140 - 3 * shift) // 4 * 4, 3)}
    assert motion.flicker(frames, shift) == 0
    if shift:
        assert motion.flicker(frames, 0) > 1000


def test_flicker_is_the_mean_squared_difference_of_luma():
    dark = np.full((80, 80, 3), 100, np.uint8)
    light = np.full((80, 80, 3), 103, np.uint8)
    expected = (3 / 255 * 219) ** 2  # luma spans 219 levels
    assert motion.flicker([dark, light, dark], 2) == pytest.approx(expected)


def test_what_differs_at_the_edge_is_left_out():
    before, after = noise(80, 80, 3), None
    after = before.copy()
    after[: motion.BORDER] = 0
    assert motion.flicker([before, after], 0) == 0
    after[motion.BORDER] = 0
    assert motion.flicker([before, after], 0) > 0


def test_a_picture_without_room_is_refused():
    with pytest.raises(PictureError, match="no room for a window of 64x64 that moves by 28"):
        motion.moving_window(noise(90, 200, 3), shift=4, frames=8)


def test_rows_of_models_with_and_without_noise(larger_settings: Settings, tmp_path: Path):
    small = DenoiserConfig(
        model_channels=32, channel_mult=(1,), num_res_blocks=(1,), swin_embed_dim=32, swin_depth=1,
        num_head_channels=32, window_size=4, mlp_ratio=1, image_size=16,
    )  # fmt: skip
    checkpoint.save(ResShift(eta=(0.0, 0.5, 0.98), kappa=1.0, first_stage="pixel-unshuffle", denoiser=small),
                    tmp_path / "noisy.safetensors")  # fmt: skip
    given = replace(larger_settings, data=None, images=None, checkpoints={"noisy": tmp_path / "noisy.safetensors"})
    result = flicker.EXPERIMENT.run(given)
    rows = {(row.cells["model"], row.cells["noise"]): row.cells for row in result.table.rows}
    assert [model for model, _ in rows] == [
        "bicubic", "deltadiff-x4@0", "deltadiff-x4@0.5", "deltadiff-x4@1", "rrdb-x4", "rrdb-gan-x4", "noisy", "noisy",
    ]  # fmt: skip
    new, same = rows["noisy", "new in every frame"], rows["noisy", "the same in every frame"]
    assert same["still"] == 0 < new["still"]
    for (_, noise_drawn), cells in rows.items():
        if not noise_drawn:
            assert cells["still"] == 0 < cells["1/4"]
    assert rows["bicubic", ""]["1"] == 0
    assert len(result.plots) == 1
