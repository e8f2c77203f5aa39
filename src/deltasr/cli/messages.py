"""What commands print: plain text, whatever a file says of itself, and never at the cost of a result."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from deltasr.planning import Outcome


def plain(text: str) -> str:
    """A text for one line of a terminal: control characters, line ends among them, as `\\x1b` shows them."""
    return "".join(_escaped(character) if unicodedata.category(character) == "Cc" else character for character in text)


def complain(text: str) -> None:
    """Print a sentence on standard error: what went wrong, and with what."""
    print(f"deltasr: {plain(text)}", file=sys.stderr, flush=True)


def tell(outcome: Outcome, *, detail: str = "", to_errors: bool = False) -> None:
    """Print what became of one input, and its notes; on standard error if it failed, or if asked to.

    Args:
        outcome: of the input.
        detail: what else to say of a result, after its size.
        to_errors: for commands whose standard output holds a picture.
    """
    if outcome.status == "failed":
        complain(outcome.reason)
        return
    stream = sys.stderr if to_errors else sys.stdout
    if outcome.status == "skipped":
        print(plain(f"{outcome.source}: skipped, {outcome.target} is there already"), file=stream, flush=True)
        return
    height, width = outcome.size
    seconds = f"{outcome.seconds:.1f} s" if outcome.seconds else ""
    facts = ", ".join(filter(None, (f"{width}x{height}", detail, seconds)))
    print(plain(f"{outcome.source} -> {outcome.target} ({facts})"), file=stream, flush=True)
    for note in outcome.notes:
        print(plain(f"  note: {note}"), file=stream)


class Unfailing:
    """A text stream that takes everything, whether or not it arrives.

    Attributes:
        failure: the first error of the stream behind it, which is left alone from then on.
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
        """Let what is still in the stream's buffer go nowhere, so that Python does not fail on it at its end."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _encodable(self, text: str) -> str:
        """The text with what the stream's encoding lacks, such as the odd bytes of a file's name, in escapes."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def unfailing_streams() -> Iterator[tuple[Unfailing, Unfailing]]:
    """Standard output and error that take everything, in place of the process's own."""
    with ExitStack() as stack:
        found = []
        for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            # Python has None in their place where the process was started without them.
            behind = stack.enter_context(Path(os.devnull).open("w")) if stream is None else stream
            found.append(Unfailing(behind))
            stack.enter_context(redirect(cast(TextIO, found[-1])))
        yield found[0], found[1]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
