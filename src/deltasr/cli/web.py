"""`deltasr web`: the page in the browser, and the HTTP API."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def web_command(
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    password_file: Path | None = None,
    no_password: Annotated[bool, Parameter(negative=())] = False,
    allow_host: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    model: str = "deltadiff-x4",
    device: str = "auto",
    browser: bool = True,
    max_upload: float = 100,
    max_pixels: int = 50_000_000,
    queue: int = 32,
    time_limit: float = 3600,
    disk: float = 8,
) -> None:
    """Upscale pictures on a page in the browser, and over HTTP.

    Nothing leaves this machine, and only this machine reaches the page unless --host says otherwise. Ctrl-C ends it,
    and removes the pictures that were uploaded.

    Parameters
    ----------
    host
        Address to listen at. Others than this machine's own (127.0.0.1) let other machines in, and need
        --password-file. 0.0.0.0 is all addresses.
    port
        Port to listen at; 0 is any that is free.
    password_file
        File whose first line is the password that everybody has to give, with any user name.
    no_password
        Let other machines in without a password all the same.
    allow_host
        Name under which people may ask for the page, besides addresses and localhost, such as that of a proxy in front
        of it. Can be given several times.
    model
        The model that is taken unless another is chosen: a name in the catalogue or a file, as for `deltasr upscale`.
    device
        auto, cpu, cuda or mps.
    browser
        Open the page in a browser, where there is a screen.
    max_upload
        Megabytes of a file at most.
    max_pixels
        Pixels of a picture at most, by the size that its file states.
    queue
        Pictures that may wait, of all users together; half as many of one user.
    time_limit
        Seconds that one picture may be worked on.
    disk
        Gigabytes of uploads and results at once, in the folder for temporary files.
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
            f"At {host}, other machines reach this page; give it a password by --password-file, or say --no-password."
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
