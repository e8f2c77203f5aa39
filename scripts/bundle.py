"""Put the weights of a training run into the package, with their recipe and log beside them.

python scripts/bundle.py RUN NAME [--half] [--fidelity F]

writes src/deltasr/weights/NAME.safetensors, NAME.recipe.json and NAME.metrics.jsonl, and prints what the model card
NAME.md states of them: parameters, images seen, seconds, SHA-256. With --half weights are rounded to 16
bits, which halves the file; they are computed with in 32 bits all the same. --fidelity is what a model with a dial
gives from then on where nothing else is asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from pathlib import Path

from deltasr.errors import DeltasrError
from deltasr.inference.conditions import require_fidelity
from deltasr.models import checkpoint
from deltasr.models.catalogue import bundled_file


def main(run: Path, name: str, *, half: bool, fidelity: float | None) -> None:
    """Bundle the averaged weights of a run under a name.

    Raises:
        CheckpointError: the run has no weights that can be read, or they cannot be written.
        SettingError: there is a fidelity, and it is out of range or the model has no dial.
    """
    source = run / "model.safetensors"
    header = checkpoint.read_header(source)
    model = checkpoint.load(source)
    model.name = name
    if fidelity is not None:
        require_fidelity(model, fidelity)
        model.default_fidelity = fidelity
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
    parser.add_argument("--fidelity", type=float)
    arguments = parser.parse_args()
    try:
        main(arguments.run, arguments.name, half=arguments.half, fidelity=arguments.fidelity)
    except DeltasrError as error:
        sys.exit(f"bundle: {error}")
