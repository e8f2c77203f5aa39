"""The command line: one command a file, each loaded when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App

from deltasr import __version__
from deltasr.errors import DeltasrError

app = App(
    name="deltasr",
    help="Make small pictures large without inventing what was not there.",
    version=__version__,
    suppress_keyboard_interrupt=False,
)
app.command("deltasr.cli.upscale:upscale_command", name="upscale")
app.command("deltasr.cli.models:models_command", name="models")
app.command("deltasr.cli.models:info_command", name="info")
app.command("deltasr.cli.steps:steps_command", name="steps")
app.command("deltasr.cli.evaluate:evaluate_command", name="evaluate")
app.command("deltasr.cli.train:train_command", name="train")
app.command("deltasr.cli.import_:import_command", name="import")
app.command("deltasr.cli.degrade:degrade_command", name="degrade")
app.command("deltasr.cli.experiment:experiment_command", name="experiment")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 when all went well, 1 when something failed, 130 after Ctrl-C."""
    try:
        status = app(arguments, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("deltasr: what reads the output closed it before the end", file=sys.stderr)
        sys.exit(1)
    except DeltasrError as error:
        print(f"deltasr: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("deltasr: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
