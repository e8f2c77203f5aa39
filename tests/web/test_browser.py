"""The page in a real Chromium, through Playwright: what people see and do."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deltasr.imaging import Picture, encode_picture, read_picture

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra 'browser')")
pytest.importorskip("uvicorn", reason="needs the extra 'web'")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
    pytest.mark.timeout(600),
]
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 240_000
"""Milliseconds for anything that computes; nothing here depends on being fast."""

expect = playwright.expect
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a server in a process of its own."""
    folder = tmp_path_factory.mktemp("server")
    process = subprocess.Popen(
        [sys.executable, "-m", "deltasr", "web", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    )
    yield re.search(r"http://\S+/", process.stdout.readline()).group()
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def user(chromium, address):
    """Opens the page as a new user; at the end, nothing went wrong in it and nothing was asked for elsewhere."""
    contexts, wrong = [], []

    def open_page(**settings):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **settings})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda sent: sent.url.startswith((address, "blob:")) or wrong.append(sent.url))
        page.goto(address)
        expect(page.locator("body[data-ready=yes]")).to_be_attached()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def file(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def add(page, *files: dict) -> None:
    """Choose files, and wait until the last one is there."""
    page.set_input_files("#files", list(files))
    for one in files:
        item = page.locator("#pictures li", has_text=one["name"])
        expect(item.locator("small")).not_to_have_text("uploading …")
    expect(page.locator("#busy")).to_be_hidden()


def upscale(page) -> None:
    page.click("#go")
    expect(page.locator("#download")).to_be_visible()


def downloaded(page, link: str = "#download") -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.click(link)
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def pixel_row(page) -> np.ndarray:
    """The colours in the middle row of the canvas, (width, 4)."""
    script = """() => { const c = document.getElementById("canvas");
        return [...c.getContext("2d").getImageData(0, Math.floor(c.height / 2), c.width, 1).data] }"""
    return np.array(page.evaluate(script), np.uint8).reshape(-1, 4)


def set_range(page, selector: str, value: float) -> None:
    page.locator(selector).fill(str(value))


def test_upload_dial_and_download(user, command, samples):
    page, photo = user(), samples.phone_photo()
    add(page, file("IMG_1.jpg", photo))
    expect(page.locator("#result-size")).to_have_text("64 × 96 becomes 256 × 384 pixels")
    expect(page.locator("#estimate")).to_contain_text("JPEG of quality 80")
    expect(page.locator("#restoration-value")).to_contain_text("auto: 0.")
    expect(page.locator("#right-tag")).to_have_text("deltasr, preview")
    balanced = pixel_row(page)
    set_range(page, "#fidelity", 1)
    expect(page.locator("#fidelity-value")).to_have_text("1.00")
    expect(page.locator("input[value=faithful]")).to_be_checked()
    with page.expect_response(lambda answer: "/preview" in answer.url and "fidelity=1" in answer.url) as answer:
        pass
    assert answer.value.ok
    expect(page.locator("#busy")).to_be_hidden()
    assert not np.array_equal(pixel_row(page), balanced), "the visible part follows the dial"
    upscale(page)
    name, content = downloaded(page)
    assert name == "IMG_1-x4.jpg"
    assert content == command(photo, "IMG_1.jpg", "--fidelity", "1", output="o.jpg")
    expect(page.locator("#notes")).to_contain_text("estimated: JPEG of quality 80")


def test_a_scan_comes_back_with_all_its_bits(user, command, samples):
    page, scan = user(), samples.scan()
    add(page, file("scan.png", scan))
    expect(page.locator("#pictures small")).to_have_text("30 × 40, PNG, 16-bit, alpha")
    page.select_option("#format", "tiff")
    page.select_option("#size", "scale")
    page.fill("#size-value", "2.5")
    expect(page.locator("#result-size")).to_have_text("30 × 40 becomes 75 × 100 pixels")
    upscale(page)
    name, content = downloaded(page)
    assert name == "scan-x2.5.tif"
    assert content == command(scan, "scan.png", "--scale", "2.5", output="o.tif")
    result = read_picture(content)
    assert (result.bits, result.alpha is not None) == (16, True)


def test_the_error_map_is_a_layer_with_a_legend(user, command, samples):
    """Computed when it is asked for; chosen by keyboard; said in words and numbers; in the files when asked for."""
    page, asked = user(), []
    page.on("request", lambda sent: asked.append(sent.url))
    photo = samples.phone_photo()
    add(page, file("IMG_1.jpg", photo))
    assert not any("layer=error" in url for url in asked)
    expect(page.locator("#legend")).to_be_hidden()
    result = pixel_row(page)
    layer = page.get_by_label("Show", exact=True)
    layer.focus()
    with page.expect_response(lambda answer: "layer=error" in answer.url) as answer:
        page.keyboard.press("ArrowDown")
    assert answer.value.ok
    legend = page.locator("#legend-text")
    expect(legend).to_contain_text("with 90 % probability the true colour is within ±")
    expect(legend).to_contain_text("In the part that was computed, half of the pixels are within ±")
    expect(page.locator("#right-tag")).to_have_text("Error map, preview")
    expect(page.locator("#stage")).to_have_attribute("aria-label", re.compile("the error map, right$"))
    expect(page.locator("#busy")).to_be_hidden()
    assert not np.array_equal(pixel_row(page), result), "the layer is drawn"
    page.get_by_label("Files beside the result").select_option("error")
    upscale(page)
    expect(page.locator("#right-tag")).to_have_text("Error map")
    expect(legend).to_contain_text("In the whole picture, half of the pixels are within ±")
    name, content = downloaded(page)
    assert name == "IMG_1-x4.zip"
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.namelist() == ["IMG_1-x4.jpg", "IMG_1-x4-map.png", "IMG_1-x4-map-overlay.png"]
    assert archive.read("IMG_1-x4.jpg") == command(photo, "IMG_1.jpg", output="o.jpg")
    page.select_option("#layer", "added")
    expect(page.locator("#right-tag")).to_have_text("Added, preview")
    expect(legend).to_contain_text("mid grey is nothing")
    page.select_option("#layer", "error")
    page.select_option("#model", "bicubic")
    expect(layer).to_have_value("")
    expect(page.locator("#legend")).to_be_hidden()
    expect(page.locator("#busy")).to_be_hidden()


def test_presets_and_models_set_the_dials(user, samples):
    page = user()
    add(page, file("a.png", samples.png(40, 40)))
    for name, fidelity, restoration in (
        ("natural", "0.25", "auto"),
        ("faithful", "1.00", "auto"),
        ("repair", "0.50", "0.60"),
    ):
        page.locator(f"input[value={name}]").check(force=True)
        expect(page.locator("#fidelity-value")).to_have_text(fidelity)
        expect(page.locator("#restoration-value")).to_have_text(re.compile(f"^{restoration}"))
    page.select_option("#model", "bicubic")
    expect(page.locator("#fidelity")).to_be_disabled()
    expect(page.locator("#restoration")).to_be_disabled()
    expect(page.locator("#busy")).to_be_hidden()
    upscale(page)


def test_true_pixels_are_those_of_the_result(user, samples):
    """At 100 %, the canvas shows the pixels of the file, on either side of the divider those of their own."""
    page = user()
    source = samples.png(120, 250)
    add(page, file("a.png", source))
    page.select_option("#model", "deltadiff-x4")
    upscale(page)
    result = read_picture(downloaded(page)[1]).pixels
    page.click("#true-pixels")
    expect(page.locator("#zoom")).to_have_text("100 %")
    bicubic = np.asarray(Image.open(io.BytesIO(source)).convert("RGB").resize((1000, 480), Image.Resampling.BICUBIC))
    for key, truth in (("Home", result), ("End", bicubic)):
        page.focus("#divider")
        page.keyboard.press(key)
        page.wait_for_timeout(1500)
        row = pixel_row(page)
        matches = [
            np.array_equal(row[:, :3], truth[line, first : first + len(row)])
            for line in range(200, 280)
            for first in range(1000 - len(row) + 1)
        ]
        assert any(matches), f"no row of the picture is that of the screen ({key})"


def test_zoom_pan_and_slider_by_keys_and_mouse(user, samples):
    page = user()
    add(page, file("a.png", samples.png(100, 100)))
    zoom, divider = page.locator("#zoom"), page.locator("#divider")
    fitted = zoom.text_content()
    page.focus("#stage")
    page.keyboard.press("+")
    assert zoom.text_content() != fitted
    page.keyboard.press("0")
    expect(zoom).to_have_text(fitted)
    page.keyboard.press("1")
    expect(zoom).to_have_text("100 %")
    before = pixel_row(page)
    page.keyboard.press("ArrowRight")
    assert not np.array_equal(pixel_row(page), before)
    divider.focus()
    page.keyboard.press("ArrowLeft")
    expect(divider).to_have_attribute("aria-valuenow", "48")
    box = page.locator("#stage").bounding_box()
    handle = divider.bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50, steps=4)
    page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "25")
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.wheel(0, -400)
    expect(zoom).not_to_have_text("100 %")


