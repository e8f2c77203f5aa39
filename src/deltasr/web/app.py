"""The server as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from deltasr.errors import DeltasrError
from deltasr.web import api, page
from deltasr.web.failures import WebError, as_web_error
from deltasr.web.guard import Guard, error_response
from deltasr.web.jobs import Queue
from deltasr.web.limits import Limits
from deltasr.web.models import Models
from deltasr.web.sessions import Sessions
from deltasr.web.state import State
from deltasr.web.storage import Storage

_DECODED_AT_ONCE = 2
_LONGEST_BETWEEN_LOOKS = 30.0
_SENTENCES = {
    404: "There is no such address; /api lists those of the API.",
    405: "This address does not take this method; /api lists those of the API.",
}


def create_app(
    models: Models,
    *,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
    password: str | None = None,
    warm: bool = False,
) -> Starlette:
    """The page and the API.

    Args:
        models: that it offers.
        limits: of what users may take.
        hosts: names of the server, besides its addresses and localhost.
        password: that everybody has to give; None for none.
        warm: whether the default model is loaded at once, rather than with the first picture.
    """
    limits = limits or Limits()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        storage = Storage(limits.disk_bytes)
        queue = Queue(waiting=limits.waiting, waiting_per_owner=limits.waiting_per_user, seconds=limits.job_seconds)
        sessions = Sessions(limits, storage, queue)
        app.state.parts = State(
            limits=limits,
            models=models,
            storage=storage,
            queue=queue,
            sessions=sessions,
            decoding=asyncio.Semaphore(_DECODED_AT_ONCE),
        )
        if warm:
            queue.submit_urgent(lambda _: models.upscaler(models.default), owner="server")
        tidying = asyncio.create_task(_tidy(sessions, limits))
        try:
            yield
        finally:
            tidying.cancel()
            queue.close()
            storage.close()

    return Starlette(
        routes=[*api.ROUTES, *page.ROUTES],
        lifespan=lifespan,
        middleware=[Middleware(Guard, limits=limits, hosts=hosts, password=password)],
        exception_handlers={
            DeltasrError: _on_error,
            MemoryError: _on_error,
            HTTPException: _on_http_error,
            Exception: _on_error,
        },
    )


async def _tidy(sessions: Sessions, limits: Limits) -> None:
    """Remove unused sessions at intervals."""
    while True:
        await asyncio.sleep(min(limits.session_seconds / 4, _LONGEST_BETWEEN_LOOKS))
        await run_in_threadpool(sessions.close_idle)


async def _on_error(request: Request, error: Exception) -> Response:
    return error_response(as_web_error(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = _SENTENCES.get(error.status_code, error.detail)
    return error_response(WebError(error.status_code, sentence, headers=dict(error.headers or {})))
