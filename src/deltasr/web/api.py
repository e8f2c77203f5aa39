"""The HTTP API: a picture in, a larger one out."""

from __future__ import annotations

import json
from concurrent.futures import Future
from functools import partial

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from deltasr import __version__
from deltasr.web import work
from deltasr.web.archive import zipped
from deltasr.web.layers import as_header
from deltasr.web.names import attachment
from deltasr.web.openapi import description
from deltasr.web.options import read_options
from deltasr.web.receiving import receive_file
from deltasr.web.state import result_of, state_of

MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
}


ERROR_LEVELS = "Deltasr-Error-Levels"
"""The header that says how wrong the pixels of a result may be."""


async def upscale(request: Request) -> Response:
    """`POST /v1/upscale`: the bytes that `deltasr upscale` writes for the same file and options."""
    state = state_of(request)
    owner = f"address {request.client.host}" if request.client else "address unknown"
    options = await run_in_threadpool(
        read_options, request.query_params.multi_items(), state.models, max_pixels=state.limits.pixels
    )
    state.queue.require_place(owner)
    content, name = await receive_file(request, state.storage, state.storage.space)
    try:
        await run_in_threadpool(work.require_picture_file, content.path)
        job = state.queue.submit(
            partial(
                work.upscale,
                content=content,
                name=name,
                options=options,
                models=state.models,
                storage=state.storage,
                space=state.storage.space,
                max_result_pixels=state.limits.result_pixels,
                viewed=False,
            ),
            owner=owner,
        )
    except BaseException:
        content.delete()
        raise
    job.future.add_done_callback(lambda _: content.delete())
    try:
        output: work.Output = await result_of(job, request)
    except BaseException:
        job.future.add_done_callback(_delete_result)
        raise
    return result_response(output, background=BackgroundTask(output.delete))


def result_response(output: work.Output, *, background: BackgroundTask | None = None) -> Response:
    """A result's file; with its maps, if there are any, in an archive."""
    headers = _result_headers(output)
    if output.maps:
        return StreamingResponse(
            zipped(output.files), media_type="application/zip", headers=headers, background=background
        )
    return FileResponse(output.file.path, media_type=MEDIA_TYPES[output.format], headers=headers, background=background)


def _result_headers(output: work.Output) -> dict[str, str]:
    headers = {
        "Content-Disposition": attachment(output.archive_name if output.maps else output.name),
        "Deltasr-Model": output.model,
        "Deltasr-Width": str(output.width),
        "Deltasr-Height": str(output.height),
        "Deltasr-Seconds": f"{output.seconds:.2f}",
    }
    if output.fidelity is not None:
        headers["Deltasr-Fidelity"] = f"{output.fidelity:g}"
    if output.restoration is not None:
        headers["Deltasr-Restoration"] = f"{output.restoration:g}"
    if output.levels is not None:
        headers[ERROR_LEVELS] = as_header(output.levels)
    if output.notes:
        headers["Deltasr-Notes"] = json.dumps(output.notes)
    return headers


async def models(request: Request) -> Response:
    """`GET /v1/models`: the models that the server offers."""
    return JSONResponse({"models": await run_in_threadpool(state_of(request).models.listed)})


async def health(request: Request) -> Response:
    """`GET /healthz`: whether the server and its worker are running."""
    queue = state_of(request).queue
    alive = queue.alive
    body = {"status": "ok" if alive else "failing", "waiting": len(queue), "version": __version__}
    return JSONResponse(body, status_code=200 if alive else 503)


async def openapi(request: Request) -> Response:
    """`GET /openapi.json`: the description of this API."""
    return JSONResponse(description(state_of(request).limits))


def _delete_result(future: Future[work.Output]) -> None:
    """Remove a result that came after its client had gone."""
    if future.exception() is None:
        future.result().delete()


ROUTES = [
    Route("/v1/upscale", upscale, methods=["POST"]),
    Route("/v1/models", models, methods=["GET"]),
    Route("/healthz", health, methods=["GET"]),
    Route("/openapi.json", openapi, methods=["GET"]),
]
