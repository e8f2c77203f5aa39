"""The script of `make demo`: upscale pictures, and make a picture of the inputs and results side by side.

python scripts/demo.py PICTURES OUTPUT
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

from deltasr import Upscaler, load
from deltasr.errors import DeltasrError
from deltasr.imaging import READABLE_SUFFIXES, read_picture, write_picture

_MODEL = "deltadiff-x4"
_COMPARISON = "side-by-side.png"
_HEADINGS = ("input, nearest", "bicubic", "deltasr, most faithful", "deltasr, default")
_HEADING_HEIGHT = 28
_GAP = 8


def _row(source: Path, results: list[Image.Image]) -> list[Image.Image]:
    small = read_picture(source).to_pil().convert("RGB")
    filters = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
    return [small.resize(results[0].size, by) for by in filters] + [result.convert("RGB") for result in results]


def _side_by_side(rows: list[list[Image.Image]]) -> Image.Image:
    panel_width = max(row[0].width for row in rows)
    width = len(_HEADINGS) * (panel_width + _GAP) - _GAP
    sheet = Image.new("RGB", (width, _HEADING_HEIGHT + sum(row[0].height + _GAP for row in rows) - _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(_HEADINGS):
        draw.text((column * (panel_width + _GAP) + 4, 4), heading, fill="black", font_size=18)
    top = _HEADING_HEIGHT
    for row in rows:
        for column, panel in enumerate(row):
            sheet.paste(panel, (column * (panel_width + _GAP), top))
        top += row[0].height + _GAP
    return sheet


def main(pictures: Path, output: Path) -> None:
    """Upscale every picture of a folder, write the results and the comparison, and print their paths."""
    output.mkdir(parents=True, exist_ok=True)
    upscaler = Upscaler(load(_MODEL))
    rows = []
    started = time.perf_counter()
    for source in sorted(path for path in pictures.iterdir() if path.suffix.lower() in READABLE_SUFFIXES):
        before = time.perf_counter()
        result = upscaler.upscale(source)
        target = output / f"{source.stem}.png"
        write_picture(result, target)
        print(f"{target}: {result.width}x{result.height} pixels in {time.perf_counter() - before:.2f} s")
        most_faithful = upscaler.upscale(source, fidelity=1.0)
        rows.append(_row(source, [most_faithful.to_pil(), result.to_pil()]))
    _side_by_side(rows).save(output / _COMPARISON)
    print(f"{output / _COMPARISON}: {len(rows)} pictures beside nearest and bicubic")
    print(f"total: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except DeltasrError as error:
        sys.exit(f"demo: {error}")
