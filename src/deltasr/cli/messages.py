"""What commands print: text without control characters, and progress bars; it is no error if it cannot be printed."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from deltasr.evaluation.benchmark import Measurement
    from deltasr.planning import Job, Outcome


def plain(text: str) -> str:
    """A text for one line of a terminal, with control characters and line ends escaped, such as `\\x1b`."""
    return "".join(_escaped(character) if unicodedata.category(character) == "Cc" else character for character in text)


def complain(text: str) -> None:
    """Print an error message on standard error."""
    print(f"deltasr: {plain(text)}", file=sys.stderr, flush=True)


def tell(outcome: Outcome, *, detail: str = "", to_errors: bool = False) -> None:
    """Print the outcome of one input, and its notes; on standard error if it failed.

    Args:
        outcome: of the input.
        detail: printed after the result's size.
        to_errors: print on standard error in any case, since standard output is a picture.
    """
    if outcome.status == "failed":
        complain(outcome.reason)
        return
    stream = sys.stderr if to_errors else sys.stdout
    if outcome.status == "skipped":
        print(plain(f"{outcome.source}: skipped, {outcome.target} already exists"), file=stream, flush=True)
        return
    height, width = outcome.size
    seconds = f"{outcome.seconds:.1f} s" if outcome.seconds else ""
    facts = ", ".join(filter(None, (f"{width}x{height}", detail, seconds)))
    print(plain(f"{outcome.source} -> {outcome.target} ({facts})"), file=stream, flush=True)
    for note in outcome.notes:
        print(plain(f"  note: {note}"), file=stream)


class Unfailing:
    """A text stream whose writes never fail.

    Attributes:
        failure: the first error of the underlying stream, to which nothing is written afterwards.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        if self.failure is None:
            try:
                self._stream.write(self._encodable(text))
            except OSError as error:
                self.failure = error
        return len(text)

    def flush(self) -> None:
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.failure = error

    def abandon(self) -> None:
        """Discard what is in the stream's buffer, which Python would otherwise fail to write when it exits."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _encodable(self, text: str) -> str:
        """The text with characters escaped that the stream's encoding lacks, such as invalid bytes in file names."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def unfailing_streams() -> Iterator[tuple[Unfailing, Unfailing]]:
    """Replace standard output and error with streams whose writes never fail."""
    with ExitStack() as stack:
        found = []
        for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            # Python sets them to None if the process was started without them.
            behind = stack.enter_context(Path(os.devnull).open("w")) if stream is None else stream
            found.append(Unfailing(behind))
            stack.enter_context(redirect(cast(TextIO, found[-1])))
        yield found[0], found[1]


@contextmanager
def file_bars(files: int) -> Iterator[tuple[Callable[[Job, float], None], Callable[[Outcome], None]]]:
    """Two progress bars on a terminal's standard error, of the present file and of all files; nothing elsewhere.

    Args:
        files: how many.

    Yields:
        What is called, by any thread, with a job and the share of it that is finished, and what is called with the
        outcome of each file.
    """
    if not sys.stderr.isatty():
        yield lambda job, share: None, lambda outcome: None
        return
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
        begun: dict[Path, float] = {}

        def advance(job: Job, share: float) -> None:
            begun[job.source] = share
            bars.update(current, description=plain(job.source.name), completed=share)
            bars.update(whole, completed=finished + sum(list(begun.values())))

        def next_file(outcome: Outcome) -> None:
            nonlocal finished
            finished += 1
            begun.pop(outcome.source, None)
            bars.update(whole, completed=finished + sum(list(begun.values())))
            bars.reset(current)

        yield advance, next_file


@contextmanager
def measurement_bar(total: int) -> Iterator[Callable[[Measurement], None]]:
    """A progress bar on a terminal's standard error; nothing elsewhere.

    Args:
        total: how many.

    Yields:
        What is called with each measurement.
    """
    if not sys.stderr.isatty():
        yield lambda measurement: None
        return
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


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