def test_a_bad_file_is_said_and_the_others_go_on(user, samples):
    page = user()
    add(
        page,
        file("broken.png", samples.png(30, 30)[:80]),
        file("good.png", samples.png()),
        file("bomb.png", samples.bomb()),
    )
    expect(page.locator("#pictures li", has_text="broken.png").locator("small")).to_contain_text("cut short or damaged")
    expect(page.locator("#pictures li", has_text="bomb.png").locator("small")).to_contain_text("60000 x 60000 pixels")
    expect(page.locator("#pictures .failed")).to_have_count(2)
    upscale(page)
    page.locator("#pictures li", has_text="broken.png").get_by_role("button", name="Remove").click()
    expect(page.locator("#pictures li")).to_have_count(2)


def test_a_job_is_cancelled(user, samples):
    page = user()
    add(page, file("large.png", samples.png(450, 450)))
    page.select_option("#size", "scale")
    page.fill("#size-value", "16")
    page.click("#go")
    expect(page.locator("#progress")).to_be_visible()
    expect(page.locator("#status")).to_have_text(re.compile(r"computing|%|queue"))
    page.click("#cancel")
    expect(page.locator("#status")).to_have_text("Cancelled.")
    page.select_option("#size", "own")
    page.select_option("#model", "nearest")
    upscale(page)


