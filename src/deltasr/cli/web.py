"""`deltasr web`: the page in the browser, and the HTTP API."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

from deltasr.cli.parameters import REPEATABLE, Flag


def web_command(
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    password_file: Path | None = None,
    no_password: Flag = False,
    allow_host: Annotated[tuple[str, ...], REPEATABLE] = (),
    model: str = "deltadiff-x4",
    device: str = "auto",
    browser: bool = True,
    max_upload: float = 100,
    max_pixels: int = 50_000_000,
    queue: int = 32,
    time_limit: float = 3600,
    disk: float = 8,
) -> None:
    """Upscale pictures in the browser, and over HTTP.

    No picture leaves this machine, and other machines have no access unless --host is given. Ctrl-C ends the server
    and removes the uploaded pictures.

    Parameters
    ----------
    host
        Address to listen at. Any but 127.0.0.1, this machine's own, gives other machines access and needs
        --password-file. 0.0.0.0 is all addresses.
    port
        Port to listen at; 0 chooses a free one.
    password_file
        File whose first line is the password of all users. The user name can be anything.
    no_password
        Give other machines access without a password.
    allow_host
        Further name of this server, such as that of a proxy. Addresses and localhost are always allowed. Can be
        repeated.
    model
        The default model: a name in the catalogue or a file, as for `deltasr upscale`.
    device
        auto, cpu, cuda or mps.
    browser
        Open the page in a browser, if there is a screen.
    max_upload
        Largest file, in megabytes.
    max_pixels
        Largest picture, in pixels, by the size in its header.
    queue
        Largest number of waiting pictures, of all users together; of one user, half as many.
    time_limit
        Seconds after which the work on a picture is cancelled.
    disk
        Largest total size of uploads and results, in gigabytes. They are in the folder for temporary files.
    """
    from deltasr.errors import SettingError

    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise SettingError(
            "The page needs Starlette and uvicorn; install them from a checkout: pip install -e '.[web]'."
        ) from error
    from deltasr.models import catalogue
    from deltasr.web import server
    from deltasr.web.app import create_app
    from deltasr.web.guard import is_loopback
    from deltasr.web.limits import GIGABYTE, MEGABYTE, Limits
    from deltasr.web.models import Models

    for name, value in (
        ("max-upload", max_upload),
        ("max-pixels", max_pixels),
        ("queue", queue),
        ("time-limit", time_limit),
        ("disk", disk),
    ):
        if not 0 < value < float("inf"):
            raise SettingError(f"--{name} is {value:g}; give a number above 0.")
    if password_file is not None and no_password:
        raise SettingError("--password-file and --no-password exclude each other; choose one of them.")
    if not is_loopback(host) and password_file is None and not no_password:
        raise SettingError(
            f"At {host}, other machines have access to this page; set a password with --password-file, or pass "
            "--no-password."
        )
    password = None if password_file is None else server.read_password(password_file)
    catalogue.facts(model)
    limits = Limits(
        upload_bytes=round(max_upload * MEGABYTE),
        pixels=max_pixels,
        waiting=queue,
        waiting_per_user=max(queue // 2, 1),
        job_seconds=time_limit,
        disk_bytes=round(disk * GIGABYTE),
        session_bytes=round(disk * GIGABYTE / 2),
    )
    hosts = {*allow_host, socket.gethostname(), f"{socket.gethostname()}.local"}
    app = create_app(Models(model, device=device), limits=limits, hosts=hosts, password=password, warm=True)
    bound = server.bound_socket(host, port)
    print(f"deltasr is at {server.address_of(bound)} (Ctrl-C ends it)", flush=True)
    if not is_loopback(host):
        print("note: other machines reach it too; what goes over the network is not encrypted.", flush=True)
    server.serve(app, bound, open_browser=browser)
