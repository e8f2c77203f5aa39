"""One picture from standard input, to standard output, or both."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from deltasr.cli.messages import tell

if TYPE_CHECKING:
    from deltasr.inference.batch import Request
    from deltasr.inference.upscaler import Upscaler
    from deltasr.planning import Existing

STANDARD = Path("-")
"""Standard input as an input, standard output as an output."""


def upscale_through_pipe(
    inputs: tuple[Path, ...],
    output: Path | None,
    request: Request,
    existing: Existing,
    load_upscaler: Callable[[], Upscaler],
) -> int:
    """Upscale one picture that comes from standard input, goes to standard output, or both. Returns the exit status.

    Args:
        inputs: one, a file or `STANDARD`.
        output: a file or `STANDARD`, which None stands for.
        request: of the picture.
        existing: what happens if the output is a file that exists.
        load_upscaler: called when the picture has been read.

    Raises:
        SettingError: there are several inputs, a result without a name, or a terminal instead of a picture.
        PictureError: the picture cannot be read, or the result cannot be written.
    """
    from deltasr.errors import SettingError
    from deltasr.imaging import read_picture, write_picture
    from deltasr.inference.batch import upscale_picture
    from deltasr.planning import Job, Outcome, settled

    source, target = inputs[0], STANDARD if output is None else output
    if len(inputs) > 1 or source.is_dir():
        raise SettingError("Standard input and output, -, hold one picture each; name a single input.")
    if target == STANDARD and sys.stdout.isatty():
        raise SettingError("A picture cannot be printed on a terminal; name a file by --output, or pipe the output.")
    if source == STANDARD and sys.stdin.isatty():
        raise SettingError("There is no picture on standard input, which is a terminal; name a file, or pipe one in.")
    if target != STANDARD and (target.is_dir() or not target.suffix):
        raise SettingError(
            f"A picture from standard input has no name, so {target} cannot be a folder for it; name a file."
        )
    if target != STANDARD and (outcome := settled(Job(source=source, target=target), existing)) is not None:
        tell(outcome)
        return int(outcome.status == "failed")
    content = _StandardInput(sys.stdin.buffer.read()) if source == STANDARD else source
    picture = read_picture(content, max_pixels=request.max_pixels)
    format_name = request.output_format or (_format_of(content) if target == STANDARD else target.suffix)
    upscaler = load_upscaler()
    result = upscale_picture(picture, upscaler=upscaler, request=request, format_name=format_name)
    if target != STANDARD:
        target.parent.mkdir(parents=True, exist_ok=True)
    sink = cast(BinaryIO, _StandardOutput()) if target == STANDARD else target
    lost = write_picture(result, sink, format=format_name, quality=request.quality, strip=request.strip)
    notes = (*([] if upscaler.note is None else [upscaler.note]), *result.notes, *lost)
    size = result.height, result.width
    tell(Outcome(source=source, target=target, status="done", notes=notes, size=size), to_errors=target == STANDARD)
    return 0


class _StandardInput(io.BytesIO):
    """All bytes of standard input; error messages contain its name."""

    name = "Standard input"


class _StandardOutput:
    """Standard output as a file object for bytes; error messages contain its name."""

    name = "Standard output"

    def write(self, content: memoryview) -> int:
        rest = content
        with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as file:
            while rest:
                rest = rest[file.write(rest) or 0 :]
        return len(content)

    def flush(self) -> None:
        """Nothing: no bytes are held back."""


def _format_of(content: _StandardInput | Path) -> str:
    """The name of the format of a picture's file if that format can be written, else `png`."""
    from deltasr.imaging.formats import HEAD_SIZE, WRITABLE_FORMATS, format_of_content

    if isinstance(content, Path):
        with content.open("rb") as file:
            head = file.read(HEAD_SIZE)
    else:
        head = content.getvalue()[:HEAD_SIZE]
    found = format_of_content(head)
    return found if found in WRITABLE_FORMATS else "png"
