from __future__ import annotations

import psutil

from deltasr import free_memory


def test_free_memory_is_the_machines_or_the_containers(monkeypatch):
    monkeypatch.setattr(free_memory, "cgroup_bytes", lambda: None)
    assert 0 < free_memory.free_bytes() <= psutil.virtual_memory().total
    monkeypatch.setattr(free_memory, "cgroup_bytes", lambda: 5)
    assert free_memory.free_bytes() == 5


def test_a_containers_limit_counts_the_page_cache_as_free(tmp_path):
    assert free_memory.cgroup_bytes(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 150\n")
    assert free_memory.cgroup_bytes(tmp_path) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory.cgroup_bytes(tmp_path) is None
