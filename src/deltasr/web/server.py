"""The application behind a port of this machine."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from deltasr.errors import SettingError

_BACKLOG = 128
_CONNECTIONS = 500
_SHUTDOWN_SECONDS = 1


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any that is free.

    Raises:
        SettingError: it is not possible.
    """
    if not 0 <= port <= 65535:
        raise SettingError(f"There is no port {port}; choose a --port from 1 to 65535, or 0 for any that is free.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingError(f"No server can listen at {host} port {port} ({why}); choose another --port.") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Where people find what listens on a socket."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}/"


def serve(app: Starlette, bound: socket.socket, *, open_browser: bool) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    if open_browser and _has_screen():
        threading.Timer(0.5, webbrowser.open, [address_of(bound)]).start()
    uvicorn.Server(config).run(sockets=[bound])


def read_password(path: Path) -> str:
    """The first line of a file.

    Raises:
        SettingError: it cannot be read, or is empty.
    """
    try:
        password = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise SettingError(f"The password file {path} cannot be read ({why}).") from error
    if not password:
        raise SettingError(f"The first line of the password file {path} is empty; write a password there.")
    return password


def _has_screen() -> bool:
    """Whether a browser can show itself; without a screen Python would start a browser for terminals."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
