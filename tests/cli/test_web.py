"""`deltasr web`: what it refuses before it listens."""

from __future__ import annotations

import socket
import sys

import pytest


@pytest.fixture(autouse=True)
def never_serve(monkeypatch):
    pytest.importorskip("uvicorn", reason="needs the extra 'web'")
    from deltasr.web import server

    served = []
    monkeypatch.setattr(server, "serve", lambda app, bound, *, open_browser: served.append((bound, open_browser)))
    yield served
    for bound, _ in served:
        bound.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0"], "set a password with --password-file, or pass --no-password"),
        (["--host", "::"], "other machines have access to this page"),
        (["--password-file", "gone.txt"], "The password file gone.txt cannot be read"),
        (["--max-upload", "0"], "--max-upload is 0; give a number above 0"),
        (["--disk", "-1"], "--disk is -1"),
        (["--time-limit", "nan"], "--time-limit is nan"),
        (["--model", "unknown"], "There is no model called 'unknown'"),
        (["--host", "256.0.0.1", "--no-password"], "No server can listen at 256.0.0.1"),
        (["--port", "99999"], "port 99999"),
    ],
)
def test_what_cannot_be_is_refused(command_line, never_serve, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    status, _, errors = command_line("web", *options)
    assert status == 1
    assert sentence in errors
    assert not never_serve


def test_passwords_that_are_none_are_refused(command_line, never_serve, tmp_path):
    path = tmp_path / "password"
    for content in (b"", b"\nsecond line\n", b"\xff\xfe"):
        path.write_bytes(content)
        status, _, errors = command_line("web", "--password-file", path)
        assert status == 1
        assert str(path) in errors
    path.write_text("secret")
    assert command_line("web", "--password-file", path, "--no-password")[0] == 1
    assert not never_serve


def test_a_port_in_use_is_said(command_line, never_serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, _, errors = command_line("web", "--port", taken.getsockname()[1])
    assert status == 1
    assert "choose another --port" in errors
    assert not never_serve


def test_it_says_where_it_is_and_who_else_gets_in(command_line, never_serve, tmp_path):
    status, printed, _ = command_line("web", "--port", "0", "--no-browser")
    assert status == 0
    assert printed.startswith("deltasr is at http://127.0.0.1:")
    assert "other machines" not in printed
    status, printed, _ = command_line("web", "--port", "0", "--host", "0.0.0.0", "--no-password")
    assert status == 0
    assert "other machines reach it too" in printed
    assert [opened for _, opened in never_serve] == [False, True]


def test_without_starlette_it_says_what_to_install(command_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)
    status, _, errors = command_line("web")
    assert status == 1
    assert "pip install -e '.[web]'" in errors
