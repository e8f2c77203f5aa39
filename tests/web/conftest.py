"""A server inside the test, pictures for it, and the command line to compare it with."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from deltasr.cli import main
from deltasr.imaging import Picture, encode_picture
from deltasr.imaging.picture import Metadata
from deltasr.web.limits import Limits

EXAMPLES = Path(__file__).parents[2] / "examples"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Makes a client of a server with some limits; two clients of one server with `share`."""
    pytest.importorskip("starlette", reason="needs the extra 'web'")
    from starlette.testclient import TestClient

    from deltasr.web.app import create_app
    from deltasr.web.models import Models

    opened = []

    def make(*, share: Any = None, **settings: Any) -> Any:
        if share is not None:
            return TestClient(share.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        limits = Limits(**{name: settings.pop(name) for name in list(settings) if name in Limits.__dataclass_fields__})
        app = create_app(Models(), limits=limits, **settings)
        client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        opened.append(client)
        return client.__enter__()

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def page(serve: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a client that has opened the page, and so has a session."""

    def make(**settings: Any) -> Any:
        client = serve(**settings)
        assert client.get("/").status_code == 200
        return client

    return make


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., bytes]:
    """Runs `deltasr upscale` on the bytes of a file, and returns those of its result."""

    def run(content: bytes, name: str, *options: str, output: str) -> bytes:
        source, target = tmp_path / name, tmp_path / output
        source.write_bytes(content)
        with pytest.raises(SystemExit) as ended:
            main(["upscale", str(source), "-o", str(target), "--overwrite", *options])
        assert ended.value.code == 0, capsys.readouterr().err
        return target.read_bytes()

    return run


class Gate:
    """Holds every upscale, as a long picture would, until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.began = 0

    def open(self) -> None:
        self.opened.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Upscaling goes on tile after tile until the gate is open."""
    from deltasr.web import work

    gate, upscale = Gate(), work.upscale_picture

    def held(picture: Picture, *, progress: Callable[[float], None], **settings: Any) -> Picture:
        gate.began += 1
        while not gate.opened.wait(0.005):
            progress(0.25)
        return upscale(picture, progress=progress, **settings)

    monkeypatch.setattr(work, "upscale_picture", held)
    yield gate
    gate.open()


@contextmanager
def eventually(seconds: float = 60.0) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Waits for something that other threads do; it must happen, however long that takes here."""

    def wait(happened: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < until, "it never happened"
            time.sleep(0.01)

    yield wait


@pytest.fixture
def wait_for() -> Iterator[Callable[[Callable[[], bool]], None]]:
    with eventually() as wait:
        yield wait


def png(height: int = 6, width: int = 8, seed: int = 0) -> bytes:
    """A small picture, different for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return encode_picture(Picture(pixels=pixels), "png")


def scan() -> bytes:
    """A 16-bit PNG with alpha, profile, resolution and text."""
    rng = np.random.default_rng(1)
    ramp = np.linspace(0, 65535, 40 * 30 * 3).reshape(40, 30, 3)
    pixels = (ramp * 0.8 + rng.integers(0, 9000, ramp.shape)).astype(np.uint16)
    alpha = np.full((40, 30), 65535, np.uint16)
    alpha[:12, :9] = 0
    alpha[12, :9] = 30000
    metadata = Metadata(icc=PROFILE, text={"Title": "A scan"}, resolution=(11.8, 11.8))
    return encode_picture(Picture(pixels=pixels, alpha=alpha, metadata=metadata), "png")


def phone_photo() -> bytes:
    """A JPEG that lies on its side, as phones write them, with EXIF and a profile."""
    image = Image.open(EXAMPLES / "gate.jpg").crop((0, 0, 96, 64)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Maker", "Phone"
    content = io.BytesIO()
    image.save(content, "JPEG", quality=80, exif=exif, icc_profile=PROFILE)
    return content.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A small PNG that states a huge size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


class Samples:
    """The pictures above, for tests."""

    png = staticmethod(png)
    scan = staticmethod(scan)
    phone_photo = staticmethod(phone_photo)
    bomb = staticmethod(bomb)


@pytest.fixture(scope="session")
def samples() -> type[Samples]:
    return Samples
