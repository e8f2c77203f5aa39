"""Packing pictures and tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest


def packed(pack: ModuleType, pictures: Path, folder: Path, *, limit: int = 20_480) -> dict[str, bytes]:
    network = pictures.parent / "lpips.pth"
    network.write_bytes(b"weights")
    pack.main(pictures, folder, networks=[network], wheels=[], python="3.12", limit=limit)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_part_is_a_tar_of_whole_pictures(pack: ModuleType, pictures: Path, tmp_path: Path):
    written = packed(pack, pictures, tmp_path / "parts")
    assert sorted(written) == [
        "manifest.json", "pictures-01.tar", "pictures-02.tar", "pictures-03.tar", "tools-01.tar",
    ]  # fmt: skip
    assert all(len(content) <= 20_480 for content in written.values())
    found = {}
    for path in (tmp_path / "parts").glob("*.tar"):
        with tarfile.open(path) as archive:
            found |= {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    wanted = {f"pictures/{path.relative_to(pictures).as_posix()}": path for path in pictures.rglob("*.png")}
    wanted["networks/lpips.pth"] = tmp_path / "lpips.pth"
    assert found == {name: path.read_bytes() for name, path in wanted.items()}


def test_the_same_pictures_make_the_same_bytes(pack: ModuleType, pictures: Path, tmp_path: Path):
    before = packed(pack, pictures, tmp_path / "parts")
    copies = tmp_path / "elsewhere" / "copies"
    shutil.copytree(pictures, copies, copy_function=shutil.copyfile)
    assert packed(pack, copies, tmp_path / "again") == before


def run(scripts: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(scripts / "pack.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_picture_that_is_too_large_is_a_sentence(scripts: Path, pictures: Path, tmp_path: Path):
    ended = run(scripts, pictures, tmp_path / "parts", "--limit", 0.005, "--wheels")
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"pack: {pictures / 'a.png'} takes 0.01 MiB and does not fit into a part of 0.005 MiB"
    )
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "parts" / "manifest.json").exists()


@pytest.mark.parametrize("limit", [0, 51])
def test_limits_have_limits(pack: ModuleType, limit: int, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        pack.parsed(["pictures", "parts", "--limit", str(limit)])
    assert f"--limit {limit} is no size for parts" in capsys.readouterr().err


def test_a_network_that_is_not_there_is_named(pack: ModuleType, parts: ModuleType, pictures: Path, tmp_path: Path):
    with pytest.raises(parts.PartsError, match=r"missing\.pth is not a file"):
        pack.main(pictures, tmp_path / "parts", networks=[tmp_path / "missing.pth"], wheels=[], python="3.12")
