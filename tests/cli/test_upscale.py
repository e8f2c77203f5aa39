"""`deltasr upscale` from the outside: arguments in, files, lines and an exit status out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deltasr.cli import main
from deltasr.imaging import Metadata, Picture, read_picture, write_picture
from deltasr.inference import upscaler as upscaler_module


def _save(path: Path, *, bits: int = 8, alpha: bool = False, metadata: Metadata | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(f"uint{bits}")
    ramp = np.linspace(0, np.iinfo(dtype).max, 12 * 10 * 3).astype(dtype).reshape(12, 10, 3)
    picture = Picture(pixels=ramp, alpha=ramp[..., 0] if alpha else None, metadata=metadata or Metadata())
    write_picture(picture, path)
    return path


def _run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["upscale", *map(str, arguments), "--model", "bicubic"])
    return int(stopped.value.code or 0)


def _below(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_one_file_with_everything_it_holds(tmp_path, capsys):
    text = Metadata(text={"Title": "ramp"})
    source = _save(tmp_path / "a.png", bits=16, alpha=True, metadata=text)
    assert _run(source, "-o", tmp_path / "b.png") == 0
    result = read_picture(tmp_path / "b.png")
    assert (result.height, result.width, result.bits) == (48, 40, 16)
    assert result.alpha is not None
    assert result.metadata.text["Title"] == "ramp"
    output = capsys.readouterr()
    assert "40x48" in output.out
    assert "1 done, 0 skipped, 0 failed" in output.out
    assert output.err == ""


def test_strip_scale_and_format(tmp_path):
    source = _save(tmp_path / "a.png", metadata=Metadata(text={"Title": "ramp"}))
    options = ("--scale", "1.5", "--output-format", "webp", "--quality", "80", "--strip", "--tile", "8")
    assert _run(source, "-o", tmp_path / "out", *options) == 0
    result = read_picture(tmp_path / "out" / "a.webp")
    assert (result.height, result.width) == (18, 15)
    assert result.metadata.text == {}


def test_a_folder_with_a_bad_file(tmp_path, capsys):
    _save(tmp_path / "in/a.png")
    _save(tmp_path / "in/sub/b.jpg")
    (tmp_path / "in/bad.png").write_bytes(b"nothing")
    (tmp_path / "in/readme.txt").write_text("text")
    assert _run(tmp_path / "in", "-o", tmp_path / "in/out") == 1
    assert _below(tmp_path / "in/out") == ["a.png", "sub/b.jpg"]
    output = capsys.readouterr()
    assert "2 done, 0 skipped, 1 failed, 1 not pictures" in output.out
    assert output.err.startswith("deltasr: ")
    assert "bad.png" in output.err
    assert output.err.count("\n") == 1


def test_results_that_exist(tmp_path, capsys):
    source = _save(tmp_path / "a.png")
    assert _run(source, "-o", tmp_path / "out") == 0
    result = tmp_path / "out/a.png"
    before = result.read_bytes()
    assert _run(source, "-o", tmp_path / "out", "--scale", 2) == 1
    assert _run(source, "-o", tmp_path / "out", "--scale", 2, "--skip-existing") == 0
    assert result.read_bytes() == before
    assert "1 skipped" in capsys.readouterr().out
    assert _run(source, "-o", tmp_path / "out", "--scale", 2, "--overwrite") == 0
    assert read_picture(result).height == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name pictures or folders"),
        (("a.png", "--skip-existing", "--overwrite"), "exclude each other"),
        (("a.png", "--quality", "101"), "--quality 101"),
        (("a.png", "--output-format", "gif"), "gif"),
        (("a.png", "--scale", "0"), "factor above 0"),
        (("a.png", "--tile", "-3"), "tile of -3"),
        (("a.png", "--device", "abacus"), "abacus"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    _save(tmp_path / "a.png")
    assert _run(*arguments, "-o", "out") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_consistency_can_be_switched(tmp_path):
    source = _save(tmp_path / "a.png")
    assert _run(source, "-o", tmp_path / "off.png") == 0
    assert _run(source, "-o", tmp_path / "same.png", "--no-consistency") == 0
    assert _run(source, "-o", tmp_path / "on.png", "--consistency") == 0
    off, same, on = (read_picture(tmp_path / f"{name}.png").pixels for name in ("off", "same", "on"))
    assert np.array_equal(off, same)
    assert not np.array_equal(off, on)


def test_an_interruption_leaves_no_partial_file(tmp_path, capsys, monkeypatch):
    _save(tmp_path / "in/a.png")
    _save(tmp_path / "in/b.png")
    emitted = upscaler_module.Cropped.add
    calls = 0

    def interrupted(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        emitted(self, *arguments)

    monkeypatch.setattr(upscaler_module.Cropped, "add", interrupted)
    assert _run(tmp_path / "in", "-o", tmp_path / "out") == 130
    assert _below(tmp_path / "out") == ["a.png"]
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interruption_while_writing_leaves_no_partial_file(tmp_path, monkeypatch):
    from deltasr.imaging import write

    def interrupted(picture, file, quality):
        file.write(b"half a picture")
        raise KeyboardInterrupt

    source = _save(tmp_path / "a.png")
    monkeypatch.setitem(write.ENCODERS, "png", interrupted)
    assert _run(source, "-o", tmp_path / "out") == 130
    assert list((tmp_path / "out").iterdir()) == []
