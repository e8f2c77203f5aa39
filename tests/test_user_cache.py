"""What is remembered in the user's cache folder."""

from __future__ import annotations

import pytest

from deltasr import user_cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "deltasr"


def test_values_lie_side_by_side(folder):
    user_cache.remember("a.json", "one", {"x": 1})
    user_cache.remember("a.json", "two", {"x": 2})
    user_cache.remember("a.json", "one", {"x": 3})
    assert user_cache.remembered("a.json", dict[str, int]) == {"one": {"x": 3}, "two": {"x": 2}}
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_what_cannot_be_read_or_written_is_no_error(folder):
    assert user_cache.remembered("a.json", int) == {}
    folder.mkdir()
    (folder / "a.json").write_bytes(b'{"a": [')
    assert user_cache.remembered("a.json", int) == {}
    user_cache.remember("a.json", "one", 1)
    assert user_cache.remembered("a.json", int) == {"one": 1}
    assert user_cache.remembered("a.json", str) == {}
    (folder / "a.json").unlink()
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    user_cache.remember("a.json", "one", 1)
    assert user_cache.remembered("a.json", int) == {}
