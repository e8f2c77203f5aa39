"""The server in a process of its own: how it starts, is loaded, and ends."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the extra 'web'")
httpx2 = pytest.importorskip("httpx2", reason="needs httpx2, as the tests' environment has it")

ROOT = Path(__file__).parents[2]


def load_benchmark():
    spec = importlib.util.spec_from_file_location("web_load", ROOT / "benchmarks" / "web_load.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["web_load"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(tmp_path):
    """Starts `deltasr web` with options; gives the process and the address that it printed."""
    started = []

    def run(*options: str):
        environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "deltasr", "web", "--port", "0", "--no-browser", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        line = process.stdout.readline()
        return process, re.search(r"http://\S+/", line).group()

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_fifty_clients_lose_nothing():
    """A queue of 6 and 50 clients at once: everybody gets the own picture, byte for byte, sooner or later."""
    outcome = load_benchmark().run(clients=50, queue=6, model="nearest", side=12)
    assert outcome.right == 50
    assert outcome.files_left == 0


def test_ctrl_c_ends_it_in_the_middle_of_work(start, tmp_path, samples):
    process, address = start("--model", "bicubic")
    assert httpx2.get(f"{address}healthz").json()["status"] == "ok"
    folder = next(tmp_path.glob("deltasr-web-*"))
    with httpx2.Client(timeout=100) as client:
        assert client.get(address).status_code == 200
        picture = client.post(f"{address}page/pictures", content=samples.png(300, 300)).json()
        client.post(f"{address}page/jobs?picture={picture['id']}&model=deltadiff-x4&scale=16")
        assert list(folder.iterdir())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert not folder.exists()
    assert process.stderr.read() == "deltasr: interrupted\n"


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is for Unix")
def test_it_tidies_up_when_it_is_told_to_end(start, tmp_path):
    process, address = start("--model", "bicubic")
    assert httpx2.get(f"{address}healthz").status_code == 200
    process.terminate()
    process.wait(60)
    assert list(tmp_path.glob("deltasr-web-*")) == []
    assert "Traceback" not in process.stderr.read()


def test_an_upload_is_cut_off_while_it_arrives(start, tmp_path):
    _, address = start("--model", "bicubic", "--max-upload", "0.3")
    port = int(address.rpartition(":")[2].strip("/"))
    with socket.create_connection(("127.0.0.1", port)) as line:
        head = f"POST /v1/upscale HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode())
        for _ in range(6):
            line.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        assert line.recv(12) == b"HTTP/1.1 413", "it answers before the body has ended"
    assert [file for place in tmp_path.glob("deltasr-web-*") for file in place.iterdir()] == []


def test_a_form_is_cut_off_while_it_arrives(start):
    _, address = start("--model", "bicubic", "--max-upload", "0.3")

    def form():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(20):
            yield bytes(50_000)

    answer = httpx2.post(
        f"{address}v1/upscale",
        content=form(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        timeout=100,
    )
    assert answer.status_code == 413
    assert "more than 0.3 MB" in answer.json()["error"]


def test_the_password_is_asked_for(start, tmp_path):
    (tmp_path / "password").write_text("open sesame\nmore\n", encoding="utf-8")
    _, address = start("--model", "bicubic", "--password-file", str(tmp_path / "password"))
    assert httpx2.get(address).status_code == 401
    assert httpx2.get(address, auth=("", "open sesame")).status_code == 200
