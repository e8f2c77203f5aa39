"""Pack training pictures, and what a bare machine lacks, into parts of a bounded size.

python scripts/pack.py PICTURES PARTS [--networks FILE ...] [--wheels NAME ...] [--python 3.12] [--limit MIB]

writes PARTS/pictures-01.tar ..., PARTS/tools-01.tar ... and PARTS/manifest.json. Each part is a tar file of whole
files, usable by itself. The tools are Python packages as wheels, for Linux on x86-64 and the Python version given, and
the weights of networks that losses look through. `train_slice.py` unpacks them on the other machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from parts import MIB, Member, Part, PartsError, grouped, tar_of, write_manifest, write_parts

from deltasr.errors import DeltasrError
from deltasr.training.cache import find_pictures

LIMIT = 50
WHEELS = (
    "cyclopts", "attrs", "docstring-parser", "rich-rst", "msgspec", "pyvips", "pyvips-binary", "cffi", "pycparser",
)  # fmt: skip
"""What machines with torch, accelerate, tensorboard, Pillow and rich mostly lack; what they have is not installed."""
_CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_OLDEST_IN_ZIP = "315532800"
"""1980: wheels that are built here get this time, so that they are the same bytes each time."""


def main(
    pictures: Path, folder: Path, *, networks: list[Path], wheels: list[str], python: str, limit: int = LIMIT * MIB
) -> None:
    """Write the parts of the pictures and the tools, and their manifest, into a folder.

    Raises:
        PartsError: a file does not fit into a part, a wheel cannot be had, or a part cannot be written.
        TrainingError: there is no picture.
    """
    members = {"pictures": [_member("pictures", path, pictures) for path in find_pictures(pictures)]}
    with tempfile.TemporaryDirectory() as downloads:
        for name in wheels:
            _download(name, Path(downloads), python)
        tools = [_member("wheels", path, Path(downloads)) for path in sorted(Path(downloads).iterdir())]
        for network in networks:
            if not network.is_file():
                raise PartsError(f"{network} is not a file; give the weights of a network.")
            tools.append(_member("networks", network, network.parent))
        if tools:
            members["tools"] = tools
        archives: dict[str, list[Part]] = {}
        for archive, files in members.items():
            groups = grouped(files, limit)
            archives[archive] = []
            for number, group in enumerate(groups, start=1):
                name = f"{archive}-{number:02}.tar"
                archives[archive] += write_parts(folder, {name: tar_of(group)})
                print(f"{folder / name}: {len(group)} files, {archives[archive][-1].bytes / MIB:.1f} MiB")
    write_manifest(folder, archives)


def _member(kind: str, path: Path, root: Path) -> Member:
    return Member(path=f"{kind}/{path.relative_to(root).as_posix()}", source=path)


def _download(name: str, folder: Path, python: str) -> None:
    """Download the wheel of a package, in the version of constraints.txt; build it where it is published as source."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    common = ["--quiet", "--no-deps", "--constraint", str(_CONSTRAINTS)]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    target += [argument for platform in _PLATFORMS for argument in ("--platform", platform)]
    if subprocess.run(
        [*pip, "download", *common, *target, "--dest", str(folder), name], capture_output=True
    ).returncode:
        before = set(folder.iterdir())
        environment = {**os.environ, "SOURCE_DATE_EPOCH": _OLDEST_IN_ZIP}
        built = subprocess.run(
            [*pip, "wheel", *common, "--wheel-dir", str(folder), name],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        new = set(folder.iterdir()) - before
        if built.returncode or not all(wheel.name.endswith("-none-any.whl") for wheel in new):
            lines = built.stderr.strip().splitlines()
            why = lines[-1].rstrip(".") if built.returncode and lines else "its source builds for this machine alone"
            raise PartsError(f"There is no wheel of {name} for Python {python} on Linux x86-64: {why}.")


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of training pictures, searched recursively")
    parser.add_argument("parts", type=Path, help="folder to write")
    parser.add_argument("--networks", type=Path, nargs="+", default=[], help="weights files that losses look through")
    parser.add_argument("--wheels", nargs="*", default=list(WHEELS), help="packages that may be missing on the machine")
    parser.add_argument("--python", default="3.12", help="Python version of the machine (default 3.12)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"size of a part in MiB, at most {LIMIT} (default)")
    found = parser.parse_args(arguments)
    if not 0 < found.limit <= LIMIT:
        parser.error(f"--limit {found.limit:g} is no size for parts; give more than 0 and at most {LIMIT}")
    return found


if __name__ == "__main__":
    given = parsed(sys.argv[1:])
    try:
        main(
            given.pictures, given.parts, networks=given.networks, wheels=given.wheels, python=given.python,
            limit=int(given.limit * MIB),
        )  # fmt: skip
    except (PartsError, DeltasrError) as error:
        sys.exit(f"pack: {error}")
