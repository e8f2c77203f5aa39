"""`hf://owner/name`: from a server on loopback that answers as the Hub does, and from the Hub's cache without one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import deltasr
from deltasr.errors import ModelError
from deltasr.models import catalogue, checkpoint
from deltasr.models.rrdb import Rrdb

pytest.importorskip("huggingface_hub", reason="needs the extra 'hub'")

COMMITS = {"main": "a" * 40, "v1": "b" * 40}
ERRORS = {"/owner/gone": "RepoNotFound", "/owner/empty": "EntryNotFound"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The checkpoint of each revision, and one that is not ours."""
    folder = tmp_path_factory.mktemp("files")
    for revision, blocks in (("main", 1), ("v1", 2)):
        checkpoint.save(Rrdb(blocks=blocks, width=4), folder / revision)
    (folder / "foreign").write_bytes(save({"weight": torch.zeros(2)}))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[str]:
    """The address of a Hub with owner/model, owner/foreign and owner/empty."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            repository, _, place = self.path.partition("/resolve/")
            revision = next((name for name, commit in COMMITS.items() if place.split("/")[0] in (name, commit)), None)
            error = ERRORS.get(repository, None if revision else "RevisionNotFound")
            content = b"" if error else files["foreign" if "foreign" in repository else revision]
            self.send_response(404 if error else 200)
            if error:
                self.send_header("X-Error-Code", error)
            else:
                self.send_header("X-Repo-Commit", COMMITS[revision])
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{hub.server_port}"
        hub.shutdown()
        thread.join()


def info(name: str, cache: Path, server: str | None) -> tuple[int, str, str]:
    """What `deltasr info` prints in a process of its own; without a server, offline."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
    environment |= {"HF_HUB_OFFLINE": "1"} if server is None else {"HF_ENDPOINT": server}
    environment["PYTHONPATH"] = str(Path(deltasr.__file__).parents[1])
    command = [sys.executable, "-m", "deltasr", "info", name]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_a_model_is_downloaded_once_and_pinned_by_its_revision(tmp_path: Path, server: str):
    for name, blocks in (("hf://owner/model", 1), ("hf://owner/model@v1", 2), (f"hf://owner/model@{'b' * 40}", 2)):
        status, printed, said = info(name, tmp_path, server)
        assert (status, f'"blocks": {blocks}' in printed) == (0, True), said
    status, printed, said = info("hf://owner/model@v1", tmp_path, None)
    assert (status, '"blocks": 2' in printed) == (0, True), said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://owner/gone", "The Hub has no model owner/gone, or it is not open to you"),
        ("hf://owner/empty", "hf://owner/empty holds no model.safetensors"),
        ("hf://owner/model@v9", "owner/model on the Hub has no revision 'v9'."),
        ("hf://owner/foreign", "has no deltasr header"),
    ],
)
def test_what_the_hub_does_not_have_is_said_in_one_sentence(tmp_path: Path, server: str, name: str, message: str):
    status, printed, said = info(name, tmp_path, server)
    assert (status, printed) == (1, "")
    assert message in " ".join(said.splitlines())
    assert "Traceback" not in said


def test_offline_what_is_not_in_the_cache_is_said_in_one_sentence(tmp_path: Path):
    status, printed, said = info("hf://owner/model", tmp_path, None)
    assert (status, printed) == (1, "")
    assert "hf://owner/model is not in the Hub's cache on this machine" in said
    assert said.count("\n") == 1


def test_a_cached_model_runs(tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch):
    """From a cache folder as huggingface_hub lays it out; the result is that of the file itself."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--owner--model"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMITS["main"])
    snapshot = folder / "snapshots" / COMMITS["main"]
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(files["main"])
    lr = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(deltasr.load("hf://owner/model")(lr), checkpoint.load(snapshot / "model.safetensors")(lr))


@pytest.mark.parametrize("name", ["hf://model", "hf://a/b/c", "hf://owner/model@", "hf://../x", "hf://o/m@v\n"])
def test_names_of_another_form_are_refused(name: str):
    with pytest.raises(ModelError):
        catalogue.load(name)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"needs the huggingface_hub package: pip install -e '\.\[hub\]'\.$"):
        catalogue.load("hf://owner/model")
