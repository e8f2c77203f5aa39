"""What the routes share: the parts of one server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from deltasr.web.failures import CancelledError
from deltasr.web.jobs import Job, Queue
from deltasr.web.limits import Limits
from deltasr.web.models import Models
from deltasr.web.sessions import Sessions
from deltasr.web.storage import Storage

_LOOK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class State:
    """The parts of one server."""

    limits: Limits
    models: Models
    storage: Storage
    queue: Queue
    sessions: Sessions
    decoding: asyncio.Semaphore
    """Of the uploads that are decoded at once, which bounds their memory."""


def state_of(request: Request) -> State:
    """The parts of the server that a request came to."""
    found: State = request.app.state.parts
    return found


async def result_of(job: Job, request: Request) -> Any:
    """Wait for a job. It is cancelled if the client disconnects.

    Raises:
        WebError: it failed, or the client has gone.
    """
    queue, future = state_of(request).queue, asyncio.wrap_future(job.future)
    try:
        while not (await asyncio.wait({future}, timeout=_LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                raise CancelledError
        return future.result()
    finally:
        if not future.done():
            future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            queue.cancel(job)
