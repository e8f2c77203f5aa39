"""Put the weights of a training run into the package, with their recipe and log beside them.

python scripts/bundle.py RUN NAME

writes src/deltasr/weights/NAME.safetensors, NAME.recipe.json and NAME.metrics.jsonl, and prints what the model card
NAME.md states of them: parameters, images seen, seconds, SHA-256.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from deltasr.errors import DeltasrError
from deltasr.models import checkpoint
from deltasr.models.catalogue import bundled_file


def main(run: Path, name: str) -> None:
    """Bundle the averaged weights of a run under a name."""
    source = run / "model.safetensors"
    header = checkpoint.read_header(source)
    model = checkpoint.load(source)
    model.name = name
    target = bundled_file(name, ".safetensors")
    checkpoint.save(model, target, training=header.training)
    shutil.copyfile(run / "recipe.json", bundled_file(name, ".recipe.json"))
    shutil.copyfile(run / "metrics.jsonl", bundled_file(name, ".metrics.jsonl"))
    print(f"{target.name}: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    print(f"images {header.training['images']:,}, seconds {header.training['seconds']:,}")
    print(f"SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except DeltasrError as error:
        sys.exit(f"bundle: {error}")
