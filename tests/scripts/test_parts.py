"""Parts: never larger than their limit, the same bytes each time, and refused when they are not what they were."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files around the block and record sizes of tar, empty ones and long and foreign names among them."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number, size in enumerate((0, 1, 511, 512, 513, 7_000, 9_216, 10_240, 3, 20_000, 1_024)):
        (folder / f"{number:02}-{'ß' * (60 * (number % 3))}.bin").write_bytes(os.urandom(size))
    return folder


def members(parts: ModuleType, folder: Path) -> list[Any]:
    return [parts.Member(path=f"in/{path.name}", source=path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("limit", [30_720, 31_000, 40_959, 40_960, 200_000])
def test_groups_keep_order_and_limit(parts: ModuleType, files: Path, limit: int):
    everything = members(parts, files)
    groups = parts.grouped(everything, limit)
    assert [member for group in groups for member in group] == everything
    assert all(groups)
    assert all(len(parts.tar_of(group)) <= limit for group in groups)
    assert len(groups) == 1 or limit < 200_000


def test_groups_are_of_about_equal_size(parts: ModuleType, tmp_path: Path):
    for number in range(30):
        (tmp_path / f"{number:02}").write_bytes(bytes(10_000))
    sizes = [len(group) for group in parts.grouped(members(parts, tmp_path), 250_000)]
    assert sum(sizes) == 30
    assert len(sizes) == 2
    assert max(sizes) - min(sizes) <= 4


def test_a_file_larger_than_a_part_is_named(parts: ModuleType, files: Path):
    with pytest.raises(parts.PartsError, match=r"09-\S*bin takes 0\.02 MiB and does not fit .* 0\.0195 MiB; .*\.$"):
        parts.grouped(members(parts, files), 20_480)


def test_owner_and_time_leave_no_trace(parts: ModuleType, files: Path, tmp_path: Path):
    copies = shutil.copytree(files, tmp_path / "copies")
    for path in copies.iterdir():
        os.utime(path, (5, 5))
        path.chmod(0o600)
    assert parts.tar_of(members(parts, files)) == parts.tar_of(members(parts, copies))


@pytest.fixture
def brought(parts: ModuleType, files: Path, tmp_path: Path) -> Path:
    """An archive `things` of the files, cut into several parts."""
    folder = tmp_path / "brought"
    cut = parts.write_cut(folder, "things", members(parts, files), 16_000)
    parts.write_manifest(folder, {"things": cut})
    assert len(cut) > 2
    return folder


def test_cut_and_restored(parts: ModuleType, brought: Path, files: Path, tmp_path: Path):
    assert all(path.stat().st_size <= 16_000 for path in brought.iterdir())
    target = tmp_path / "made" / "here"
    parts.restore(brought, "things", target)
    restored = {path.name: path.read_bytes() for path in (target / "in").iterdir()}
    assert restored == {path.name: path.read_bytes() for path in files.iterdir()}
    assert [path.name for path in target.parent.iterdir()] == ["here"]


def flip(part: Path) -> None:
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: flip(folder / "things-02.part"), "things-02.part is not the part that manifest.json tells of"),
        (lambda folder: os.truncate(folder / "things-01.part", 100), "things-01.part is not the part"),
        (lambda folder: (folder / "things-02.part").unlink(), "things-02.part cannot be read: No such file"),
        (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read as a manifest"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "cannot be read as a manifest"),
        (lambda folder: (folder / "manifest.json").write_text('{"format": 2}'), "is of format 2, not 1"),
    ],
)
def test_what_is_not_whole_is_refused(parts: ModuleType, brought: Path, tmp_path: Path, harm: Any, said: str):
    harm(brought)
    with pytest.raises(parts.PartsError) as refused:
        parts.restore(brought, "things", tmp_path / "target")
    assert said in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "target").exists()


def test_parts_outside_their_folder_are_refused(parts: ModuleType, brought: Path):
    manifest = brought / "manifest.json"
    manifest.write_text(manifest.read_text().replace("things-01.part", "../things-01.part"))
    with pytest.raises(parts.PartsError, match="not the name of a file beside it"):
        parts.read_manifest(brought)


def test_an_archive_that_is_not_there_is_named(parts: ModuleType, brought: Path, tmp_path: Path):
    with pytest.raises(parts.PartsError, match="holds no state, only things"):
        parts.restore(brought, "state", tmp_path / "target")


def test_nothing_is_overwritten(parts: ModuleType, brought: Path, tmp_path: Path):
    (tmp_path / "target").mkdir()
    parts.restore(brought, "things", tmp_path / "target")
    with pytest.raises(parts.PartsError, match="holds something already"):
        parts.restore(brought, "things", tmp_path / "target")


@pytest.mark.parametrize("name", ["../outside", "inside/../../outside", "/outside-of-everything", "link"])
def test_nothing_is_unpacked_outside_and_no_links(name: str, parts: ModuleType, tmp_path: Path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../outside"
        archive.addfile(member)
    with pytest.raises(parts.PartsError, match="cannot be unpacked"):
        parts.unpack(buffer.getvalue(), tmp_path / "folder")
    assert not (tmp_path / "outside").exists()
    assert not Path("/outside-of-everything").exists()
    assert not list((tmp_path / "folder").iterdir())
