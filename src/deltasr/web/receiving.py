"""Uploads: from the network to a file, within limits that hold while they arrive."""

from __future__ import annotations

from typing import BinaryIO
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from deltasr.web.failures import WebError
from deltasr.web.names import safe_name
from deltasr.web.storage import Space, Storage, StoredFile

NAME_HEADER = "x-file-name"
"""The name of a file whose bytes are sent as they are, percent-encoded."""

_PIECE = 1 << 20


async def receive_file(request: Request, storage: Storage, space: Space) -> tuple[StoredFile, str]:
    """The one file of a request, raw or as multipart/form-data, and the name that its user gave it.

    Raises:
        WebError: there is none or more than one, or no room for it.
    """
    file = storage.new_file(space)
    try:
        if request.headers.get("content-type", "").startswith("multipart/"):
            return file, await _from_form(request, file)
        with file.path.open("wb") as target:
            async for piece in request.stream():
                await run_in_threadpool(_append, file, target, piece)
        return file, safe_name(unquote(request.headers.get(NAME_HEADER, "")))
    except BaseException:
        file.delete()
        raise


async def _from_form(request: Request, file: StoredFile) -> str:
    async with request.form(max_files=1, max_fields=20, max_part_size=4096) as form:
        uploads = [value for value in form.values() if isinstance(value, UploadFile)]
        if not uploads:
            raise WebError(400, "There is no file in this form; send one, for example by curl -F file=@photo.jpg.")
        with file.path.open("wb") as target:
            while piece := await uploads[0].read(_PIECE):
                await run_in_threadpool(_append, file, target, piece)
        return safe_name(uploads[0].filename)


def _append(file: StoredFile, target: BinaryIO, piece: bytes) -> None:
    if piece:
        file.reserve(len(piece))
        target.write(piece)
