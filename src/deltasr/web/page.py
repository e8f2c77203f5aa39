"""The page's own routes: uploads, views, previews, jobs and downloads of one session."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import resources
from pathlib import PurePath

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from deltasr.imaging.formats import FORMATS
from deltasr.web import views, work
from deltasr.web.api import ERROR_LEVELS, result_response
from deltasr.web.archive import zipped
from deltasr.web.failures import WebError
from deltasr.web.layers import Layer, as_header, read_layer
from deltasr.web.names import attachment, unique
from deltasr.web.options import read_options
from deltasr.web.receiving import receive_file
from deltasr.web.sessions import Run, Session, Upload
from deltasr.web.state import State, result_of, state_of
from deltasr.web.storage import StoredFile

_BOX = ("left", "top", "right", "bottom")
_FILES = resources.files("deltasr.web") / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATIC = {file.name: _TYPES[suffix] for file in _FILES.iterdir() if (suffix := PurePath(file.name).suffix) in _TYPES}
"""The page's parts, with their types."""


async def index(request: Request) -> Response:
    """`GET /`: the page, and a session for the browser that has none."""
    state, name = state_of(request), _cookie_name(request)
    response = Response(_static("page.html"), media_type="text/html")
    if state.sessions.find(request.cookies.get(name)) is None:
        session = state.sessions.open()
        response.set_cookie(
            name, session.token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
        )
    return response


async def api_page(request: Request) -> Response:
    """`GET /api`: the description of the API for people."""
    return Response(_static("api.html"), media_type="text/html")


async def static(request: Request) -> Response:
    """`GET /static/NAME`: the page's parts."""
    name = request.path_params["name"]
    if name not in _STATIC:
        raise WebError(404, "There is nothing here.")
    return Response(_static(name), media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})


async def settings(request: Request) -> Response:
    """`GET /page/settings`: the models, formats and limits of this server."""
    state = state_of(request)
    return JSONResponse(
        {
            "models": await run_in_threadpool(state.models.listed),
            "formats": list(FORMATS),
            "limits": {
                "upload_bytes": state.limits.upload_bytes,
                "pixels": state.limits.pixels,
                "result_pixels": state.limits.result_pixels,
                "preview_pixels": state.limits.preview_pixels,
            },
        }
    )


async def contents(request: Request) -> Response:
    """`GET /page/session`: the pictures and jobs of this browser."""
    state, session = state_of(request), _session(request)
    return JSONResponse(
        {
            "pictures": [upload.as_json() for upload in list(session.uploads.values())],
            "jobs": [run.as_json(state.queue) for run in list(session.runs.values())],
        }
    )


async def upload(request: Request) -> Response:
    """`POST /page/pictures`: take a picture."""
    state, session = state_of(request), _session(request)
    with _busy(session):
        content, name = await receive_file(request, state.storage, session.space)
        pixels = state.storage.new_file(session.space)
        try:
            async with state.decoding:
                taken = await run_in_threadpool(_decoded, content, pixels, name, state)
        except BaseException:
            content.delete()
            pixels.delete()
            raise
        state.sessions.add_upload(session, taken)
    return JSONResponse(taken.as_json(), status_code=201)


async def remove_upload(request: Request) -> Response:
    """`DELETE /page/pictures/ID`: remove a picture, with its jobs and results."""
    session = _session(request)
    found = _upload(request, session)
    await run_in_threadpool(state_of(request).sessions.remove_upload, session, found.id)
    return Response(status_code=204)


async def before(request: Request) -> Response:
    """`GET /page/pictures/ID/before`: a part of a picture, enlarged by bicubic interpolation."""
    found = _upload(request, _session(request))
    return await _view(request, found.pixels, found.icc)


async def after(request: Request) -> Response:
    """`GET /page/jobs/ID/after`: a part of a result, or of a layer over it."""
    output, layer = _output(request, _session(request)), _layer(request)
    if layer is None:
        assert output.pixels is not None, "the page's results are kept for views"
        return await _view(request, output.pixels, output.icc)
    if layer not in output.layers:
        raise WebError(404, "This result was made without this map.")
    return await _view(request, output.layers[layer], None if layer == "error" else output.icc)


async def preview(request: Request) -> Response:
    """`GET /page/pictures/ID/preview`: a part of what the result, or a layer over it, would be, before all else."""
    state, session = state_of(request), _session(request)
    found, box, layer = _upload(request, session), _box(request), _layer(request)
    options = await run_in_threadpool(
        read_options,
        request.query_params.multi_items(),
        state.models,
        max_pixels=state.limits.pixels,
        besides=frozenset((*_BOX, "layer")),
    )
    if layer == "error":
        state.models.require_error_map(options.model)
    job = state.queue.submit_urgent(
        partial(
            work.preview,
            pixels=found.pixels.path,
            has_alpha=found.has_alpha,
            icc=found.icc,
            box=box,
            options=options,
            estimate=found.estimate,
            models=state.models,
            max_pixels=state.limits.preview_pixels,
            layer=layer,
        ),
        owner=session.token,
    )
    made: work.Preview = await result_of(job, request)
    headers = {} if made.levels is None else {ERROR_LEVELS: as_header(made.levels)}
    return Response(made.content, media_type="image/png", headers=headers)


