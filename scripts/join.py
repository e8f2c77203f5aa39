"""Put together what a training slice handed out.

python scripts/join.py BROUGHT FOLDER            the released weights: FOLDER/model.safetensors, with recipe and metrics
python scripts/join.py BROUGHT FOLDER --state    the run's folder, on which `deltasr train --resume` goes on
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parts import PartsError, restore


def main(brought: Path, folder: Path, *, state: bool) -> None:
    """Check the parts in `brought` against their manifest and unpack what they make as a new folder.

    Raises:
        PartsError: a part is missing or damaged, or `folder` holds something.
    """
    restore(brought, "state" if state else "weights", folder)
    for path in sorted(folder.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brought", type=Path, help="folder with the parts and their manifest")
    parser.add_argument("folder", type=Path, help="folder to make")
    parser.add_argument("--state", action="store_true", help="the whole run instead of its weights")
    arguments = parser.parse_args()
    try:
        main(arguments.brought, arguments.folder, state=arguments.state)
    except PartsError as error:
        sys.exit(f"join: {error}")
