"""Names of video files, and the codecs that results are written in. PyAV is not loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deltasr.errors import SettingError

CONTAINERS: dict[str, str] = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Suffixes of files that can be written, to FFmpeg's names of their formats."""

VIDEO_SUFFIXES = frozenset(
    {*CONTAINERS, ".3gp", ".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".wmv"}
)
"""Suffixes by which a file is taken for a video."""

_HOLDS_MOST = ".mkv"

CodecName = Literal["h264", "hevc", "av1"]


@dataclass(frozen=True, kw_only=True)
class Codec:
    """A codec and the program that encodes it.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        crf: the default of its constant rate factor, from 0 to `largest_crf`; smaller is better and larger in bytes.
        pixel_formats: what it encodes, by FFmpeg's names.
        options: for the encoder.
    """

    encoder: str
    crf: float
    largest_crf: int
    pixel_formats: frozenset[str]
    options: tuple[tuple[str, str], ...] = ()


_8_BITS = frozenset({"yuv420p", "yuv422p", "yuv444p"})
_10_BITS = frozenset(f"{name}10le" for name in _8_BITS)

CODECS: dict[str, Codec] = {
    "h264": Codec(encoder="libx264", crf=18, largest_crf=51, pixel_formats=_8_BITS | _10_BITS),
    "hevc": Codec(
        encoder="libx265",
        crf=20,
        largest_crf=51,
        pixel_formats=_8_BITS | _10_BITS,
        options=(("x265-params", "log-level=none"),),
    ),
    "av1": Codec(
        encoder="libsvtav1",
        crf=25,
        largest_crf=63,
        pixel_formats=frozenset({"yuv420p", "yuv420p10le"}),
        options=(("preset", "8"), ("svtav1-params", "lp=2")),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a result is encoded.

    Attributes:
        codec: a name in `CODECS`; None for `av1` in WebM, else `hevc` for more than 8 bits, else `h264`.
        crf: the constant rate factor; None for the codec's default.

    Raises:
        SettingError: there is no such codec, or the factor is out of range for all codecs or for this one.
    """

    codec: str | None = None
    crf: float | None = None

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise SettingError(f"There is no codec '{self.codec}'; choose one of {', '.join(CODECS)}.")
        of = [CODECS[self.codec]] if self.codec is not None else list(CODECS.values())
        largest = max(codec.largest_crf for codec in of)
        if self.crf is not None and not 0 <= self.crf <= largest:
            raise SettingError(f"A CRF of {self.crf:g} is out of range; it goes from 0 (largest file) to {largest}.")

    def codec_for(self, target: Path, *, deep: bool) -> CodecName:
        """The codec of a result.

        Args:
            target: its file.
            deep: whether it has more than 8 bits.

        Raises:
            SettingError: WebM cannot hold the codec, or the factor is out of the codec's range.
        """
        webm = target.suffix.lower() == ".webm"
        name = self.codec or ("av1" if webm else "hevc" if deep else "h264")
        if webm and name != "av1":
            raise SettingError(f"WebM cannot hold {name}; choose --codec av1, or a result that ends in .mkv.")
        largest = CODECS[name].largest_crf
        if self.crf is not None and self.crf > largest:
            raise SettingError(f"A CRF of {self.crf:g} is out of range for {name}; it goes up to {largest}.")
        return name  # type: ignore[return-value]  # one of the keys of CODECS

    def crf_of(self, codec: str) -> float:
        """The factor that a codec is run with."""
        return CODECS[codec].crf if self.crf is None else self.crf


def is_video(path: Path) -> bool:
    """Whether a file is taken for a video, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def result_suffix(source: Path) -> str:
    """The suffix of a source's result: its own where it can be written, else that of Matroska, which holds most."""
    suffix = source.suffix.lower()
    return suffix if suffix in CONTAINERS else _HOLDS_MOST


def container_of(target: Path) -> str:
    """FFmpeg's name of the format of a result.

    Raises:
        SettingError: files of that suffix cannot be written.
    """
    suffix = target.suffix.lower()
    if suffix not in CONTAINERS:
        raise SettingError(f"{target} cannot be written; choose a name that ends in {', '.join(CONTAINERS)}.")
    return CONTAINERS[suffix]
