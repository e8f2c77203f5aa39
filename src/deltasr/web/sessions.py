"""Sessions of the page: what one browser has uploaded and made, which no other one can reach."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deltasr.web.failures import WebError
from deltasr.web.jobs import Job, Queue
from deltasr.web.limits import Limits
from deltasr.web.storage import Space, Storage, StoredFile
from deltasr.web.work import Estimate, Output


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A picture that was uploaded, and what is known of it."""

    id: str
    name: str
    content: StoredFile
    pixels: StoredFile
    width: int
    height: int
    bits: int
    has_alpha: bool
    format: str
    icc: bytes | None
    estimate: Estimate
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What the page receives of it, as JSON values."""
        return {
            "id": self.id,
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "bits": self.bits,
            "alpha": self.has_alpha,
            "format": self.format,
            "estimate": {"strength": self.estimate.strength, "why": self.estimate.why},
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    """One upscale of an uploaded picture."""

    id: str
    upload: str
    query: str
    job: Job

    @property
    def output(self) -> Output | None:
        """The result, once there is one."""
        return self.job.future.result() if self.job.state == "done" else None

    def as_json(self, queue: Queue) -> dict[str, Any]:
        """What the page receives of it, as JSON values."""
        output = self.output
        known: dict[str, Any] = {
            "id": self.id,
            "picture": self.upload,
            "query": self.query,
            "state": self.job.state,
            "share": round(self.job.share, 4),
            "position": queue.position(self.job),
            "error": self.job.error,
        }
        if output is not None:
            known["result"] = {
                "name": output.archive_name if output.maps else output.name,
                "format": output.format,
                "width": output.width,
                "height": output.height,
                "bytes": output.size,
                "model": output.model,
                "fidelity": output.fidelity,
                "restoration": output.restoration,
                "seconds": round(output.seconds, 2),
                "notes": list(output.notes),
                "layers": list(output.layers),
                "levels": output.levels,
            }
        return known


@dataclass
class Session:
    """What one browser has uploaded and made, and what it may still take."""

    token: str
    space: Space
    seen: float
    uploads: dict[str, Upload] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    busy: int = 0
    closed: bool = False


class Sessions:
    """The sessions of a server, by their tokens.

    Args:
        limits: of the server.
        storage: for their files.
        queue: with their jobs.
        clock: seconds that only grow.
    """

    def __init__(
        self, limits: Limits, storage: Storage, queue: Queue, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits, self._storage, self._queue, self._clock = limits, storage, queue, clock
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, token: str | None) -> Session | None:
        """The session of a token, which is then in use again; None for no or an unknown token."""
        session = self._sessions.get(token or "")
        if session is not None:
            session.seen = self._clock()
        return session

    def open(self) -> Session:
        """A new session.

        Raises:
            WebError: there are too many.
        """
        with self._lock:
            if len(self._sessions) >= self._limits.sessions:
                self._drop_empty()
            if len(self._sessions) >= self._limits.sessions:
                raise WebError(
                    503, "Too many people use this page now; try again later.", headers={"Retry-After": "60"}
                )
            space = Space(
                self._limits.session_bytes, above=self._storage.space, advice="remove pictures from the list first"
            )
            session = Session(token=secrets.token_urlsafe(32), space=space, seen=self._clock())
            self._sessions[session.token] = session
            return session

    def add_upload(self, session: Session, upload: Upload) -> None:
        """Give a session a picture; where it has ended meanwhile, the picture's files go."""
        with self._lock:
            if not session.closed:
                session.uploads[upload.id] = upload
                return
        upload.content.delete()
        upload.pixels.delete()

    def add_run(self, session: Session, run: Run) -> None:
        """Give a session a job, whose files go when they come after its end."""
        with self._lock:
            session.runs[run.id] = run
        run.job.future.add_done_callback(lambda _: self._settle(session, run))

    def remove_run(self, session: Session, identifier: str) -> None:
        """End a job, and remove its result."""
        with self._lock:
            run = session.runs.pop(identifier, None)
        if run is not None:
            self._queue.cancel(run.job)
            self._settle(session, run)

    def remove_upload(self, session: Session, identifier: str) -> None:
        """Remove a picture, with its jobs and results."""
        for run in [run for run in session.runs.values() if run.upload == identifier]:
            self.remove_run(session, run.id)
        with self._lock:
            upload = session.uploads.pop(identifier, None)
        if upload is not None:
            upload.content.delete()
            upload.pixels.delete()

    def close(self, session: Session) -> None:
        """End a session, with all that belongs to it."""
        with self._lock:
            session.closed = True
            self._sessions.pop(session.token, None)
        for identifier in list(session.runs):
            self.remove_run(session, identifier)
        for identifier in list(session.uploads):
            self.remove_upload(session, identifier)

    def close_idle(self) -> None:
        """End the sessions that have not been used for a while."""
        earliest = self._clock() - self._limits.session_seconds
        for session in list(self._sessions.values()):
            if session.seen < earliest and not session.busy:
                self.close(session)

    def _drop_empty(self) -> None:
        """Make room by the oldest session that holds nothing."""
        empty = [s for s in self._sessions.values() if not (s.uploads or s.runs or s.busy)]
        if empty:
            oldest = min(empty, key=lambda session: session.seen)
            oldest.closed = True
            del self._sessions[oldest.token]

    def _settle(self, session: Session, run: Run) -> None:
        """Remove the files of a result that its session no longer holds."""
        if run.id not in session.runs and (output := run.output) is not None:
            output.delete()
