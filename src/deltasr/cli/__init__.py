"""The command line: one command per file. A command imports what it needs when it is called, so help is fast."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cyclopts import App

from deltasr import __version__, environment, interruption
from deltasr.cli.degrade import degrade_command
from deltasr.cli.engines import engines_command
from deltasr.cli.evaluate import evaluate_command
from deltasr.cli.experiment import experiment_command
from deltasr.cli.export import export_command
from deltasr.cli.graphics import graphics_command
from deltasr.cli.import_ import import_command
from deltasr.cli.messages import complain, unfailing_streams
from deltasr.cli.models import info_command, models_command
from deltasr.cli.steps import steps_command
from deltasr.cli.train import train_command
from deltasr.cli.upscale import upscale_command
from deltasr.cli.web import web_command
from deltasr.errors import DeltasrError

_INTERRUPTED = 130

app = App(
    name="deltasr",
    help="Make small pictures larger; measure and train the models that do it.",
    version=__version__,
    suppress_keyboard_interrupt=False,
)
app.command(upscale_command, name="upscale")
app.command(models_command, name="models")
app.command(info_command, name="info")
app.command(steps_command, name="steps")
app.command(evaluate_command, name="evaluate")
app.command(train_command, name="train")
app.command(engines_command, name="engines")
app.command(export_command, name="export")
app.command(import_command, name="import")
app.command(degrade_command, name="degrade")
app.command(graphics_command, name="graphics")
app.command(experiment_command, name="experiment")
app.command(web_command, name="web")
app.register_install_completion_command()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: with status 0 on success, 1 if something failed, 130 after Ctrl-C.

    If messages cannot be printed, the status is 1 too, but all work is done first.

    Args:
        arguments: of the command line; None for the process's own. In that case the process ends immediately after
            Ctrl-C, since Python's regular exit takes half a second or more with torch loaded.
    """
    environment.let_threads_sleep()
    if arguments is None:
        interruption.listen()
    with unfailing_streams() as (output, errors):
        status = _status(arguments)
        output.flush()
        if output.failure is not None:
            complain(_unprinted(output.failure))
        errors.flush()
        for stream in (output, errors):
            if stream.failure is not None:
                status = status or 1
                stream.abandon()
    if status == _INTERRUPTED and arguments is None:
        os._exit(_INTERRUPTED)
    raise SystemExit(status)


def _status(arguments: Sequence[str] | None) -> int:
    """Run a command, print an error as one sentence, and return the exit status."""
    try:
        status = app(arguments, result_action="return_value")
    except DeltasrError as error:
        complain(str(error))
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        complain("this command, or an option of it, needs PyTorch, which is not installed: pip install torch")
        return 1
    except SystemExit as refused:  # by cyclopts, for wrong arguments
        return refused.code if isinstance(refused.code, int) else int(refused.code is not None)
    except BaseException as error:
        if not _came_from_ctrl_c(error):
            raise
        complain("interrupted")
        return _INTERRUPTED
    return status if isinstance(status, int) else 0


def _came_from_ctrl_c(error: BaseException | None) -> bool:
    """Whether Ctrl-C is the cause of an exception, also where another one replaced it, as while modules are loaded."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _unprinted(failure: OSError) -> str:
    if isinstance(failure, BrokenPipeError):
        return "the reader of standard output closed it before the end"
    return f"standard output cannot be written ({failure.strerror}), so messages are missing; all other work was done"
