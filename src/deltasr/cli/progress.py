"""Progress bars on a terminal's standard error; elsewhere nothing is shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deltasr.cli.messages import plain

if TYPE_CHECKING:
    from deltasr.evaluation.benchmark import Measurement
    from deltasr.planning import Job


@contextmanager
def file_bars(files: int) -> Iterator[tuple[Callable[[Job, float], None], Callable[[], None]]]:
    """Two bars: one of the present file, one of all files.

    Args:
        files: how many.

    Yields:
        What is called with a job and the share of it that is finished, and what is called after each file.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    ) as bars:
        whole = bars.add_task(f"{files} files", total=files, visible=files > 1)
        current = bars.add_task("", total=1.0)
        finished = 0

        def advance(job: Job, share: float) -> None:
            bars.update(current, description=plain(job.source.name), completed=share)
            bars.update(whole, completed=finished + share)

        def next_file() -> None:
            nonlocal finished
            finished += 1
            bars.update(whole, completed=finished)
            bars.reset(current)

        yield advance, next_file


@contextmanager
def measurement_bar(total: int) -> Iterator[Callable[[Measurement], None]]:
    """One bar of all measurements.

    Args:
        total: how many.

    Yields:
        What is called with each measurement.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=total)

        def advance(measurement: Measurement) -> None:
            description = f"{measurement.model} on {measurement.dataset}"
            progress.update(task, advance=1, description=description)

        yield advance
