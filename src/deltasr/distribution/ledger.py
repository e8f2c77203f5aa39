"""A file with what became of each picture, by which a later run knows what is done without looking for results."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import msgspec

from deltasr.distribution.places import full_name
from deltasr.errors import OutputError, SettingError
from deltasr.planning import Job, Outcome


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one picture; a line of JSON in the file."""

    source: str
    target: str
    status: str
    size: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    reason: str = ""


class Ledger:
    """The lines of earlier runs, and a file to which those of this run are appended.

    A line that a killed run has left half written is not counted, and its picture looked for as any other.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        """Read a file, or begin one; or only read it, if there is one, and let `record` do nothing.

        Raises:
            SettingError: it is not such a file.
            OutputError: it cannot be written.
        """
        self._path = path
        self._write = write
        self._done: set[str] = set()
        whole = True
        try:
            if write:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b") if write else path.open("rb") if path.exists() else io.BytesIO()
            self._file.seek(0)
            for number, text in enumerate(self._file, start=1):
                whole = text.endswith(b"\n")
                if whole and text.strip():
                    self._take(text, number)
            if write and not whole:
                self._file.write(b"\n")
        except OSError as error:
            raise OutputError(f"The ledger {path} cannot be written: {error.strerror}.") from error

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def skipped(self, job: Job) -> Outcome | None:
        """The outcome of a job that an earlier run finished; None for others."""
        if full_name(job.target) not in self._done:
            return None
        return Outcome(source=job.source, target=job.target, status="skipped")

    def record(self, outcome: Outcome) -> None:
        """Append what became of a picture, unless an earlier run has.

        Raises:
            OutputError: it cannot be written.
        """
        target = "" if outcome.target is None else full_name(outcome.target)
        if target in self._done or not self._write:
            return
        line = Line(
            source=full_name(outcome.source),
            target=target,
            status=outcome.status,
            size=outcome.size,
            seconds=outcome.seconds,
            reason=outcome.reason,
        )
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"The ledger {self._path} cannot be written: {error.strerror}.") from error

    def _take(self, text: bytes, number: int) -> None:
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError as error:
            if number > 1:  # half a line of a killed run, ended by the next one
                return
            raise SettingError(f"{self._path} is no ledger of deltasr; name another file.") from error
        if line.status in ("done", "skipped"):
            self._done.add(line.target)
