"""What requests have to pass: host, origin and password; and what answers carry."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("LOCALHOST:7860", 200),
        ("[::1]:7860", 200),
        ("192.168.1.20:7860", 200),
        ("studio.example", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:7860", 403),
        ("", 403),
    ],
)
def test_only_names_of_its_own_are_answered(serve, host, status):
    client = serve(hosts=["studio.example"])
    answer = client.get("/v1/models", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert "does not answer to the name" in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
    ],
)
def test_other_pages_cannot_send_anything(serve, samples, headers, status):
    answer = serve().post("/v1/upscale?model=nearest", content=samples.png(), headers=headers)
    assert answer.status_code == status


def test_other_pages_may_link_here_but_not_embed(serve):
    client = serve()
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/", headers=linked).status_code == 200
    assert client.get("/", headers=embedded).status_code == 403


def test_the_password_opens_everything_but_the_health_check(serve, samples, monkeypatch):
    from deltasr.web import guard

    monkeypatch.setattr(guard, "_WRONG_PASSWORD_SECONDS", 0.01)
    client = serve(password="kühl und länger")
    for path in ("/", "/api", "/static/page.js", "/v1/models", "/openapi.json", "/page/session"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert client.post("/v1/upscale", content=samples.png()).status_code == 401
    assert client.get("/healthz").status_code == 200
    for wrong in ("", "kühl", "kühl und länger "):
        assert client.get("/v1/models", auth=("anybody", wrong)).status_code == 401
    for header in ("Basic !!!", "Basic", "Bearer x", "Basic /w=="):
        assert client.get("/v1/models", headers={"Authorization": header}).status_code == 401
    assert client.get("/v1/models", auth=("anybody", "kühl und länger")).status_code == 200


def test_every_answer_keeps_scripts_and_frames_out(serve, samples):
    client = serve()
    answers = [client.get("/"), client.get("/nothing"), client.get("/v1/models", headers={"Host": "evil.example"})]
    answers.append(client.post("/v1/upscale?model=nearest", content=samples.png()))
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_page_asks_for_nothing_from_elsewhere(serve):
    """No address of another server, and no script or style inside the page, which the policy would refuse."""
    import re
    from importlib import resources

    client = serve()
    parts = [file.name for file in (resources.files("deltasr.web") / "static").iterdir()]
    assert len(parts) > 8
    for path in ("/", "/api", *(f"/static/{name}" for name in parts if not name.endswith(".html"))):
        text = client.get(path).text
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text), path


def test_lengths_that_are_none_are_refused(serve):
    client = serve()
    answer = client.post("/v1/upscale", content=b"x", headers={"Content-Length": "9" * 30})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_addresses_of_this_machine_alone(host, own):
    pytest.importorskip("starlette", reason="needs the extra 'web'")
    from deltasr.web.guard import is_loopback

    assert is_loopback(host) is own
