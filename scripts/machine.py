"""Making a bare machine ready: parts unpacked, packages installed. Standard library only."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from parts import MANIFEST, PartsError, checked, read_manifest, unpack, write_manifest, write_whole

SOURCE = Path(__file__).resolve().parent.parent / "src"
"""Where the deltasr package is, beside the scripts."""
_PACKAGES = (
    "torch", "numpy", "safetensors", "accelerate", "tensorboard", "PIL", "rich", "cyclopts", "msgspec", "pyvips",
)  # fmt: skip


def bring(parts: Path | None, work: Path, log: Callable[[str], None]) -> list[str]:
    """Unpack the parts that are here and were not unpacked before; the names of those that are still to come.

    Raises:
        PartsError: a part is damaged, or `work` holds what came of other parts.
    """
    manifest = work / MANIFEST
    if parts is not None:
        archives = read_manifest(parts)
        if manifest.exists() and read_manifest(work) != archives:
            raise PartsError(f"{work} holds what came of other parts than {parts}; name another folder to work in.")
        write_manifest(work, archives)
    missing = []
    for part in (part for archive in read_manifest(work).values() for part in archive):
        done = work / "unpacked" / part.sha256
        if done.exists():
            continue
        if parts is None or not (parts / part.name).exists():
            missing.append(part.name)
            continue
        unpack(checked(parts, part), work)
        write_whole(done, b"")
        log(f"unpacked {part.name}")
    return missing


def install(work: Path, log: Callable[[str], None]) -> Path:
    """Install the wheels of packages that are not there into a folder, and make them importable; that folder.

    Raises:
        PartsError: a wheel does not suit this machine, or a package is still missing.
    """
    site = work / "site"
    site.mkdir(parents=True, exist_ok=True)
    sys.path[:0] = [str(SOURCE), str(site)]
    wheels = list(_lacking(sorted(work.glob("wheels/*.whl"))))
    if wheels:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
        command = [*pip, "--no-deps", "--no-compile", "--target", str(site), *map(str, wheels)]
        installed = subprocess.run(command, capture_output=True, text=True)
        if installed.returncode:
            why = (installed.stderr.strip().splitlines() or ["pip failed"])[-1].rstrip(".")
            raise PartsError(f"The wheels cannot be installed ({why}); pack those for this Python (pack.py --python).")
        log(f"installed {', '.join(wheel.name.split('-')[0] for wheel in wheels)}")
        importlib.invalidate_caches()
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise PartsError(f"This Python has no {', '.join(missing)}; pack what is missing (pack.py --wheels).")
    return site


def _lacking(wheels: list[Path]) -> Iterator[Path]:
    for wheel in wheels:
        try:
            importlib.metadata.distribution(wheel.name.split("-")[0])
        except importlib.metadata.PackageNotFoundError:
            yield wheel
