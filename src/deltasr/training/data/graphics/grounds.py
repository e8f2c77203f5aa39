"""Backgrounds of text and windows: gradients, blurred colours, patterns, photographs."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from deltasr.training.data.graphics.canvas import Colour
from deltasr.training.data.graphics.colours import mixed, shade, vivid
from deltasr.training.data.graphics.scene import Scene


def pictured(scene: Scene) -> Image.Image:
    """A background with a picture, of the scene's size: a photograph half of the time where there are any."""
    rng, size = scene.rng, (scene.width, scene.height)
    if scene.backgrounds and rng.random() < 0.6:
        picture = photograph(scene, *size)
    else:
        picture = rng.choice([gradient, gradient, blobs, blobs, stripes, dots])(rng, *size)
    random_number = rng.random()
    if random_number < 0.2:
        picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.3, 0.7))
    elif random_number < 0.35:
        picture = picture.filter(ImageFilter.BoxBlur(rng.uniform(1, 4) * scene.zoom))
    return picture


def photograph(scene: Scene, width: int, height: int) -> Image.Image:
    """A part of one of the scene's backgrounds; drawn from blobs of colour where there are none."""
    rng = scene.rng
    if not scene.backgrounds:
        return blobs(rng, width, height)
    picture = Image.fromarray(np.ascontiguousarray(scene.backgrounds[rng.randrange(len(scene.backgrounds))]))
    largest = min(picture.width / width, picture.height / height)
    factor = largest if largest < 1 else rng.uniform(1, min(largest, 3))
    cut_width, cut_height = min(picture.width, width * factor), min(picture.height, height * factor)
    left, top = rng.uniform(0, picture.width - cut_width), rng.uniform(0, picture.height - cut_height)
    box = (left, top, left + cut_width, top + cut_height)
    return picture.resize((width, height), Image.Resampling.BICUBIC, box=box)


def gradient(rng: Random, width: int, height: int) -> Image.Image:
    """A gradient of two or three colours, along a line or from a point; sometimes in visible bands."""
    first = vivid(rng) if rng.random() < 0.6 else shade(rng.random(), rng.uniform(0.05, 0.95), rng.random())
    last = mixed(first, rng.choice([(255, 255, 255), (0, 0, 0), vivid(rng)]), rng.uniform(0.2, 1))
    stops = [first, last] if rng.random() < 0.75 else [first, vivid(rng), last]
    return ramp(rng, width, height, stops)


def ramp(rng: Random, width: int, height: int, stops: list[Colour]) -> Image.Image:
    """A linear gradient of these colours, in a random direction."""
    xs, ys = np.arange(width) / width, np.arange(height)[:, None] / height
    if rng.random() < 0.25:
        x, y = rng.random(), rng.random()
        place = np.sqrt((xs - x) ** 2 + (ys - y) ** 2)
    else:
        angle = rng.choice([0, math.pi / 2, rng.uniform(0, 2 * math.pi)])
        place = xs * round(math.cos(angle), 6) + ys * round(math.sin(angle), 6)
    place = (place - place.min()) / max(float(np.ptp(place)), 1e-6)
    if rng.random() < 0.15:
        bands = rng.randint(4, 24)
        place = np.floor(place * bands) / bands
    table = np.linspace(0, 1, len(stops))
    channels = [np.interp(place, table, [stop[channel] for stop in stops]) for channel in range(3)]
    return Image.fromarray(np.rint(np.stack(channels, axis=-1)).astype(np.uint8))


def blobs(rng: Random, width: int, height: int) -> Image.Image:
    """Soft colours with finer ones over them, as a picture out of focus."""
    numbers = np.random.default_rng(rng.getrandbits(63))
    hue = rng.random()
    base = np.array([shade(hue + rng.uniform(0, 0.3), rng.uniform(0.1, 0.85), rng.uniform(0.1, 0.7)) for _ in range(5)])
    made = None
    for cells, strength in ((rng.randint(3, 6), 1.0), (rng.randint(8, 30), rng.uniform(0.2, 0.5))):
        chosen = base[numbers.integers(0, len(base), (cells, cells))].astype(np.uint8)
        layer = Image.fromarray(chosen).resize((width, height), Image.Resampling.BICUBIC)
        layer = layer.filter(ImageFilter.BoxBlur(max(width, height) / cells / 3))
        made = layer if made is None else Image.blend(made, layer, strength)
    assert made is not None
    if rng.random() < 0.3:
        noise = numbers.integers(-12, 13, (height, width, 1))
        made = Image.fromarray(np.clip(np.asarray(made).astype(np.int16) + noise, 0, 255).astype(np.uint8))
    return made


def stripes(rng: Random, width: int, height: int) -> Image.Image:
    """Stripes of two colours, straight or diagonal."""
    one = shade(rng.random(), rng.uniform(0.2, 0.95), rng.random())
    other = mixed(one, rng.choice([(255, 255, 255), (0, 0, 0), vivid(rng)]), rng.uniform(0.1, 0.6))
    period, slant = rng.randint(4, 60), rng.choice([0, 0, 1, -1])
    place = np.arange(width) + slant * np.arange(height)[:, None]
    if slant == 0 and rng.random() < 0.5:
        place = np.broadcast_to(np.arange(height)[:, None], (height, width))
    chosen = np.broadcast_to(place // period % 2 == 0, (height, width))
    return Image.fromarray(np.where(chosen[..., None], np.array(one), np.array(other)).astype(np.uint8))


def dots(rng: Random, width: int, height: int) -> Image.Image:
    """A grid of dots, as patterned paper has."""
    ground = shade(rng.random(), rng.uniform(0.1, 0.97), rng.random())
    colour = mixed(ground, rng.choice([(255, 255, 255), (0, 0, 0), vivid(rng)]), rng.uniform(0.2, 0.7))
    period = rng.randint(8, 40)
    radius = period * rng.uniform(0.1, 0.4)
    offsets = np.arange(period) - (period - 1) / 2
    distance = np.sqrt(offsets**2 + offsets[:, None] ** 2)
    share = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    tile = np.rint(np.array(ground) * (1 - share) + np.array(colour) * share).astype(np.uint8)
    return Image.fromarray(np.tile(tile, (height // period + 1, width // period + 1, 1))[:height, :width])
