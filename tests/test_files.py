from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deltasr import files
from deltasr.errors import CheckpointError, OutputError
from deltasr.files import clear_leftovers, whole, write_whole


@pytest.fixture(autouse=True)
def no_folder_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "_cleared", set())


def leftover(folder: Path, process: int, place: str | None = None) -> Path:
    path = folder / f".deltasr-{place or files._place()}-{process}-{'0' * 16}.part"
    path.write_bytes(b"half")
    return path


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_name_appears_only_with_all_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At the moment of the rename everything is written and the name still shows the old content."""
    path = tmp_path / "deep" / "model.safetensors"
    write_whole(path, b"old")
    seen: list[tuple[bytes, bytes, Path]] = []
    replace = Path.replace

    def watch(source: Path, target: Path) -> Path:
        seen.append((source.read_bytes(), target.read_bytes(), source.parent))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", watch)
    write_whole(path, b"new")
    assert seen == [(b"new", b"old", path.parent)]
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_text_is_written_in_utf_8_as_it_stands(tmp_path: Path):
    write_whole(tmp_path / "table.csv", "Größe\r\n1\n")
    assert (tmp_path / "table.csv").read_bytes() == "Größe\r\n1\n".encode()


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "model.safetensors", b"weights")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_files_have_the_usual_mode(tmp_path: Path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_error_names_what_was_written_and_has_its_class(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"^The weights .*file/a\.safetensors cannot be written: .*\.$"):
        write_whole(tmp_path / "file" / "a.safetensors", b"", what="The weights", error=CheckpointError)
    with pytest.raises(OutputError, match="cannot be written: it is a folder"):
        write_whole(tmp_path, b"")
    with pytest.raises(OutputError, match="null byte"):
        write_whole(tmp_path / "a\0b", b"")
    with pytest.raises(OutputError, match=r"the folder .*missing does not exist"), whole(tmp_path / "missing" / "a"):
        pass


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_that_shows_late_leaves_the_old_file(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch):
    """Some file systems take every write and say only when the file is synchronised that there is no room."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, step, full) if step == "fsync" else (Path, step, full)))
    with pytest.raises(OutputError, match=r"a\.csv cannot be written: No space left on device\."):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_systems_that_cannot_synchronise_are_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def unsupported(*_: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", unsupported)
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_told_and_is_not_replaced(tmp_path: Path):
    """A device was replaced by a file where the user may write beside it, and the result reported as written."""
    device = tmp_path / "full"
    device.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="full cannot be written: No space left on device"):
        write_whole(device, b"x" * 100_000)
    assert device.is_symlink()
    assert stat.S_ISCHR(device.stat().st_mode)
    assert list(tmp_path.iterdir()) == [device]


def test_what_dead_processes_left_is_removed_with_the_first_file_written(tmp_path: Path):
    dead = leftover(tmp_path, dead_process())
    living = leftover(tmp_path, os.getppid())
    elsewhere = leftover(tmp_path, dead_process(), place="01234567")
    others = tmp_path / ".deltasr-notes.part", tmp_path / f".{'0' * 16}.part"
    for other in others:
        other.touch()
    write_whole(tmp_path / "a", b"")
    assert not dead.exists()
    assert set(tmp_path.iterdir()) == {living, elsewhere, *others, tmp_path / "a"}
    again = leftover(tmp_path, dead_process())
    write_whole(tmp_path / "b", b"")
    assert again.exists()


def test_a_killed_process_leaves_a_file_that_the_next_one_removes(tmp_path: Path):
    code = f"""
import os, signal
from pathlib import Path
from deltasr.files import whole
with whole(Path({str(tmp_path / "a")!r})) as file:
    file.write(b"half")
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".deltasr-")
    write_whole(tmp_path / "b", b"")
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]


def test_the_file_of_a_living_process_stays(tmp_path: Path):
    with whole(tmp_path / "a") as file:
        file.write(b"half")
        clear_leftovers(tmp_path)
        write_whole(tmp_path / "b", b"")
    assert (tmp_path / "a").read_bytes() == b"half"
    assert psutil.pid_exists(os.getpid())


def test_folders_that_cannot_be_searched_are_left_alone(tmp_path: Path):
    clear_leftovers(tmp_path / "missing")
