"""Shapes and letters meet pixels as they should."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from deltasr.training.data.graphics.canvas import Canvas
from deltasr.training.data.graphics.fonts import Face, find_fonts

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@pytest.fixture(scope="module")
def face() -> Face:
    return next(face for face in find_fonts(system=False).faces if face.family == "Aileron")


def pixels(canvas: Canvas) -> np.ndarray:
    return np.asarray(canvas.image)


def colours(canvas: Canvas) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in pixels(canvas).reshape(-1, 3).tolist()}


@pytest.mark.parametrize("oversampling", [1, 3])
@pytest.mark.parametrize("smooth", [True, False])
def test_edges_along_pixels_are_sharp(oversampling, smooth):
    canvas = Canvas(20, 16, WHITE, oversampling=oversampling, smooth=smooth)
    canvas.rectangle((3, 4, 11, 9), (200, 0, 0), outline=BLACK, width=1)
    canvas.reduce()
    made = pixels(canvas)
    assert colours(canvas) == {WHITE, BLACK, (200, 0, 0)}
    assert (made[4:9, 3:11] != 255).any(axis=2).all()
    assert (made[5:8, 4:10] == (200, 0, 0)).all()
    assert (made != 255).any(axis=2).sum() == 8 * 5


@pytest.mark.parametrize(("oversampling", "smooth", "greys"), [(1, True, True), (4, True, True), (1, False, False)])
def test_slanted_lines_are_smooth_unless_asked(oversampling, smooth, greys):
    canvas = Canvas(40, 40, WHITE, oversampling=oversampling, smooth=smooth)
    canvas.line([(2, 3), (37, 25)], BLACK, width=1.5)
    canvas.ellipse((5, 20, 25, 39), (0, 0, 0))
    canvas.reduce()
    assert (len(colours(canvas)) > 4) == greys
    assert BLACK in colours(canvas)


def test_lettering(face):
    def written(lettering) -> Canvas:
        canvas = Canvas(120, 30, WHITE, lettering=lettering)
        canvas.text((4, 4), "Wavelets", face, 18, BLACK)
        return canvas

    assert colours(written("sharp")) == {WHITE, BLACK}
    for lettering in ("hinted", "smooth"):
        made = colours(written(lettering))
        assert len(made) > 10
        assert all(red == green == blue for red, green, blue in made)
    assert any(abs(red - blue) > 60 for red, _, blue in colours(written("subpixel")))
    ink = [255 - pixels(written(lettering)).mean() for lettering in ("hinted", "smooth", "subpixel")]
    assert max(ink) < 1.2 * min(ink)


@pytest.mark.parametrize("lettering", ["hinted", "smooth", "subpixel"])
@pytest.mark.parametrize("anchor", ["la", "mm", "rs"])
def test_letters_lie_where_they_are_put(face, lettering, anchor):
    canvas = Canvas(100, 60, WHITE, lettering=lettering)
    canvas.text((50, 30), "Hn", face, 20, BLACK, anchor=anchor)
    rows, columns = np.nonzero(pixels(canvas).min(axis=2) < 128)
    left, top, right, bottom = face.at(20).getbbox("Hn", anchor=anchor)
    found = (columns.min() - 50, rows.min() - 30, columns.max() + 1 - 50, rows.max() + 1 - 30)
    assert found == pytest.approx((left, top, right, bottom), abs=2)


def test_turned_letters_stay_about_their_middle(face):
    canvas = Canvas(80, 80, WHITE)
    canvas.text((40, 40), "HHHHH", face, 16, BLACK, anchor="mm", angle=90)
    rows, columns = np.nonzero(pixels(canvas).min(axis=2) < 128)
    assert np.ptp(rows) > 3 * np.ptp(columns)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(40, abs=2)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(40, abs=2)


def test_nothing_is_drawn_outside_a_box(face):
    canvas = Canvas(40, 30, WHITE)
    with canvas.inside((10, 5, 30.4, 20)):
        canvas.rectangle((-5, -5, 60, 60), (0, 90, 0))
        canvas.text((0, 6), "MMMMMMMMMM", face, 12, BLACK)
    made = pixels(canvas)
    assert (made[5:20, 10:30] != 255).any(axis=2).all()
    made = made.copy()
    made[5:20, 10:30] = 255
    assert (made == 255).all()


@pytest.mark.parametrize("oversampling", [1, 2])
def test_what_lies_beyond_the_picture_is_cut_off(face, oversampling):
    canvas = Canvas(24, 24, WHITE, oversampling=oversampling, lettering="subpixel")
    for x, y in ((-40, -40), (90, 90), (-8, 20)):
        box = (x, y, x + 12, y + 9)
        canvas.rectangle(box, BLACK, outline=(9, 9, 9), radius=3)
        canvas.frame(box, BLACK, radius=2)
        canvas.ellipse(box, Image.new("RGB", (4, 4), (255, 0, 0)), outline=BLACK)
        canvas.polygon([(x, y), (x + 9, y), (x, y + 9)], BLACK, outline=(5, 5, 5))
        canvas.sector(box, BLACK, 0, 90)
        canvas.shadow(box, radius=2, blur=3, strength=0.5)
        canvas.text((x, y), "word", face, 14, BLACK, outline=WHITE, outline_width=1)
        canvas.text((x, y), "word", face, 14, BLACK, angle=30)
        canvas.paste(Image.new("RGB", (5, 5)), (x, y))
    canvas.reduce()
    made = pixels(canvas)
    assert made.shape == (24, 24, 3)
    assert (made[:8, 16:] == 255).all()
    assert (made[20:, :3] != 255).any()


def test_words_are_cut_to_the_room_there_is(face):
    canvas = Canvas(10, 10, WHITE)
    room = canvas.text_width("one two...", face, 12)
    assert canvas.fitting("one two three four", face, 12, room) == "one two..."
    assert canvas.fitting("one two", face, 12, room) == "one two"
    assert canvas.fitting("incomprehensibilities", face, 12, 20) == ""


def test_dashes(face):
    canvas = Canvas(60, 9, WHITE, smooth=False)
    canvas.line([(0, 4), (60, 4)], BLACK, width=3, dash=6)
    row = pixels(canvas)[4, :, 0] == 0
    assert np.count_nonzero(np.diff(row.astype(int)) == -1) == 5
    assert row.mean() == pytest.approx(0.5, abs=0.1)


def test_a_shape_is_filled_with_a_picture_that_is_fitted_to_it():
    halves = Image.new("RGB", (2, 1), (0, 0, 255))
    halves.putpixel((0, 0), (255, 0, 0))
    canvas = Canvas(40, 20, WHITE)
    canvas.rectangle((10, 5, 30, 15), halves)
    made = pixels(canvas)
    assert made[10, 11].tolist() == [255, 0, 0]
    assert made[10, 28].tolist() == [0, 0, 255]
    assert (made[:5] == 255).all()
