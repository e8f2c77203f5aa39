"""The command line: one command a file. These are light; what a command runs is loaded when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from cyclopts import App

from deltasr import __version__, environment, interruption
from deltasr.cli.degrade import degrade_command
from deltasr.cli.evaluate import evaluate_command
from deltasr.cli.experiment import experiment_command
from deltasr.cli.graphics import graphics_command
from deltasr.cli.import_ import import_command
from deltasr.cli.models import info_command, models_command
from deltasr.cli.steps import steps_command
from deltasr.cli.train import train_command
from deltasr.cli.upscale import upscale_command
from deltasr.errors import DeltasrError

app = App(
    name="deltasr",
    help="Make small pictures large without inventing what was not there.",
    version=__version__,
    suppress_keyboard_interrupt=False,
)
app.command(upscale_command, name="upscale")
app.command(models_command, name="models")
app.command(info_command, name="info")
app.command(steps_command, name="steps")
app.command(evaluate_command, name="evaluate")
app.command(train_command, name="train")
app.command(import_command, name="import")
app.command(degrade_command, name="degrade")
app.command(graphics_command, name="graphics")
app.command(experiment_command, name="experiment")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 when all went well, 1 when something failed, 130 after Ctrl-C.

    Without `arguments` they are the process's own, which after Ctrl-C ends at once: the interpreter would spend half a
    second of processor time, several beside other work, on taking apart what torch has loaded.
    """
    environment.let_threads_sleep()
    if arguments is None:
        interruption.listen()
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
    except BaseException as error:
        if not _came_from_ctrl_c(error):
            raise
    else:
        sys.exit(status if isinstance(status, int) else 0)
    print("deltasr: interrupted", file=sys.stderr)
    if arguments is None:
        _end_at_once(130)
    sys.exit(130)


def _came_from_ctrl_c(error: BaseException | None) -> bool:
    """Whether an exception is Ctrl-C's, or another that it turned into, as it does while modules are loaded."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _end_at_once(status: int) -> NoReturn:
    """End the process without taking apart what is loaded; what was printed is out."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
