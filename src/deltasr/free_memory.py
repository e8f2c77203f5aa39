"""The free memory of the machine."""

from __future__ import annotations

from pathlib import Path


def free_bytes() -> int:
    """Bytes that are free now: on the machine, or within the container's limit (cgroup) if that is less."""
    import psutil

    machine = int(psutil.virtual_memory().available)
    container = cgroup_bytes()
    return machine if container is None else min(machine, container)


def cgroup_bytes(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Free bytes in a container: its limit minus what it uses without the page cache; None without a limit."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(limit - used + int(statistics.get("inactive_file", 0)), 0)