def test_two_users_at_once_see_only_their_own(user, command, samples):
    first, second = user(), user()
    files = {first: ("mine.png", samples.png(30, 40, seed=1)), second: ("yours.png", samples.png(40, 30, seed=2))}
    for page, (name, content) in files.items():
        add(page, file(name, content))
    for page in files:
        page.click("#go")
    for page, (name, content) in files.items():
        expect(page.locator("#download")).to_be_visible()
        expect(page.locator("#pictures li")).to_have_count(1)
        assert downloaded(page)[1] == command(content, name, output=f"o-{name}")
    first.reload()
    expect(first.locator("#pictures li")).to_have_count(1)
    expect(first.locator("#download")).to_be_visible()


def test_many_pictures_end_in_one_archive(user, samples):
    page = user()
    add(page, *(file(f"{number}.png", samples.png(seed=number)) for number in range(4)))
    page.select_option("#model", "bicubic")
    page.click("#go-all")
    expect(page.locator("#download-all")).to_have_text("Download 4 results (zip)")
    name, content = downloaded(page, "#download-all")
    assert name == "deltasr.zip"
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == [f"{number}-x4.png" for number in range(4)]


def test_pictures_are_pasted_and_dropped(user, samples):
    page = user()
    for kind in ("paste", "drop"):
        page.evaluate(
            """([kind, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: "image/png" }));
                const settings = { bubbles: true, cancelable: true };
                window.dispatchEvent(kind === "paste"
                    ? new ClipboardEvent("paste", { clipboardData: data, ...settings })
                    : new DragEvent("drop", { dataTransfer: data, ...settings }));
            }""",
            [kind, list(samples.png())],
        )
        expect(page.locator("#pictures li", has_text=f"{kind}.png").locator("small")).to_have_text("8 × 6, PNG, 8-bit")


def test_everything_has_a_name_and_its_place_in_the_order(user, samples):
    page = user()
    add(page, file("a.png", samples.png(40, 40)))
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, progress, [role=slider], [tabindex='0']")]
            .filter((one) => one.offsetParent && !one.closest("[aria-hidden=true]"))
            .filter((one) => !(one.getAttribute("aria-label") || one.labels?.length || one.textContent.trim()))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    page.locator("body").click(position={"x": 2, "y": 2})
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id || document.activeElement.className"))
    wanted = [
        "stage",
        "divider",
        "zoom-out",
        "fit",
        "layer",
        "pick",
        "remove",
        "fidelity",
        "restoration",
        "size",
        "format",
        "map",
        "model",
        "go",
    ]
    assert [name for name in reached if name in wanted][: len(wanted)] == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_screens_and_follows_the_scheme(user, samples, scheme):
    page = user(viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True, color_scheme=scheme)
    add(page, file("a-rather-long-name-for-a-picture-from-a-phone.png", samples.png(40, 60)))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert light > 200 if scheme == "light" else light < 60


def test_the_description_of_the_api_is_shown(user, address):
    page = user()
    page.get_by_role("link", name="API").click()
    expect(page.locator("h2").first).to_have_text("POST /v1/upscale")
    expect(page.locator("table").first).to_contain_text("restoration")


def test_grey_pictures_are_shown_too(user):
    grey = encode_picture(Picture(pixels=np.arange(400, dtype=np.uint16).reshape(20, 20, 1) * 150), "png")
    page = user()
    add(page, file("grey.png", grey))
    upscale(page)
    assert read_picture(downloaded(page)[1]).channels == 1
