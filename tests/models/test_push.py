"""`push`: to a server on loopback that answers as the Hub does; what it receives is the file and its card."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import deltasr
from deltasr.errors import CheckpointError, ModelError
from deltasr.models import catalogue, checkpoint
from deltasr.models.rrdb import Rrdb

pytest.importorskip("huggingface_hub", reason="needs the extra 'hub'")


@dataclass
class Received:
    """What the server was sent."""

    repositories: list[dict] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: list[tuple[str, str, dict[str, bytes]]] = field(default_factory=list)
    refusal: int = 0


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """A Hub on loopback, which huggingface_hub takes for the real one."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    got = Received()

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if got.refusal:
                self.answer({"error": "You may not write here"}, status=got.refusal)
            elif self.path == "/api/repos/create":
                got.repositories.append(json.loads(body))
                self.answer({"url": f"{self.address}/owner/name", "name": "owner/name", "id": "1"})
            elif self.path == "/api/validate-yaml":
                assert json.loads(body)["content"].startswith("---\nlibrary_name: deltasr\n")
                self.answer({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                named = [file["path"] for file in json.loads(body)["files"]]
                modes = {path: "lfs" if path.endswith(".safetensors") else "regular" for path in named}
                self.answer(
                    {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]}
                )
            elif self.path.endswith("/info/lfs/objects/batch"):
                objects = [
                    {**wanted, "actions": {"upload": {"href": f"{self.address}/store/{wanted['oid']}", "header": {}}}}
                    for wanted in json.loads(body)["objects"]
                ]
                self.answer({"transfer": "basic", "objects": objects})
            else:
                self.commit(body)

        def do_PUT(self) -> None:
            got.objects[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer({})

        def commit(self, body: bytes) -> None:
            header, files = "", {}
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "header":
                    header = value["summary"]
                elif line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = got.objects[value["oid"]]
            got.commits.append((self.path, header, files))
            self.answer({"commitOid": "a" * 40, "commitUrl": f"{self.address}/owner/name/commit/{'a' * 40}"})

        def answer(self, content: dict, status: int = 200) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        @property
        def address(self) -> str:
            return f"http://127.0.0.1:{self.server.server_port}"

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        hub.daemon_threads = True
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for name, value in (
            ("ENDPOINT", f"http://127.0.0.1:{hub.server_port}"), ("HF_HUB_OFFLINE", False),
            ("HF_HUB_DISABLE_XET", True), ("HF_HUB_DISABLE_TELEMETRY", True),
        ):  # fmt: skip
            monkeypatch.setattr(constants, name, value)
        close_session()  # a session of an earlier test may be one that refuses to connect
        yield got
        close_session()
        hub.shutdown()
        thread.join()


def test_a_checkpoint_arrives_as_it_is_with_a_card_from_its_header(tmp_path: Path, received: Received):
    file = tmp_path / "mine.safetensors"
    checkpoint.save(Rrdb(blocks=1, width=4), file, training={"images": 800})
    address = deltasr.push(file, "hf://owner/name", private=True)
    assert address.endswith(f"/owner/name/commit/{'a' * 40}")
    (repository,) = received.repositories
    assert (repository["organization"], repository["name"]) == ("owner", "name")
    assert "private" in json.dumps(repository)
    ((path, summary, files),) = received.commits
    assert path.startswith("/api/models/owner/name/commit/main")
    assert summary == "Upload rrdb-1-x4"
    assert files["model.safetensors"] == file.read_bytes()
    assert hashlib.sha256(file.read_bytes()).hexdigest() in received.objects
    card = files["README.md"].decode()
    assert '"blocks": 1' in card
    assert '"images": 800' in card
    assert "license" not in card  # which only the author can say


def test_a_bundled_model_brings_its_own_card(received: Received):
    deltasr.push("rrdb-x4", "hf://owner/name@v1", message="Second try")
    ((path, summary, files),) = received.commits
    assert path.startswith("/api/models/owner/name/commit/v1")
    assert summary == "Second try"
    assert files["model.safetensors"] == catalogue.bundled_file("rrdb-x4", ".safetensors").read_bytes()
    card = files["README.md"].decode()
    assert "license: apache-2.0" in card
    assert card.endswith(catalogue.bundled_file("rrdb-x4", ".md").read_text(encoding="utf-8"))


def test_a_card_of_ones_own(tmp_path: Path, received: Received):
    checkpoint.save(Rrdb(blocks=1, width=4), tmp_path / "model.safetensors")
    (tmp_path / "card.md").write_text("---\nlibrary_name: deltasr\nlicense: mit\n---\n# Mine\n", encoding="utf-8")
    deltasr.push(tmp_path, "hf://owner/name", card=tmp_path / "card.md")
    assert received.commits[0][2]["README.md"] == (tmp_path / "card.md").read_bytes()


def test_a_refusal_is_one_sentence(received: Received):
    received.refusal = 403
    with pytest.raises(CheckpointError, match=r"rrdb-x4 cannot be uploaded to hf://owner/name \(.*log in by hf auth"):
        deltasr.push("rrdb-x4", "hf://owner/name")
    assert received.commits == []


def test_only_checkpoints_of_ours_are_sent(tmp_path: Path, received: Received):
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    for file in (tmp_path / "foreign.safetensors", tmp_path / "gone.safetensors"):
        with pytest.raises(CheckpointError):
            deltasr.push(file, "hf://owner/name")
    with pytest.raises(ModelError, match="names no model on the Hub"):
        deltasr.push("rrdb-x4", "owner/name")
    assert received.repositories == []


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"needs the huggingface_hub package: pip install -e '\.\[hub\]'\.$"):
        deltasr.push("rrdb-x4", "hf://owner/name")
