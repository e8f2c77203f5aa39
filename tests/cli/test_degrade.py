"""`deltasr degrade` from the outside: arguments in, files, lines and an exit status out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deltasr.cli import main
from deltasr.cli.degrade import degrade_command
from deltasr.degradation import KINDS
from deltasr.imaging import Metadata, Picture, read_picture, write_picture


def save(
    path: Path, *, bits: int = 8, channels: int = 3, alpha: bool = False, size: tuple[int, int] = (17, 22)
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(f"uint{bits}")
    ramp = np.linspace(0, np.iinfo(dtype).max, size[0] * size[1] * channels).astype(dtype).reshape(*size, channels)
    picture = Picture(pixels=ramp, alpha=ramp[..., 0] if alpha else None, metadata=Metadata(resolution=(4.0, 4.0)))
    write_picture(picture, path)
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["degrade", *map(str, arguments)])
    return int(stopped.value.code or 0)


def below(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_one_file(tmp_path, capsys):
    source = save(tmp_path / "a.png")
    assert run(source, "-o", tmp_path / "lr.png", "--seed", 7) == 0
    lr = read_picture(tmp_path / "lr.png")
    assert (lr.height, lr.width, lr.channels, lr.bits) == (4, 5, 3, 8)
    output = capsys.readouterr()
    assert "5x4, realesrgan" in output.out
    assert "cut to 20x16 pixels" in output.out
    assert "1 done, 0 failed" in output.out


def test_folders_are_mirrored_as_png_and_bad_files_told(tmp_path, capsys):
    save(tmp_path / "hr/a.jpg")
    save(tmp_path / "hr/deep/b.png")
    (tmp_path / "hr/bad.png").write_bytes(b"nothing")
    (tmp_path / "hr/text.txt").write_text("")
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--kind", "bsrgan", "--scale", 2) == 1
    assert below(tmp_path / "lr") == ["a.png", "deep/b.png"]
    output = capsys.readouterr()
    assert "bad.png" in output.err
    assert "2 done, 1 failed, 1 not pictures" in output.out
    assert read_picture(tmp_path / "lr/deep/b.png").width == 11


def test_a_picture_is_degraded_alike_whatever_lies_beside_it(tmp_path):
    save(tmp_path / "two/a.png")
    save(tmp_path / "two/b.png")
    save(tmp_path / "one/b.jpg").unlink()
    save(tmp_path / "one/b.png")
    for name, seed in (("two", 3), ("one", 3), ("other", 4)):
        run(tmp_path / name.replace("other", "one"), "-o", tmp_path / f"lr-{name}", "--seed", seed)
    run(tmp_path / "one/b.png", "-o", tmp_path / "single.png", "--seed", 3)
    together = (tmp_path / "lr-two/b.png").read_bytes()
    assert together == (tmp_path / "lr-one/b.png").read_bytes() == (tmp_path / "single.png").read_bytes()
    assert together != (tmp_path / "lr-other/b.png").read_bytes()
    assert together != (tmp_path / "lr-two/a.png").read_bytes()


def test_depth_is_kept_alpha_is_not_and_grey_becomes_rgb(tmp_path, capsys):
    save(tmp_path / "hr/deep.png", bits=16, alpha=True)
    save(tmp_path / "hr/grey.png", channels=1)
    assert run(tmp_path / "hr", "-o", tmp_path / "lr", "--kind", "bicubic") == 0
    deep, grey = (read_picture(tmp_path / "lr" / name) for name in ("deep.png", "grey.png"))
    assert (deep.bits, deep.alpha) == (16, None)
    assert (grey.bits, grey.channels) == (8, 3)
    assert "transparency was left out" in capsys.readouterr().out


def test_bicubic_is_the_standard_degradation_rounded(tmp_path):
    from deltasr.degradation import downscale

    source = save(tmp_path / "a.png", size=(16, 20))
    run(source, "-o", tmp_path / "lr.png", "--kind", "bicubic")
    expected = (downscale(read_picture(source).to_tensor(), 4)[0].permute(1, 2, 0) * 255).round().numpy()
    assert np.array_equal(read_picture(tmp_path / "lr.png").pixels, expected)


def test_other_formats_where_asked_for(tmp_path):
    source = save(tmp_path / "a.png")
    run(source, "-o", tmp_path / "lr.webp")
    run(source, "-o", tmp_path / "out", "--output-format", "tiff")
    assert (tmp_path / "lr.webp").read_bytes()[8:12] == b"WEBP"
    assert below(tmp_path / "out") == ["a.tif"]


def test_existing_files_stay_unless_told_otherwise(tmp_path, capsys):
    source, target = save(tmp_path / "a.png"), save(tmp_path / "lr.png")
    before = target.read_bytes()
    assert run(source, "-o", target) == 1
    assert target.read_bytes() == before
    assert "--overwrite" in capsys.readouterr().err
    assert run(source, "-o", target, "--overwrite") == 0
    assert target.read_bytes() != before


def test_the_sheet(tmp_path, capsys):
    source = save(tmp_path / "a.png", size=(64, 300))
    assert run(source, "--sheet", tmp_path / "sheet.png") == 0
    sheet = read_picture(tmp_path / "sheet.png")
    assert sheet.width == 4 * (224 + 6) + 6
    assert "middle 224x64" in capsys.readouterr().out
    assert run(source, "--sheet", tmp_path / "sheet.png") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to degrade"),
        (["a.png"], "--output"),
        (["a.png", "-o", "b.png", "--sheet", "c.png"], "--sheet"),
        (["a.png", "b.png", "--sheet", "c.png"], "one picture"),
        (["a.png", "-o", "b.png", "--kind", "fog"], "'fog'"),
        (["a.png", "-o", "b.png", "--scale", "0"], "--scale 0"),
        (["a.png", "-o", "b.png", "--scale", "30"], "too small"),
        (["missing.png", "-o", "b.png"], "does not exist"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert below(tmp_path) == ["a.png"]


def test_the_help_names_every_kind():
    text = degrade_command.__doc__ or ""
    assert all(name in text for name in KINDS)


def test_the_help_is_reached_by_the_command_line(capsys):
    assert run("--help") == 0
    assert "--kind" in capsys.readouterr().out
