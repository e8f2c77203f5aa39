"""What is remembered in the user's cache folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from deltasr import user_cache
from deltasr.errors import OutputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "deltasr"


def test_values_lie_side_by_side(folder):
    user_cache.remember("a.json", "one", {"x": 1})
    user_cache.remember("a.json", "two", {"x": 2})
    user_cache.remember("a.json", "one", {"x": 3})
    assert user_cache.remembered("a.json", dict[str, int]) == {"one": {"x": 3}, "two": {"x": 2}}
    assert {path.name for path in folder.iterdir()} - {"a.json.lock"} == {"a.json"}


def test_what_cannot_be_read_or_written_is_no_error(folder):
    assert user_cache.remembered("a.json", int) == {}
    folder.mkdir()
    (folder / "a.json").write_bytes(b'{"a": [')
    assert user_cache.remembered("a.json", int) == {}
    user_cache.remember("a.json", "one", 1)
    assert user_cache.remembered("a.json", int) == {"one": 1}
    assert user_cache.remembered("a.json", str) == {}
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    user_cache.remember("a.json", "one", 1)
    assert user_cache.remembered("a.json", int) == {}


def test_values_of_several_threads_are_all_kept(folder):
    threads = [threading.Thread(target=user_cache.remember, args=("a.json", f"{n}", n)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert user_cache.remembered("a.json", int) == {f"{n}": n for n in range(16)}


def test_one_at_a_time_and_the_others_wait(folder):
    entered = []

    def enter() -> None:
        with user_cache.alone("trial"):
            entered.append(1)

    with user_cache.alone("trial"):
        other = threading.Thread(target=enter)
        other.start()
        other.join(timeout=0.3)
        assert (other.is_alive(), entered) == (True, [])
        with user_cache.alone("something else"):
            pass
    other.join()
    assert entered == [1]


def test_a_lock_that_stays_taken_or_cannot_be_made_stops_nobody(folder, monkeypatch):
    monkeypatch.setattr(user_cache, "_PATIENCE", 0.05)
    with user_cache.alone("trial"), user_cache.alone("trial"):
        pass
    with user_cache.alone("trial"):
        user_cache.remember("a.json", "one", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "a.json"))
    with user_cache.alone("trial"):
        pass


def test_without_a_home_folder_nothing_is_remembered_and_nobody_waits(monkeypatch):
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    with user_cache.alone("trial"):
        user_cache.remember("a.json", "one", 1)
    assert user_cache.remembered("a.json", int) == {}
    with pytest.raises(OutputError, match="set XDG_CACHE_HOME to a folder"):
        user_cache.folder()
