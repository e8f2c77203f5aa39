"""Files of the server: private, counted, and gone at the end."""

from __future__ import annotations

import stat

import pytest

from deltasr.web.failures import WebError
from deltasr.web.storage import Space, Storage


def test_the_folder_is_private_and_goes():
    storage = Storage(1000)
    assert stat.S_IMODE(storage.folder.stat().st_mode) == 0o700
    storage.new_file().path.write_bytes(b"x")
    storage.close()
    assert not storage.folder.exists()


def test_a_file_counts_until_it_is_deleted():
    storage = Storage(1000)
    mine = Space(500, above=storage.space, advice="remove something")
    file = storage.new_file(mine)
    file.reserve(400)
    file.path.write_bytes(bytes(300))
    file.settle()
    assert (mine.used, storage.space.used) == (300, 300)
    with pytest.raises(WebError, match="remove something") as full:
        storage.new_file(mine).reserve(201)
    assert full.value.status == 503
    assert (mine.used, storage.space.used) == (300, 300), "what is refused does not count"
    others = Space(5000, above=storage.space)
    with pytest.raises(WebError, match="used up"):
        others.take(701)
    for _ in range(2):
        file.delete()
    assert (mine.used, storage.space.used) == (0, 0)
    assert not file.path.exists()
    storage.close()
