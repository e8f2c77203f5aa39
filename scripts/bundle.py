"""Put the weights of a training run into the package, and its recipe and log into the repository.

python scripts/bundle.py RUN NAME [--after EARLIER ...] [--half] [--fidelity F]

writes src/deltasr/weights/NAME.safetensors, and recipe.json and metrics.jsonl of the run to the folder
training-logs/NAME. It prints what the model card NAME.md states: parameters, images seen, seconds, SHA-256, and the
folders of the logs.

--after names the runs whose weights this run began from (--init), the first one first. Their logs go to
training-logs/NAME/stage-1 and so on, and the file's header counts the images and seconds of all runs. A log that is in
training-logs/shared already, where those are that several models have in common, is not written again.

--half rounds the weights to 16 bits, which halves the file; computations are in 32 bits all the same. --fidelity sets
the default of a model's fidelity dial. Afterwards, scripts/train_map.py makes the error map of a model that has one,
and then python scripts/export_bundled.py NAME the ONNX files of both.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from deltasr.errors import CheckpointError, DeltasrError, reason
from deltasr.files import sha256_of, write_whole
from deltasr.inference.conditions import require_fidelity
from deltasr.models import checkpoint
from deltasr.models.catalogue import bundled_file

LOGS = Path(__file__).resolve().parent.parent / "training-logs"
"""Recipes and logs of the bundled weights, which are not part of the package."""

_LOG = ("recipe.json", "metrics.jsonl")

Log = dict[str, bytes]
"""The files of `_LOG` by name."""


def main(run: Path, name: str, *, earlier: list[Path], half: bool, fidelity: float | None) -> None:
    """Bundle the averaged weights of a run under a name, and keep its log.

    Raises:
        CheckpointError: a run has no weights or no log that can be read, or the weights cannot be written.
        SettingError: there is a fidelity, and it is out of range or the model has no dial.
        OutputError: a log cannot be written.
    """
    runs = [*earlier, run]
    headers = [checkpoint.read_header(folder / "model.safetensors") for folder in runs]
    logs = [_read_log(folder) for folder in runs]
    model = checkpoint.load(run / "model.safetensors")
    model.name = name
    if fidelity is not None:
        require_fidelity(model, fidelity)
        model.default_fidelity = fidelity
    target = bundled_file(name, ".safetensors")
    state = {key: weight.half() if half else weight for key, weight in model.state_dict().items()}
    totals = {key: sum(header.training[key] for header in headers) for key in ("images", "seconds")}
    checkpoint.save(model, target, state=state, training={**headers[-1].training, **totals})
    folders = keep_logs(logs, name)
    print(f"{target.name}: {sum(weight.numel() for weight in model.parameters()):,} parameters")
    for folder, header, kept in zip(runs, headers, folders, strict=True):
        facts = f"images {header.training['images']:,}, seconds {header.training['seconds']:,}"
        print(f"{folder.name}: {facts}, log in {kept.relative_to(LOGS.parent)}")
    print(f"in all: images {totals['images']:,}, seconds {totals['seconds']:,.1f}")
    print(f"SHA-256 {sha256_of(target)}")


def keep_logs(logs: Sequence[Log], name: str) -> list[Path]:
    """Write the logs of a chain of runs, the last run's last, in place of those that the name had; their folders."""
    shutil.rmtree(LOGS / name, ignore_errors=True)
    shared = sorted((LOGS / "shared").glob("*/"))
    folders = []
    for stage, log in enumerate(logs, start=1):
        own = LOGS / name if stage == len(logs) else LOGS / name / f"stage-{stage}"
        folder = next((other for other in shared if _read_log(other) == log), own)
        if folder == own:
            for file, content in log.items():
                write_whole(folder / file, content, what="The log")
        folders.append(folder)
    return folders


def _read_log(run: Path) -> Log:
    """The recipe and the metrics of a run.

    Raises:
        CheckpointError: one of them cannot be read.
    """
    try:
        return {file: (run / file).read_bytes() for file in _LOG}
    except OSError as error:
        raise CheckpointError(
            f"The log of the run {run} cannot be read: {reason(error)}; give the folder of a training run."
        ) from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("name", help="the model's name in the catalogue")
    parser.add_argument("--after", type=Path, nargs="+", default=[], metavar="EARLIER", help="the runs before it")
    parser.add_argument("--half", action="store_true", help="round the weights to 16 bits")
    parser.add_argument("--fidelity", type=float, help="default of the fidelity dial")
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
