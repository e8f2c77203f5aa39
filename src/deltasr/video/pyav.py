"""PyAV, imported when the first video is opened, and its errors as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltasr.errors import VideoError, reason


def load_av() -> Any:
    """The package PyAV.

    Raises:
        VideoError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError("Videos need the package PyAV: pip install -e '.[video]'.") from error
    return av


@contextmanager
def errors_of(path: Path, doing: str) -> Iterator[None]:
    """Turn FFmpeg's errors into a sentence on a file.

    Args:
        path: the file.
        doing: what cannot be done, such as `read`.

    Raises:
        VideoError: FFmpeg, or the operating system, refused.
    """
    av = load_av()
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path} cannot be {doing}: {reason_of(error)}.") from error


def reason_of(error: BaseException) -> str:
    """FFmpeg's text without its number and without the path."""
    return getattr(error, "strerror", None) or reason(error)
