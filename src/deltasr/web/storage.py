"""Files of the server: in a private folder, under random names, and within a budget of bytes."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deltasr.web.failures import WebError

_RETRY_SECONDS = 60


class Space:
    """A budget of bytes, within another one above it.

    Args:
        limit: bytes.
        above: the budget that these bytes count for as well.
        advice: what people can do when it is used up.
    """

    _lock = threading.Lock()

    def __init__(self, limit: int, *, above: Space | None = None, advice: str = "try again later") -> None:
        self.limit = limit
        self.used = 0
        self._above = above
        self._advice = advice

    def take(self, count: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            WebError: they do not fit.
        """
        with self._lock:
            for space in self._all():
                if space.used + count > space.limit:
                    raise WebError(
                        503,
                        f"The server's room for pictures is used up; {space._advice}.",
                        headers={"Retry-After": str(_RETRY_SECONDS)},
                    )
            for space in self._all():
                space.used += count

    def give_back(self, count: int) -> None:
        """Count bytes that are gone."""
        with self._lock:
            for space in self._all():
                space.used -= count

    def _all(self) -> list[Space]:
        return [self] if self._above is None else [self, *self._above._all()]


class StoredFile:
    """One file that counts for a budget until it is deleted."""

    def __init__(self, path: Path, space: Space) -> None:
        self.path = path
        self.size = 0
        self._space = space
        self._lock = threading.Lock()
        self._deleted = False

    def reserve(self, count: int) -> None:
        """Count bytes before they are written to the file.

        Raises:
            WebError: there is no room for them.
        """
        self._space.take(count)
        self.size += count

    def settle(self) -> None:
        """Count the file's true size in place of what was reserved."""
        size = self.path.stat().st_size
        difference = size - self.size
        if difference > 0:
            self._space.take(difference)
        else:
            self._space.give_back(-difference)
        self.size = size

    def delete(self) -> None:
        """Remove it, if it is still there; who has it open can go on reading."""
        with self._lock:
            if self._deleted:
                return
            self._deleted = True
        self.path.unlink(missing_ok=True)
        self._space.give_back(self.size)


class Storage:
    """The private folder: no other user of the machine can read it, and it is removed when the server ends."""

    def __init__(self, limit: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="deltasr-web-"))
        self.space = Space(limit)

    def new_file(self, space: Space | None = None, *, suffix: str = "") -> StoredFile:
        """A file that does not exist yet, under a random name; nothing that a user said is in it."""
        return StoredFile(self.folder / f"{secrets.token_hex(16)}{suffix}", self.space if space is None else space)

    @contextmanager
    def all_or_none(self, space: Space) -> Iterator[Callable[[str], StoredFile]]:
        """Makes files of a suffix; all of them are removed again if anything is raised."""
        made: list[StoredFile] = []

        def new_file(suffix: str) -> StoredFile:
            made.append(self.new_file(space, suffix=suffix))
            return made[-1]

        try:
            yield new_file
        except BaseException:
            for file in made:
                file.delete()
            raise

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