async def start(request: Request) -> Response:
    """`POST /page/jobs?picture=ID`: queue a picture."""
    state, session = state_of(request), _session(request)
    found = session.uploads.get(request.query_params.get("picture", ""))
    if found is None:
        raise WebError(404, "This picture is no longer here; add it again.")
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "picture"]
    options = await run_in_threadpool(read_options, query, state.models, max_pixels=state.limits.pixels)
    job = state.queue.submit(
        partial(
            work.upscale,
            content=found.content,
            name=found.name,
            options=options,
            models=state.models,
            storage=state.storage,
            space=session.space,
            max_result_pixels=state.limits.result_pixels,
            viewed=True,
        ),
        owner=session.token,
    )
    run = Run(
        id=secrets.token_urlsafe(12),
        upload=found.id,
        query="&".join(f"{name}={value}" for name, value in query),
        job=job,
    )
    state.sessions.add_run(session, run)
    return JSONResponse(run.as_json(state.queue), status_code=202)


async def remove_run(request: Request) -> Response:
    """`DELETE /page/jobs/ID`: cancel a job, or remove its result."""
    session = _session(request)
    run = _run(request, session)
    await run_in_threadpool(state_of(request).sessions.remove_run, session, run.id)
    return Response(status_code=204)


async def download(request: Request) -> Response:
    """`GET /page/jobs/ID/file`: the result as `deltasr upscale` writes it, in an archive with its maps."""
    return result_response(_output(request, _session(request)))


async def download_all(request: Request) -> Response:
    """`GET /page/results.zip?job=ID&job=ID`: results in one archive, packed while it is sent."""
    session = _session(request)
    runs = [session.runs.get(identifier) for identifier in request.query_params.getlist("job")]
    outputs = [run.output for run in runs if run is not None]
    finished = [output for output in outputs if output is not None]
    if not finished:
        raise WebError(404, "None of these results is here; upscale the pictures first.")
    names, paths = zip(*(file for output in finished for file in output.files), strict=True)
    return StreamingResponse(
        zipped(list(zip(unique(list(names)), paths, strict=True))),
        media_type="application/zip",
        headers={"Content-Disposition": attachment("deltasr.zip")},
    )


def _decoded(content: StoredFile, pixels: StoredFile, name: str, state: State) -> Upload:
    picture, kind = work.read(content.path, name, max_pixels=state.limits.pixels)
    views.keep(picture, pixels)
    return Upload(
        id=secrets.token_urlsafe(12),
        name=name,
        content=content,
        pixels=pixels,
        width=picture.width,
        height=picture.height,
        bits=picture.bits,
        has_alpha=picture.alpha is not None,
        format=kind,
        icc=picture.metadata.icc,
        estimate=work.estimate(picture),
        notes=picture.notes,
    )


async def _view(request: Request, pixels: StoredFile, icc: bytes | None) -> Response:
    box, size = _box(request), (_whole(request, "width"), _whole(request, "height"))

    def made() -> bytes:
        return views.part(views.kept(pixels.path), box, size, icc=icc)

    async with state_of(request).decoding:
        return Response(await run_in_threadpool(made), media_type="image/png")


def _session(request: Request) -> Session:
    session = state_of(request).sessions.find(request.cookies.get(_cookie_name(request)))
    if session is None:
        raise WebError(403, "This session has ended; reload the page.")
    return session


def _upload(request: Request, session: Session) -> Upload:
    found = session.uploads.get(request.path_params["id"])
    if found is None:
        raise WebError(404, "This picture is no longer here; add it again.")
    return found


def _run(request: Request, session: Session) -> Run:
    found = session.runs.get(request.path_params["id"])
    if found is None:
        raise WebError(404, "This job is no longer here.")
    return found


def _output(request: Request, session: Session) -> work.Output:
    output = _run(request, session).output
    if output is None:
        raise WebError(409, "This job has no result yet.")
    return output


def _box(request: Request) -> views.Box:
    try:
        left, top, right, bottom = (float(request.query_params[name]) for name in _BOX)
    except (KeyError, ValueError) as error:
        raise WebError(400, f"Give the part of the picture as numbers: {', '.join(_BOX)}.") from error
    if not all(abs(value) < 1e9 for value in (left, top, right, bottom)):
        raise WebError(400, "This part lies outside of the picture.")
    return views.Box(left=left, top=top, right=right, bottom=bottom)


def _layer(request: Request) -> Layer | None:
    return read_layer(request.query_params.get("layer", ""))


def _whole(request: Request, name: str) -> int:
    try:
        return int(request.query_params[name])
    except (KeyError, ValueError) as error:
        raise WebError(400, f"Give the {name} of the view as a whole number.") from error


def _cookie_name(request: Request) -> str:
    """Cookies are shared by all ports of a machine, so the port is in the name."""
    return f"deltasr-{request.url.port or 0}"


@contextmanager
def _busy(session: Session) -> Iterator[None]:
    session.busy += 1
    try:
        yield
    finally:
        session.busy -= 1


def _static(name: str) -> bytes:
    return (_FILES / name).read_bytes()


ROUTES = [
    Route("/", index, methods=["GET"]),
    Route("/api", api_page, methods=["GET"]),
    Route("/static/{name}", static, methods=["GET"]),
    Route("/page/settings", settings, methods=["GET"]),
    Route("/page/session", contents, methods=["GET"]),
    Route("/page/pictures", upload, methods=["POST"]),
    Route("/page/pictures/{id}", remove_upload, methods=["DELETE"]),
    Route("/page/pictures/{id}/before", before, methods=["GET"]),
    Route("/page/pictures/{id}/preview", preview, methods=["GET"]),
    Route("/page/jobs", start, methods=["POST"]),
    Route("/page/jobs/{id}", remove_run, methods=["DELETE"]),
    Route("/page/jobs/{id}/after", after, methods=["GET"]),
    Route("/page/jobs/{id}/file", download, methods=["GET"]),
    Route("/page/results.zip", download_all, methods=["GET"]),
]
