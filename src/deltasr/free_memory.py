"""How much of the machine's memory a program may still take."""

from __future__ import annotations

from pathlib import Path


def free_bytes() -> int:
    """Bytes that are free now: of the machine, or of the container's limit (cgroup) where that is less."""
    import psutil

    machine = int(psutil.virtual_memory().available)
    container = cgroup_bytes()
    return machine if container is None else min(machine, container)


def cgroup_bytes(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container may still take: its limit less what it holds beyond the page cache; None without a limit."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(limit - used + int(statistics.get("inactive_file", 0)), 0)
