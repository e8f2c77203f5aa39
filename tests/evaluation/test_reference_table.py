"""The published reference rows come out to the last printed digit."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

from deltasr.evaluation.benchmark import Measurement, measure_results, measure_upscaling
from deltasr.evaluation.lpips import Lpips
from deltasr.evaluation.sets import find_set
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue


def row(measurements: list[Measurement], lpips_digits: int) -> tuple[str, str, str]:
    return (
        f"{fmean(m.psnr_y for m in measurements):.2f}",
        f"{fmean(m.ssim_y for m in measurements):.4f}",
        f"{fmean(m.perceptual['LPIPS-alex'] for m in measurements):.{lpips_digits}f}",
    )


@pytest.mark.parametrize(
    ("name", "border", "expected"),
    [
        ("Set5", None, ("28.43", "0.8111", "0.340")),
        ("Set14", None, ("26.09", "0.7048", "0.439")),
        ("DeltaDiffSet14", 0, ("23.13", "0.6235", "0.498")),
    ],
)
def test_bicubic_by_pillow(name: str, border: int | None, expected: tuple[str, str, str], shared: Path):
    measured = measure_upscaling(
        Upscaler(catalogue.load("bicubic-pillow"), device="cpu").upscale,
        find_set(shared / "data" / "eval" / name),
        model="bicubic-pillow",
        scale=4,
        border=border,
        perceptual={"LPIPS-alex": Lpips.from_file(shared / "models", net="alex")},
    )
    assert row(measured, lpips_digits=3) == expected


def test_deltadiffs_published_images(shared: Path):
    folder = shared / "data" / "eval" / "DeltaDiffSet14"
    measured = measure_results(
        folder / "published",
        find_set(folder),
        model="published",
        border=0,
        perceptual={"LPIPS-alex": Lpips.from_file(shared / "models", net="alex")},
    )
    assert row(measured, lpips_digits=4) == ("24.19", "0.6796", "0.2065")
