"""Put the weights of a training run into the package, with their recipe and log beside them.

python scripts/bundle.py RUN NAME [--after EARLIER ...] [--half] [--fidelity F]

writes src/deltasr/weights/NAME.safetensors, NAME.recipe.json and NAME.metrics.jsonl, and prints what the model card
NAME.md states of them: parameters, images seen, seconds, SHA-256. Where a run began with another one's weights
(--init), --after names the earlier ones, the first of them first: their recipes and logs become NAME.stage-1.* and
so on, and the file's header counts the images and seconds of all. With --half weights are rounded to 16 bits, which
halves the file; they are computed with in 32 bits all the same. --fidelity is what a model with a dial gives from then
on where nothing else is asked for.
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

_COPIED = (".recipe.json", ".metrics.jsonl")


def main(run: Path, name: str, *, earlier: list[Path], half: bool, fidelity: float | None) -> None:
    """Bundle the averaged weights of a run under a name.

    Raises:
        CheckpointError: a run has no weights that can be read, or they cannot be written.
        SettingError: there is a fidelity, and it is out of range or the model has no dial.
    """
    runs = [*earlier, run]
    headers = [checkpoint.read_header(folder / "model.safetensors") for folder in runs]
    model = checkpoint.load(run / "model.safetensors")
    model.name = name
    if fidelity is not None:
        require_fidelity(model, fidelity)
        model.default_fidelity = fidelity
    target = bundled_file(name, ".safetensors")
    state = {key: weight.half() if half else weight for key, weight in model.state_dict().items()}
    totals = {key: sum(header.training[key] for header in headers) for key in ("images", "seconds")}
    checkpoint.save(model, target, state=state, training={**headers[-1].training, **totals})
    for stale in target.parent.glob(f"{name}.stage-*"):
        stale.unlink()
    for number, folder in enumerate(runs, start=1):
        stage = "" if folder == run else f".stage-{number}"
        for suffix in _COPIED:
            shutil.copyfile(folder / suffix[1:], bundled_file(name, f"{stage}{suffix}"))
    print(f"{target.name}: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    for folder, header in zip(runs, headers, strict=True):
        print(f"{folder.name}: images {header.training['images']:,}, seconds {header.training['seconds']:,}")
    print(f"in all: images {totals['images']:,}, seconds {totals['seconds']:,.1f}")
    print(f"SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--after", type=Path, nargs="+", default=[], metavar="EARLIER")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--fidelity", type=float)
    arguments = parser.parse_args()
    try:
        main(
            arguments.run,
            arguments.name,
            earlier=arguments.after,
            half=arguments.half,
            fidelity=arguments.fidelity,
        )
    except DeltasrError as error:
        sys.exit(f"bundle: {error}")
