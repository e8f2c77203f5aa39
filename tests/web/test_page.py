"""The page's routes: sessions that know nothing of each other, previews, jobs and downloads."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pytest

from deltasr.imaging import read_picture
from deltasr.web.sessions import Sessions


def add(client, content: bytes, name: str = "photo.png") -> dict:
    answer = client.post("/page/pictures", content=content, headers={"X-File-Name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()


def start(client, picture: dict, query: str = "model=bicubic") -> str:
    answer = client.post(f"/page/jobs?picture={picture['id']}&{query}")
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def state(client, job: str) -> dict:
    return next(one for one in client.get("/page/session").json()["jobs"] if one["id"] == job)


def finish(client, job: str, wait_for) -> dict:
    wait_for(lambda: state(client, job)["state"] not in ("waiting", "running"))
    return state(client, job)


def folder_of(client):
    return client.app.state.parts.storage.folder


def test_an_upload_says_what_it_is(page, samples):
    client = page()
    photo = add(client, samples.phone_photo(), "IMG%201.jpg")
    assert (photo["name"], photo["width"], photo["height"], photo["format"]) == ("IMG 1.jpg", 64, 96, "jpeg")
    assert 0 < photo["estimate"]["strength"] < 1
    assert "JPEG of quality 80" in photo["estimate"]["why"]
    scan = add(client, samples.scan())
    assert (scan["bits"], scan["alpha"]) == (16, True)
    assert [one["id"] for one in client.get("/page/session").json()["pictures"]] == [photo["id"], scan["id"]]


@pytest.mark.parametrize(("sample", "name", "output"), [("phone_photo", "a.jpg", "o.jpg"), ("scan", "a.png", "o.png")])
def test_the_download_is_the_file_of_the_command_line(page, command, samples, wait_for, sample, name, output):
    client, content = page(), getattr(samples, sample)()
    job = start(client, add(client, content, name), "model=deltadiff-x4&fidelity=0.25")
    done = finish(client, job, wait_for)
    assert done["state"] == "done", done
    assert done["result"]["fidelity"] == 0.25
    answer = client.get(f"/page/jobs/{job}/file")
    assert answer.content == command(content, name, "--fidelity", "0.25", output=output)
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="a-x4{name[1:]}"')
    shown = client.get(f"/page/jobs/{job}/after?left=0&top=0&right=30&bottom=20&width=30&height=20")
    true = read_picture(answer.content)
    if sample == "scan":
        levels = np.round(true.pixels[:20, :30] / 257)
        assert np.array_equal(read_picture(shown.content).pixels, levels)


@pytest.mark.parametrize("query", ["fidelity=1", "fidelity=0&restoration=0.5", "", "model=rrdb-x4"])
def test_a_preview_has_the_pixels_of_the_whole(page, wait_for, samples, query):
    client = page()
    picture = add(client, samples.png(200, 190), "a.png")
    job = start(client, picture, query)
    preview = client.get(f"/page/pictures/{picture['id']}/preview?left=80&top=90&right=120&bottom=115&{query}")
    assert preview.status_code == 200, preview.text
    assert finish(client, job, wait_for)["state"] == "done"
    whole = read_picture(client.get(f"/page/jobs/{job}/file").content).pixels
    part = read_picture(preview.content).pixels
    assert part.shape == (100, 160, 3)
    assert np.abs(part.astype(int) - whole[360:460, 320:480]).max() <= 1


@pytest.mark.parametrize(
    ("layer", "ending"), [("error", "-map-overlay"), ("determined", "-determined"), ("added", "-added")]
)
def test_a_layer_is_computed_for_the_visible_part_alone(page, command, samples, tmp_path, layer, ending):
    """It has the pixels of the file that the command line writes for the whole picture."""
    client, content = page(), samples.png(140, 130)
    picture = add(client, content, "a.png")
    place = f"/page/pictures/{picture['id']}/preview?left=60&top=50&right=90&bottom=70"
    assert "Deltasr-Error-Levels" not in client.get(place).headers, "no map is computed unless it is asked for"
    answer = client.get(f"{place}&layer={layer}")
    assert answer.status_code == 200, answer.text
    command(content, "a.png", "--map", "error" if layer == "error" else "determined", output="a-x4.png")
    whole = read_picture(tmp_path / f"a-x4{ending}.png")
    part = read_picture(answer.content)
    assert (part.bits, part.pixels.shape) == (whole.bits, (80, 120, 3))
    most = 2 if whole.bits == 8 else 2 * 257
    assert np.abs(part.pixels.astype(int) - whole.pixels[200:280, 240:360]).max() <= most
    if layer == "error":
        half_widths = read_picture(tmp_path / "a-x4-map.png").pixels[200:280, 240:360] / 256
        levels = [float(one) for one in answer.headers["Deltasr-Error-Levels"].split(", ")]
        assert levels == pytest.approx(np.quantile(half_widths, (0.5, 0.9)), rel=0.05)


def test_layers_that_there_are_not_are_refused(page, samples, wait_for):
    client = page()
    picture = add(client, samples.png())
    place, part = f"/page/pictures/{picture['id']}", "left=0&top=0&right=5&bottom=5"
    wrong = client.get(f"{place}/preview?{part}&layer=heat")
    assert (wrong.status_code, wrong.json()["error"][:29]) == (400, "There is no layer 'heat'; the")
    without = client.get(f"{place}/preview?{part}&layer=error&model=bicubic")
    assert without.status_code == 422
    assert "has no error map; choose deltadiff-x4." in without.json()["error"]
    job = start(client, picture)
    finish(client, job, wait_for)
    assert client.get(f"/page/jobs/{job}/after?{part}&width=5&height=5&layer=error").status_code == 404


def test_a_job_with_a_map_has_its_layers_and_its_files(page, command, samples, tmp_path, wait_for):
    client, content = page(), samples.scan()
    job = start(client, add(client, content, "scan.png"), "map=error")
    result = finish(client, job, wait_for)["result"]
    assert (result["name"], result["layers"]) == ("scan-x4.zip", ["error"])
    true = command(content, "scan.png", "--map", "error", output="scan-x4.png")
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/page/jobs/{job}/file").content))
    assert archive.read("scan-x4.png") == true
    assert result["bytes"] == sum(entry.file_size for entry in archive.infolist())
    names = ["scan-x4.png", "scan-x4-map.png", "scan-x4-map-overlay.png"]
    assert zipfile.ZipFile(io.BytesIO(client.get(f"/page/results.zip?job={job}").content)).namelist() == names
    view = "left=0&top=0&right=30&bottom=20&width=30&height=20"
    shown = read_picture(client.get(f"/page/jobs/{job}/after?{view}&layer=error").content).pixels
    assert np.array_equal(shown, read_picture(tmp_path / "scan-x4-map-overlay.png").pixels[:20, :30])
    half_widths = read_picture(tmp_path / "scan-x4-map.png").pixels / 256
    assert result["levels"] == pytest.approx(np.quantile(half_widths, (0.5, 0.9)), abs=0.051)
    used = client.app.state.parts.storage.space.used
    assert client.delete(f"/page/jobs/{job}").status_code == 204
    assert client.app.state.parts.storage.space.used < used
    assert len(list(folder_of(client).iterdir())) == 2, "the upload and its pixels"


def test_a_preview_restores_as_much_as_the_whole_picture_needs(page, wait_for, samples):
    """The estimate is that of the whole JPEG; the part alone says less."""
    client = page()
    picture = add(client, samples.phone_photo(), "a.jpg")
    job = start(client, picture, "format=png")
    preview = client.get(f"/page/pictures/{picture['id']}/preview?left=10&top=20&right=30&bottom=40")
    finish(client, job, wait_for)
    whole = read_picture(client.get(f"/page/jobs/{job}/file").content).pixels
    assert np.abs(read_picture(preview.content).pixels.astype(int) - whole[80:160, 40:120]).max() <= 1


def test_wrong_parts_are_refused(page, samples):
    client = page(preview_pixels=100)
    place = f"/page/pictures/{add(client, samples.png(40, 40))['id']}"
    assert client.get(f"{place}/preview?left=0&top=0&right=20&bottom=20").status_code == 400
    assert client.get(f"{place}/preview?left=0&top=0&right=x&bottom=20").status_code == 400
    assert client.get(f"{place}/preview?left=nan&top=0&right=5&bottom=5").status_code == 400
    assert client.get(f"{place}/preview?left=50&top=0&right=60&bottom=5").status_code == 400
    assert client.get(f"{place}/before?left=0&top=0&right=9&bottom=9&width=9").status_code == 400
    assert client.get(f"{place}/before?left=0&top=0&right=9&bottom=9&width=100000&height=1000").status_code == 400


def test_two_sessions_know_nothing_of_each_other(page, serve, samples, wait_for):
    mine = page()
    yours = serve(share=mine)
    yours.get("/")
    nobody = serve(share=mine)
    picture = add(mine, samples.png())
    job = start(mine, picture)
    finish(mine, job, wait_for)
    assert yours.get("/page/session").json() == {"pictures": [], "jobs": []}
    view = "left=0&top=0&right=5&bottom=5&width=5&height=5"
    for other, status in ((yours, 404), (nobody, 403)):
        for path in (
            f"/page/pictures/{picture['id']}/before?{view}",
            f"/page/pictures/{picture['id']}/preview?{view.partition('&width')[0]}",
            f"/page/jobs/{job}/after?{view}",
            f"/page/jobs/{job}/file",
            f"/page/results.zip?job={job}",
        ):
            assert other.get(path).status_code == status, path
        assert other.post(f"/page/jobs?picture={picture['id']}").status_code == status
        assert other.delete(f"/page/jobs/{job}").status_code == status
        assert other.delete(f"/page/pictures/{picture['id']}").status_code == status
    assert mine.get(f"/page/jobs/{job}/file").status_code == 200


def test_the_cookie_cannot_be_read_by_scripts_or_sent_by_others(serve):
    client = serve()
    cookie = client.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    assert len(token) >= 40
    assert "Set-Cookie" not in client.get("/").headers, "the session goes on"
    forged = serve(share=client)
    forged.cookies.set(cookie.partition("=")[0], "A" * 43)
    assert forged.get("/page/session").status_code == 403
    assert "Set-Cookie" in forged.get("/").headers, "a token that was not given out is replaced"


def test_a_running_job_is_cancelled(page, samples, gate, wait_for):
    client = page()
    picture = add(client, samples.png())
    running = start(client, picture)
    wait_for(lambda: state(client, running)["state"] == "running")
    wait_for(lambda: state(client, running)["share"] == 0.25)
    waiting = start(client, picture, "model=nearest")
    assert state(client, waiting)["position"] == 1
    assert client.get(f"/page/jobs/{running}/file").status_code == 409
    assert client.delete(f"/page/jobs/{running}").status_code == 204
    gate.open()
    assert finish(client, waiting, wait_for)["state"] == "done"
    assert [one["id"] for one in client.get("/page/session").json()["jobs"]] == [waiting]


def test_what_is_removed_leaves_no_files(page, samples, gate, wait_for):
    client = page()
    storage = client.app.state.parts.storage
    kept, gone = add(client, samples.png()), add(client, samples.png(seed=1))
    job = start(client, gone)
    wait_for(lambda: gate.began == 1)
    assert client.delete(f"/page/pictures/{gone['id']}").status_code == 204
    gate.open()
    finish(client, start(client, kept), wait_for)
    assert client.get(f"/page/jobs/{job}/file").status_code == 404
    assert len(list(storage.folder.iterdir())) == 4, "upload, its pixels, result, its pixels"
    client.delete(f"/page/pictures/{kept['id']}")
    assert list(storage.folder.iterdir()) == []
    assert storage.space.used == 0


def test_sessions_that_nobody_uses_end(page, samples, wait_for):
    client = page()
    parts = client.app.state.parts
    clock = [0.0]
    sessions = Sessions(parts.limits, parts.storage, parts.queue, clock=lambda: clock[0])
    object.__setattr__(parts, "sessions", sessions)
    client.cookies.clear()
    client.get("/")
    picture = add(client, samples.png())
    finish(client, start(client, picture), wait_for)
    clock[0] = parts.limits.session_seconds - 1
    sessions.close_idle()
    assert client.get("/page/session").status_code == 200
    clock[0] += parts.limits.session_seconds + 1
    sessions.close_idle()
    assert len(sessions) == 0
    answer = client.get("/page/session")
    assert answer.status_code == 403
    assert "reload the page" in answer.json()["error"]
    assert list(parts.storage.folder.iterdir()) == []


def test_sessions_are_bounded_and_empty_ones_make_room(page, serve, samples):
    first = page(sessions=2)
    add(first, samples.png())
    for _ in range(5):
        assert serve(share=first).get("/").status_code == 200
    assert len(first.app.state.parts.sessions) == 2
    assert len(first.get("/page/session").json()["pictures"]) == 1
    second = serve(share=first)
    second.get("/")
    add(second, samples.png())
    assert serve(share=first).get("/").status_code == 503


def test_names_never_reach_the_file_system(page, samples, wait_for):
    client = page()
    before = set(folder_of(client).parent.iterdir())
    picture = add(client, samples.png(), "..%2F..%2F..%2Ftmp%2Fowned.png")
    assert picture["name"] == "owned.png"
    form = client.post("/page/pictures", files={"file": ("../../../tmp/owned.png", samples.png())})
    assert form.json()["name"] == "owned.png"
    finish(client, start(client, picture), wait_for)
    assert all("owned" not in file.name for file in folder_of(client).iterdir())
    assert set(folder_of(client).parent.glob("*owned*")) <= before


def test_bad_uploads_leave_nothing(page, samples):
    client = page(pixels=1000)
    for content, status in (
        (samples.bomb(), 413),
        (samples.png(40, 40), 413),
        (b"text", 415),
        (samples.png()[:50], 422),
    ):
        assert client.post("/page/pictures", content=content).status_code == status
    assert list(folder_of(client).iterdir()) == []
    assert client.app.state.parts.storage.space.used == 0


def test_a_session_has_its_part_of_the_disk(page, samples):
    client = page(session_bytes=3000)
    add(client, samples.png())
    answer = client.post("/page/pictures", content=samples.png(60, 60))
    assert answer.status_code == 503
    assert "remove pictures" in answer.json()["error"]


def test_results_come_in_one_archive(page, samples, wait_for):
    client = page()
    jobs = [start(client, add(client, samples.png(seed=seed), "same.png")) for seed in range(3)]
    for job in jobs:
        finish(client, job, wait_for)
    answer = client.get("/page/results.zip?" + "&".join(f"job={job}" for job in [*jobs, "unknown"]))
    assert answer.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["same-x4.png", "same-x4-2.png", "same-x4-3.png"]
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    for name, job in zip(archive.namelist(), jobs, strict=True):
        assert archive.read(name) == client.get(f"/page/jobs/{job}/file").content
    assert client.get("/page/results.zip?job=unknown").status_code == 404


def test_scripts_are_served_with_all_that_they_import_and_none_imports_itself(page):
    client = page()
    imports: dict[str, set[str]] = {}
    found = set(re.findall(r'<script src="([^"]+)" type="module">', client.get("/").text))
    assert found == {"/static/page.js"}
    while found:
        path = found.pop()
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"].startswith("text/javascript")
        imports[path] = set(re.findall(r'^import .* from "([^"]+)";$', answer.text, re.MULTILINE))
        assert len(imports[path]) == answer.text.count("import "), path
        assert answer.text.count("\n") <= 250, path
        found |= imports[path] - imports.keys()
    assert len(imports) > 5
    while imports:
        lowest = [path for path, used in imports.items() if not used & imports.keys()]
        assert lowest, f"a circle among {sorted(imports)}"
        for path in lowest:
            del imports[path]


def test_the_page_and_its_parts_are_there(page):
    client = page()
    for path, kind in (("/", "text/html"), ("/static/icon.svg", "image/svg+xml"), ("/static/page.css", "text/css")):
        answer = client.get(path)
        assert answer.headers["Content-Type"].startswith(kind)
        assert len(answer.content) > 100
    assert client.get("/static/..%2F..%2Fapp.py").status_code == 404
    assert client.get("/static/page.html").status_code == 404
    assert "deltadiff-x4" in client.get("/page/settings").text
