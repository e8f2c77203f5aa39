"""The checks of every request (host, origin, password, size, time) and the headers of every response."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deltasr.web.failures import WebError
from deltasr.web.limits import Limits

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_WITHOUT_PASSWORD = frozenset({"/healthz"})
"""Paths that need none, since they show nothing of any user."""

_READING_METHODS = ("GET", "HEAD")
_WRONG_PASSWORD_SECONDS = 1.0


class Guard:
    """The outermost layer of the server.

    Args:
        app: what it guards.
        limits: of an upload.
        hosts: names of the server that requests may have; addresses and localhost are always allowed. A foreign page
            whose own name points to this server (DNS rebinding) sends that name.
        password: of all users, by HTTP Basic with any user name; None for none.
    """

    def __init__(
        self, app: ASGIApp, *, limits: Limits, hosts: Collection[str] = (), password: str | None = None
    ) -> None:
        self._app = app
        self._limits = limits
        self._hosts = frozenset(host.lower() for host in hosts)
        self._password = None if password is None else _digest(password)
        self._wrong = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            headers = Headers(scope=scope)
            self._require_host(headers)
            self._require_origin(scope, headers)
            if scope["path"] not in _WITHOUT_PASSWORD:
                await self._require_password(headers)
            self._require_length(headers)
        except WebError as error:
            await error_response(error)(scope, receive, send_guarded)
            return
        await self._app(scope, _Bounded(receive, self._limits), send_guarded)

    def _require_host(self, headers: Headers) -> None:
        """Raises: WebError: the request's host is not a name of this server."""
        name = _name_of(headers.get("host", ""))
        if name == "localhost" or name in self._hosts or _is_address(name):
            return
        raise WebError(
            403,
            f"This server does not answer to the name {name[:60]!r}; use its address, or start it with "
            f"--allow-host for that name.",
        )

    def _require_origin(self, scope: Scope, headers: Headers) -> None:
        """Raises: WebError: a page from elsewhere sent this."""
        origin = headers.get("origin")
        own = headers.get("host", "").lower()
        foreign = origin is not None and origin.lower().partition("://")[2] != own
        site = headers.get("sec-fetch-site")
        opened = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in _READING_METHODS
        if foreign or (site in ("cross-site", "same-site") and not opened):
            raise WebError(403, "This request comes from another page than this server's own, so it is refused.")

    async def _require_password(self, headers: Headers) -> None:
        """Raises: WebError: the password is missing or wrong; wrong ones are answered one a second at most."""
        if self._password is None:
            return
        given = _given_password(headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(_digest(given), self._password):
            return
        if given is not None:
            async with self._wrong:
                await asyncio.sleep(_WRONG_PASSWORD_SECONDS)
        raise WebError(
            401,
            "This server needs its password; give it with any user name.",
            headers={"WWW-Authenticate": 'Basic realm="deltasr", charset="UTF-8"'},
        )

    def _require_length(self, headers: Headers) -> None:
        """Raises: WebError: the length that the request states is over the limit."""
        stated = headers.get("content-length", "0")
        if not re.fullmatch(r"\d{1,18}", stated) or int(stated) > self._limits.upload_bytes:
            raise _too_long(self._limits)


class _Bounded:
    """What a request still sends: not more bytes, and not for longer, than allowed."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._received = 0
        self._whole = False
        self._until = time.monotonic() + limits.upload_seconds

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                message = await self._receive()
        except TimeoutError as error:
            raise WebError(408, "The upload took too long; try again on a faster line, or send less.") from error
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._received > self._limits.upload_bytes:
                raise _too_long(self._limits)
        return message


def error_response(error: WebError) -> Response:
    """An error as JSON: `{"error": sentence}`."""
    return JSONResponse({"error": str(error)}, status_code=error.status, headers=error.headers)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _too_long(limits: Limits) -> WebError:
    return WebError(
        413, f"A file of more than {limits.upload_bytes / 1e6:g} MB is more than this server takes; send a smaller one."
    )


def _name_of(host: str) -> str:
    """A Host header without its port, and an address without its brackets."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](:\d+)?", host)
    return (bracketed.group(1) if bracketed else host.rpartition(":")[0] if ":" in host else host).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _given_password(header: str) -> str | None:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8")).digest()
