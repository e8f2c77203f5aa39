"""Maps of results: tiles, files beside a result, and the split into what the input determines and the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deltasr.cli import main
from deltasr.errors import SettingError
from deltasr.imaging import Picture, read_picture, write_picture
from deltasr.inference import maps
from deltasr.inference.upscaler import Upscaler
from deltasr.models import checkpoint, error_map
from deltasr.models.deltadiff import DeltaDiff
from deltasr.resampling.kernels import resize_matrix


@pytest.fixture
def model(dial_checkpoint: Path) -> DeltaDiff:
    loaded = checkpoint.load(dial_checkpoint)
    assert isinstance(loaded, DeltaDiff)
    return loaded


@pytest.fixture
def map_file(model: DeltaDiff, tmp_path: Path) -> Path:
    """A map whose head has random weights."""
    torch.manual_seed(0)
    file = tmp_path / "made.map.safetensors"
    error_map.save(error_map.untrained(model), file, model=model, facts={})
    return file


def picture(height: int = 40, width: int = 52, channels: int = 3, dtype: type = np.uint8) -> Picture:
    """Smooth and sharp parts."""
    rows, columns = np.mgrid[:height, :width]
    planes = [0.5 + 0.5 * np.sin(rows * 0.4 + channel) * np.cos(columns * 0.3) for channel in range(channels)]
    values = np.stack(planes, axis=2) * (1 - 0.7 * ((columns // 9 + rows // 11) % 2))[..., None]
    return Picture(pixels=(values * np.iinfo(dtype).max).round().astype(dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_map_changes_no_byte_of_the_result(model: DeltaDiff, map_file: Path, dtype: type, channels: int):
    source = picture(17, 21, channels, dtype)
    source = Picture(pixels=source.pixels, alpha=np.arange(17 * 21).reshape(17, 21).astype(dtype))
    upscaler = Upscaler(model, device="cpu", map_file=map_file)
    plain, mapped = upscaler.upscale(source), upscaler.upscale(source, error_map=True)
    assert np.array_equal(plain.pixels, mapped.pixels)
    assert np.array_equal(plain.alpha, mapped.alpha)
    assert plain.error_map is None
    assert mapped.error_map.shape == (68, 84)
    assert mapped.error_map.dtype == np.uint16
    assert len(np.unique(mapped.error_map)) > 100


def test_tiled_maps_equal_untiled_ones(model: DeltaDiff, map_file: Path):
    source = picture(150, 33)
    tiled, whole = (
        Upscaler(model, device="cpu", tile=tile, map_file=map_file)
        .upscale(source, error_map=True)
        .error_map.astype(int)
        for tile in (32, 0)
    )
    assert np.abs(tiled - whole).max() <= 0.1 * error_map.STEPS_PER_LEVEL


def test_a_smaller_factor_resizes_the_map_and_a_larger_one_is_refused(model: DeltaDiff, map_file: Path):
    upscaler = Upscaler(model, device="cpu", map_file=map_file)
    assert upscaler.upscale(picture(8, 9), scale=2.5, error_map=True).error_map.shape == (20, 22)
    with pytest.raises(SettingError, match=r"^An error map is for factors up to 4, the model's own; choose a smaller"):
        upscaler.upscale(picture(8, 9), scale=8, error_map=True)


def test_an_ensemble_has_no_map(model: DeltaDiff, map_file: Path):
    with pytest.raises(SettingError, match="not for an ensemble; leave one of them out"):
        Upscaler(model, device="cpu", ensemble=True, map_file=map_file).upscale(picture(8, 9), error_map=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_determined_and_the_added_part_add_up_exactly(dtype: type):
    source = picture(13, 18, dtype=dtype)
    rng = np.random.default_rng(0)
    result = Picture(pixels=rng.integers(0, np.iinfo(dtype).max, (52, 72, 3), endpoint=True).astype(dtype))
    determined, added = maps.split(source, result, scale=4)
    in_16_bits = result.pixels.astype(np.int64) * (257 if dtype == np.uint8 else 1)
    assert np.array_equal(determined.pixels + 2 * (added.pixels.astype(np.int64) - 32768), in_16_bits)


def test_what_is_added_to_a_projected_result_downscales_to_nothing(model: DeltaDiff):
    pixels = (picture(20, 24, dtype=np.uint16).pixels * 0.4 + 20000).astype(np.uint16)  # nothing is clamped
    source = Picture(pixels=pixels)
    result = Upscaler(model, device="cpu").upscale(source)
    determined, added = maps.split(source, result, scale=4)
    rest = 2 * (added.pixels.astype(np.float64) - 32768)
    level = 65535 / 255
    assert np.abs(rest).max() > 20 * level
    assert np.abs(_downscaled(rest)).max() < 0.25 * level
    assert np.abs(_downscaled(determined.pixels.astype(np.float64)) - pixels).max() < 0.05 * level


def _downscaled(values: np.ndarray) -> np.ndarray:
    """The projection's downscaling by 4, without a clamp."""
    rows, columns = (resize_matrix(side, side // 4) for side in values.shape[:2])
    return np.einsum("ab,bdc,ed->aec", rows, values, columns)


def test_the_split_does_not_depend_on_tiles():
    source = picture(90, 40, 1)
    result = Picture(pixels=np.full((360, 160, 1), 90, np.uint8))
    tiled, whole = (maps.split(source, result, scale=4, tile=tile)[0].pixels.astype(int) for tile in (32, 0))
    assert np.abs(tiled - whole).max() <= 2


def test_the_command_writes_both_files_of_each_map(
    model: DeltaDiff, map_file: Path, dial_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load = error_map.load
    monkeypatch.setattr("deltasr.models.error_map.load", lambda model, file: load(model, map_file))
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_picture(picture(12, 14), tmp_path / "in" / f"{name}.png")
    asked = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", str(dial_checkpoint)]
    assert _status([*asked, "--map", "error"]) == 0
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == [f"{name}{end}.png" for name in ("a", "b") for end in ("-map-overlay", "-map", "")]
    half_widths = read_picture(tmp_path / "out" / "a-map.png")
    assert half_widths.pixels.shape == (48, 56, 1)
    assert half_widths.bits == 16
    assert "1/256 of an 8-bit level" in half_widths.metadata.text["deltasr:map"]
    assert read_picture(tmp_path / "out" / "a-map-overlay.png").pixels.shape == (48, 56, 3)
    result = (tmp_path / "out" / "a.png").read_bytes()
    for name in ("a", "b"):
        (tmp_path / "out" / f"{name}.png").unlink()
    assert _status([*asked, "--map", "error"]) == 1  # the maps are there already
    assert _status([*asked, "--map", "determined"]) == 0
    assert (tmp_path / "out" / "a.png").read_bytes() == result
    assert {"a-determined.png", "a-added.png"} <= {file.name for file in (tmp_path / "out").iterdir()}
    assert _status([*asked, "--map", "error", "--overwrite"]) == 0


def test_the_command_refuses_what_has_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_picture(picture(6, 7), tmp_path / "a.png")
    assert _status(["upscale", str(tmp_path / "a.png"), "--model", "bicubic", "--map", "error"]) == 1
    assert "The model bicubic has no error map" in capsys.readouterr().err
    asked = ["upscale", str(tmp_path / "a.png"), "--model", "bicubic", "--scale", "2", "--map", "determined"]
    assert _status(asked) == 1
    assert "leave the scale or size out" in capsys.readouterr().err
    assert _status(["upscale", str(tmp_path / "a.png"), "-o", "-", "--map", "error"]) == 1
    assert "A --map is written beside a result's file" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_size_that_has_no_split_is_refused_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """With a factor for all pictures; with a width only for those to which it is another factor."""
    computed = []
    run = Upscaler.upscale
    monkeypatch.setattr(Upscaler, "upscale", lambda *a, **k: computed.append(a[1].width) or run(*a, **k))
    (tmp_path / "in").mkdir()
    for width in (6, 8):
        write_picture(picture(6, width), tmp_path / "in" / f"{width}.png")
    asked = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", "bicubic", "--map", "determined"]
    sentence = "for the model's own factor of 4 alone; leave the scale or size out, or the map."
    for dry in ([], ["--dry-run"]):
        assert _status([*asked, "--scale", "2", *dry]) == 1
        assert sentence in capsys.readouterr().err
        assert computed == []
        assert not (tmp_path / "out").exists()
    assert _status([*asked, "--width", "32"]) == 1
    told = capsys.readouterr()
    assert sentence in told.out + told.err
    assert computed[0] == 8
    assert 6 not in computed
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["8-added.png", "8-determined.png", "8.png"]


def test_an_error_map_that_is_not_possible_is_refused_for_one_picture_alone_and_by_a_dry_run(
    model: DeltaDiff,
    map_file: Path,
    dial_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    load = error_map.load
    monkeypatch.setattr("deltasr.models.error_map.load", lambda model, file: load(model, map_file))
    monkeypatch.setattr("deltasr.models.catalogue.has_error_map", lambda name: True)
    (tmp_path / "in").mkdir()
    for width in (6, 9):
        write_picture(picture(7, width), tmp_path / "in" / f"{width}.png")
    asked = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", str(dial_checkpoint)]
    for dry in (["--dry-run"], []):
        assert _status([*asked, "--map", "error", "--width", "30", *dry]) == 1
        told = capsys.readouterr()
        assert "6.png: An error map is for factors up to 4, the model's own; choose" in told.err
        assert "0 skipped, 1 failed" in told.out
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["9-map-overlay.png", "9-map.png", "9.png"]


def _status(arguments: list[str]) -> int:
    try:
        return main(arguments) or 0
    except SystemExit as ended:
        return int(ended.code or 0)
