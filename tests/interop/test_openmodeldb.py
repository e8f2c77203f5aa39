"""`openmodeldb://NAME` with the real package, from a server on loopback that answers as OpenModelDB does."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import openmodeldb.client
import pytest
from torch import nn

from deltasr.cli import main
from deltasr.errors import CheckpointError
from deltasr.imaging import Metadata, Picture, read_picture, write_picture
from deltasr.models import catalogue
from deltasr.models.openmodeldb import fetch

NETWORK: dict[str, Any] = {"num_feat": 8, "num_conv": 2, "upscale": 2}


@pytest.fixture
def weights(build: Callable[..., nn.Module], save: Callable[..., Path]) -> dict[str, bytes]:
    """One network's weights, in the formats of the index."""
    net = build("Compact", **NETWORK)
    files = {kind: save(net, f"weights.{kind}").read_bytes() for kind in ("safetensors", "pth")}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("inside/weights.pth", files["pth"])
    return {**files, "onnx": b"a graph", "zip": archive.getvalue()}


@pytest.fixture
def asked(weights: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the server was asked for; the package asks it instead of OpenModelDB, and caches below `tmp_path`."""
    requests: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            content = json.dumps(index).encode() if self.path == "/index" else weights.get(self.path.split(".")[-1])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        address = f"http://127.0.0.1:{server.server_port}"

        def resource(kind: str, *, packed: bool = False, **changes: object) -> dict[str, object]:
            url = f"{address}/file.{'zip' if packed else kind}"
            digest, size = hashlib.sha256(weights[kind]).hexdigest(), len(weights[kind])
            return {"platform": "pytorch", "type": kind, "size": size, "sha256": digest, "urls": [url]} | changes

        resources = {
            "2x-Both": [resource("onnx"), resource("pth"), resource("safetensors")],
            "2x-Pickle": [resource("pth")],
            "2x-Packed": [resource("pth", packed=True)],
            "2x-Graph": [resource("onnx")],
            "2x-Unchecked": [resource("pth", sha256=None)],
            "2x-Changed": [resource("safetensors", sha256="0" * 64)],
            "2x-Gone": [resource("safetensors", urls=[f"{address}/gone"])],
        }
        index = {
            model: {
                "name": f"Named {model}",
                "author": "nobody",
                "architecture": "compact",
                "scale": 2,
                "resources": of,
            }
            for model, of in resources.items()
        }
        monkeypatch.setattr(openmodeldb.client, "API_URL", f"{address}/index")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield requests
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("model", "file", "kind"),
    [
        ("2x-Both", "/file.safetensors", "safetensors"),
        ("2x-Pickle", "/file.pth", "pth"),
        ("2x-Packed", "/file.zip", "pth"),
    ],
)
def test_a_model_is_downloaded_once(
    asked: list[str], weights: dict[str, bytes], tmp_path: Path, model: str, file: str, kind: str
):
    for _ in range(2):
        path = fetch(f"openmodeldb://{model}")
        assert (path.name, path.read_bytes()) == (f"{model}.{kind}", weights[kind])
    assert asked == ["/index", file]
    left = {path.name for path in (tmp_path / "cache" / "deltasr" / "openmodeldb").iterdir()}
    assert left == {path.name, "models.json"}


def test_a_cached_file_that_changed_is_fetched_again(asked: list[str], weights: dict[str, bytes]):
    path = fetch("openmodeldb://2x-Both")
    path.write_bytes(b"other weights")
    assert fetch("openmodeldb://2x-Both").read_bytes() == weights["safetensors"]
    assert asked.count("/file.safetensors") == 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("2x-both", "OpenModelDB has no model 2x-both; names are"),
        ("2x-Graph", "lists no file of 2x-Graph in safetensors or pth with its SHA-256"),
        ("2x-Unchecked", "lists no file of 2x-Unchecked in safetensors or pth with its SHA-256"),
        ("2x-Changed", "openmodeldb://2x-Changed cannot be fetched (SHA-256 mismatch"),
        ("2x-Gone", "openmodeldb://2x-Gone cannot be fetched (HTTP error 404"),
    ],
)
def test_what_cannot_be_taken_is_said_and_nothing_is_kept(asked: list[str], tmp_path: Path, model: str, message: str):
    with pytest.raises(CheckpointError) as raised:
        catalogue.load(f"openmodeldb://{model}")
    assert message in str(raised.value)
    assert [path.name for path in (tmp_path / "cache" / "deltasr" / "openmodeldb").iterdir()] == ["models.json"]


def test_without_an_index_that_is_said(asked: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openmodeldb.client, "API_URL", openmodeldb.client.API_URL + "/not/there")
    with pytest.raises(CheckpointError, match=r"^OpenModelDB's index cannot be fetched \(.*404"):
        fetch("openmodeldb://2x-Both")


def test_the_command_upscales(asked: list[str], weights: dict[str, bytes], tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    write_picture(Picture(pixels=pixels, alpha=None, metadata=Metadata()), tmp_path / "x.png")
    (tmp_path / "own.pth").write_bytes(weights["pth"])
    results = []
    for number, model in enumerate(("openmodeldb://2x-Both", str(tmp_path / "own.pth"))):
        output = tmp_path / f"{number}.png"
        with pytest.raises(SystemExit) as ended:
            main(["upscale", str(tmp_path / "x.png"), "-o", str(output), "--model", model])
        assert ended.value.code == 0
        results.append(read_picture(output).pixels)
    assert results[0].shape == (24, 28, 3)
    np.testing.assert_array_equal(*results)
