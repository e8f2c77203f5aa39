"""The HTTP API: the very bytes of the command line, and errors that say what was wrong."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from deltasr import __version__
from deltasr.imaging import read_picture
from deltasr.web.options import OPTIONS


def folder_of(client) -> Path:
    return client.app.state.parts.storage.folder


@pytest.mark.parametrize(
    ("sample", "name", "query", "options", "output"),
    [
        ("phone_photo", "photo.jpg", "", (), "o.jpg"),
        ("scan", "scan.png", "", (), "o.png"),
        (
            "scan",
            "scan.png",
            "fidelity=1&restoration=0&format=tiff&scale=2.5",
            ("--fidelity", "1", "--restoration", "0", "--scale", "2.5"),
            "o.tif",
        ),
        (
            "phone_photo",
            "photo.jpg",
            "model=rrdb-x4&max_side=200&format=webp&quality=80&strip=true",
            ("--model", "rrdb-x4", "--max-side", "200", "--quality", "80", "--strip"),
            "o.webp",
        ),
        (
            "png",
            "a.png",
            "width=20&height=9&restoration=0.6",
            ("--width", "20", "--height", "9", "--restoration", "0.6"),
            "o.png",
        ),
    ],
)
def test_the_answer_is_what_the_command_line_writes(serve, command, samples, sample, name, query, options, output):
    content = getattr(samples, sample)()
    client = serve()
    answer = client.post(f"/v1/upscale?{query}", content=content)
    assert answer.status_code == 200, answer.text
    assert answer.content == command(content, name, *options, output=output)


@pytest.mark.parametrize(
    ("kind", "endings"), [("error", ("-map", "-map-overlay")), ("determined", ("-determined", "-added"))]
)
def test_a_map_comes_in_an_archive_with_the_result(serve, command, samples, tmp_path, kind, endings):
    """The result and the map's two pictures, under the names and with the bytes of the command line."""
    client, content = serve(), samples.scan()
    answer = client.post(f"/v1/upscale?map={kind}", content=content, headers={"X-File-Name": "scan.png"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/zip"
    assert 'filename="scan-x4.zip"' in answer.headers["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    result = command(content, "scan.png", "--map", kind, output="scan-x4.png")
    names = ["scan-x4.png", *(f"scan-x4{ending}.png" for ending in endings)]
    assert archive.namelist() == names
    assert archive.read("scan-x4.png") == result
    for name in names[1:]:
        assert archive.read(name) == (tmp_path / name).read_bytes()
    if kind == "error":
        half_widths = read_picture(archive.read(names[1])).pixels / 256
        levels = [float(one) for one in answer.headers["Deltasr-Error-Levels"].split(", ")]
        assert levels == pytest.approx(np.quantile(half_widths, (0.5, 0.9)), abs=0.051)
    else:
        assert "Deltasr-Error-Levels" not in answer.headers
    assert list(folder_of(client).iterdir()) == []
    assert client.app.state.parts.storage.space.used == 0


def test_the_files_of_a_map_count_for_the_disk(serve, samples):
    content = samples.png(20, 20)
    room = {"disk_bytes": len(content) + 80 * 80 * 3 + 80 * 80 * 2}
    client = serve(**room)
    assert client.post("/v1/upscale", content=content).status_code == 200
    refused = client.post("/v1/upscale?map=error", content=content)
    assert refused.status_code == 503
    assert "used up" in refused.json()["error"]
    assert list(folder_of(client).iterdir()) == []
    assert client.app.state.parts.storage.space.used == 0


def test_the_headers_say_what_was_used(serve, samples):
    client = serve()
    answer = client.post(
        "/v1/upscale?fidelity=0.75", content=samples.phone_photo(), headers={"X-File-Name": "caf%C3%A9.jpg"}
    )
    headers = answer.headers
    assert headers["Deltasr-Model"] == "deltadiff-x4"
    assert headers["Deltasr-Fidelity"] == "0.75"
    assert 0 < float(headers["Deltasr-Restoration"]) < 1
    assert float(headers["Deltasr-Seconds"]) > 0
    assert (headers["Deltasr-Width"], headers["Deltasr-Height"]) == ("256", "384"), "upright"
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Content-Disposition"] == "attachment; filename=\"caf_-x4.jpg\"; filename*=UTF-8''caf%C3%A9-x4.jpg"
    assert any("estimated" in note for note in json.loads(headers["Deltasr-Notes"]))
    plain = client.post("/v1/upscale?model=bicubic", content=samples.png()).headers
    assert "Deltasr-Fidelity" not in plain
    assert "Deltasr-Restoration" not in plain


def test_a_form_is_taken_like_raw_bytes(serve, samples):
    client = serve()
    raw = client.post("/v1/upscale?model=bicubic", content=samples.scan())
    form = client.post("/v1/upscale?model=bicubic", files={"file": ("../../etc/scan.png", samples.scan())})
    assert form.content == raw.content
    assert 'filename="scan-x4.png"' in form.headers["Content-Disposition"]
    without = client.post("/v1/upscale", files={"note": (None, "no file")})
    assert without.status_code == 400
    assert "no file in this form" in without.json()["error"]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("modle=bicubic", 400, "There is no option 'modle'"),
        ("scale=two", 400, "The option scale is 'two'; give a number."),
        ("strip=maybe", 400, "The option strip"),
        ("scale=2&scale=3", 400, "The option scale is given twice"),
        ("scale=0", 422, "A picture cannot be scaled by 0"),
        ("scale=nan", 422, "A picture cannot be scaled by nan"),
        ("scale=2&width=5", 422, "exclude each other"),
        ("fidelity=2", 422, "A fidelity of 2"),
        ("model=bicubic&fidelity=1", 422, "has no fidelity dial"),
        ("model=/etc/passwd", 422, "There is no model called '/etc/passwd' here"),
        ("model=../deltadiff-x4.safetensors", 422, "There is no model called"),
        ("map=heat", 400, "The option map is 'heat'; give error or determined."),
        ("model=bicubic&map=error", 422, "The model bicubic has no error map; choose deltadiff-x4."),
        ("map=error&scale=8", 422, "An error map is for factors up to 4"),
        ("map=determined&scale=2", 422, "for the model's own factor of 4 alone"),
        ("format=gif", 422, "read but not written"),
        ("quality=0", 422, "A quality of 0"),
        ("model=bicubic&scale=100000", 413, "is over this server's limit"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(serve, samples, query, status, sentence):
    answer = serve().post(f"/v1/upscale?{query}", content=samples.png())
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_wrong_pictures_are_refused_with_a_sentence(serve, samples):
    client = serve(upload_bytes=20_000)
    for content, status, sentence in (
        (b"", 400, "There is no picture in this request"),
        (b"<svg/>", 415, "is not a PNG, JPEG"),
        (samples.png()[:60], 422, "cut short or damaged"),
        (samples.bomb(), 413, "states a size of 60000 x 60000 pixels"),
        (bytes(20_001), 413, "more than 0.02 MB"),
    ):
        answer = client.post("/v1/upscale", content=content)
        assert answer.status_code == status
        assert sentence in answer.json()["error"]
        assert str(folder_of(client)) not in answer.text
    assert list(folder_of(client).iterdir()) == []
    assert client.app.state.parts.storage.space.used == 0


def test_nothing_is_left_behind(serve, samples):
    client = serve()
    for _ in range(3):
        assert client.post("/v1/upscale?model=bicubic", content=samples.png()).status_code == 200
    assert list(folder_of(client).iterdir()) == []
    assert client.app.state.parts.storage.space.used == 0


def test_a_full_disk_budget_is_said(serve, samples):
    client = serve(disk_bytes=100)
    answer = client.post("/v1/upscale?model=bicubic", content=samples.png())
    assert answer.status_code == 503
    assert "used up" in answer.json()["error"]
    assert int(answer.headers["Retry-After"]) > 0


def test_a_full_queue_says_when_to_come_again(serve, samples, gate, wait_for):
    client = serve(waiting=2)
    queue = client.app.state.parts.queue
    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(client.post, "/v1/upscale?model=bicubic", content=samples.png())]
        wait_for(lambda: gate.began == 1)
        first += [pool.submit(client.post, "/v1/upscale?model=bicubic", content=samples.png(seed=n)) for n in (1, 2)]
        wait_for(lambda: len(queue) == 2)
        refused = client.post("/v1/upscale?model=bicubic", content=samples.png())
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert "queue is full" in refused.json()["error"]
        gate.open()
        assert [answer.result().status_code for answer in first] == [200, 200, 200]


def test_a_picture_that_takes_too_long_ends(serve, samples, gate):
    answer = serve(job_seconds=0.05).post("/v1/upscale?model=bicubic", content=samples.png())
    assert answer.status_code == 504
    assert "longer than the server allows" in answer.json()["error"]


def test_what_fails_inside_says_nothing_of_it(serve, samples, monkeypatch):
    from deltasr.web import work

    def broken(*arguments, **settings):
        raise RuntimeError("a secret path")

    monkeypatch.setattr(work, "upscale_picture", broken)
    client = serve()
    answer = client.post("/v1/upscale", content=samples.png())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    monkeypatch.undo()
    assert client.post("/v1/upscale?model=bicubic", content=samples.png()).status_code == 200, "the worker lives on"


def test_models_and_health(serve):
    client = serve()
    listed = client.get("/v1/models").json()["models"]
    assert [one["name"] for one in listed if one["default"]] == ["deltadiff-x4"]
    assert listed[0]["default_fidelity"] == 0.5
    assert [one["name"] for one in listed if one["error_map"]] == ["deltadiff-x4"]
    bicubic = next(one for one in listed if one["name"] == "bicubic")
    assert not bicubic["fidelity"]
    assert not bicubic["restoration"]
    assert client.get("/healthz").json()["status"] == "ok"
    client.app.state.parts.queue.close()
    client.app.state.parts.queue._thread.join(10)
    assert client.get("/healthz").status_code == 503


def test_warming_up_waits_in_no_queue(serve, samples, monkeypatch, wait_for):
    """The model is loaded before any job, but takes nobody's place and does not count as a picture that waits."""
    from deltasr.web.jobs import Queue
    from deltasr.web.models import Models

    go_on, loaded = threading.Event(), []
    work, upscaler = Queue._work, Models.upscaler
    monkeypatch.setattr(Queue, "_work", lambda self: go_on.wait(60) and work(self))
    monkeypatch.setattr(Models, "upscaler", lambda self, name: loaded.append(name) or upscaler(self, name))
    try:
        client = serve(warm=True, waiting=1)
        assert client.get("/healthz").json() == {"status": "ok", "waiting": 0, "version": __version__}
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.post, "/v1/upscale?model=bicubic", content=samples.png())
            wait_for(lambda: client.get("/healthz").json()["waiting"] == 1)
            go_on.set()
            assert answer.result().status_code == 200
        assert loaded == ["deltadiff-x4", "bicubic"]
    finally:
        go_on.set()


def test_the_description_is_that_of_the_routes(serve):
    from starlette.routing import Route

    from deltasr.web.api import ROUTES

    client = serve()
    described = client.get("/openapi.json").json()
    found = {(path, method.upper()) for path, methods in described["paths"].items() for method in methods}
    assert found == {
        (route.path, method) for route in ROUTES if isinstance(route, Route) for method in route.methods - {"HEAD"}
    }
    parameters = described["paths"]["/v1/upscale"]["post"]["parameters"]
    assert [one["name"] for one in parameters] == [option.name for option in OPTIONS]
    text = json.dumps(described)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        place = described
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    page = client.get("/api")
    assert page.status_code == 200
    assert "/static/api.js" in page.text


def test_unknown_places_and_methods_are_said_as_json(serve):
    client = serve()
    assert client.get("/nothing").status_code == 404
    assert "/api" in client.get("/nothing").json()["error"]
    answer = client.get("/v1/upscale")
    assert answer.status_code == 405
    assert "error" in answer.json()


def test_clients_at_once_get_their_own_results(serve, samples):
    client = serve()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: client.post("/v1/upscale?model=nearest", content=samples.png(seed=n)).content, range(8))
        )
    for number, answer in enumerate(answers):
        source = read_picture(samples.png(seed=number)).pixels
        assert np.array_equal(read_picture(answer).pixels[::4, ::4], source)


def test_memory_is_said_to_be_short(serve, samples, monkeypatch):
    from deltasr.web import work

    def full(*arguments, **settings):
        raise MemoryError

    monkeypatch.setattr(work, "upscale_picture", full)
    answer = serve().post("/v1/upscale", content=samples.png())
    assert answer.status_code == 503
    assert "memory" in answer.json()["error"]
