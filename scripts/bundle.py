"""Put the weights of a training run into the package, with their recipe and log beside them.

python scripts/bundle.py RUN NAME [--half]

writes src/deltasr/weights/NAME.safetensors, NAME.recipe.json and NAME.metrics.jsonl, and prints what the model card
NAME.md states of them: parameters, images seen, seconds, SHA-256. With --half weights are rounded to 16
bits, which halves the file; they are computed with in 32 bits all the same.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from pathlib import Path

from deltasr.errors import DeltasrError
from deltasr.models import checkpoint
from deltasr.models.catalogue import bundled_file


def main(run: Path, name: str, *, half: bool) -> None:
    """Bundle the averaged weights of a run under a name."""
    source = run / "model.safetensors"
    header = checkpoint.read_header(source)
    model = checkpoint.load(source)
    model.name = name
    target = bundled_file(name, ".safetensors")
    state = {key: weight.half() if half else weight for key, weight in model.state_dict().items()}
    checkpoint.save(model, target, state=state, training=header.training)
    shutil.copyfile(run / "recipe.json", bundled_file(name, ".recipe.json"))
    shutil.copyfile(run / "metrics.jsonl", bundled_file(name, ".metrics.jsonl"))
    print(f"{target.name}: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    print(f"images {header.training['images']:,}, seconds {header.training['seconds']:,}")
    print(f"SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--half", action="store_true")
    arguments = parser.parse_args()
    try:
        main(arguments.run, arguments.name, half=arguments.half)
    except DeltasrError as error:
        sys.exit(f"bundle: {error}")
