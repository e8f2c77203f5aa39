"""Upscaling one video: from a file to a file, frame by frame, in segments that outlive an interruption."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltasr import __version__
from deltasr.errors import PictureError, SettingError, VideoError
from deltasr.inference import sizes
from deltasr.planning import Job, Outcome
from deltasr.video import muxing
from deltasr.video.clip import Clip, display_matrix, enlarged_matrix, opened
from deltasr.video.decoding_times import depth_of, timed
from deltasr.video.encoding import EncoderSettings, encoded
from deltasr.video.formats import Encoding
from deltasr.video.frames import bits_of, frame_of, look_for, picture_of
from deltasr.video.pyav import errors_of, load_av
from deltasr.video.segments import FRAMES, Segment, Segments

if TYPE_CHECKING:
    from deltasr.inference.batch import Request
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.facts import Facts
    from deltasr.models.interface import ModelInterface

_ESTIMATED_FRAMES = 9
"""Key frames whose estimates of how degraded they are decide for all frames, so that it does not change on the way."""


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is decided before the first frame is upscaled.

    Attributes:
        encoder: settings of the result's encoder.
        request: with a restoration that is a number, for models that restore.
        matrix: the display matrix of the result.
        notes: sentences for the user.
    """

    encoder: EncoderSettings
    request: Request
    matrix: tuple[int, ...] | None
    notes: tuple[str, ...]


def upscale_clip(
    job: Job,
    *,
    upscaler: Upscaler,
    request: Request,
    encoding: Encoding,
    progress: Callable[[Job, float], None] = lambda job, share: None,
) -> Outcome:
    """Upscale a video into another; audio, subtitles, chapters, rotation, time stamps and colour tags are kept.

    One frame is in memory at a time, besides those that the encoder holds. Every `segments.FRAMES` frames a segment is
    written into the folder `NAME.parts` beside the result; if the folder is there from an interrupted run of the same
    job, its segments are used. It is removed at the end.

    Args:
        job: the two files; the folder of the result is made.
        upscaler: what to upscale with. Models that use noise use the same noise in every frame.
        request: the settings, without a map, an output format and a quality.
        encoding: codec and quality of the result.
        progress: called with the job and the share of it that is finished, in (0, 1].

    Raises:
        VideoError: the video cannot be read, its other streams cannot be held, or the result cannot be written.
        SettingError: a setting is not for videos, or not possible.
        PictureError, ModelError: as `Upscaler.upscale`.
    """
    started = time.monotonic()
    require_for_videos(request)
    with opened(job.source, max_pixels=request.max_pixels) as clip:
        left_out = muxing.require_room_for_streams(clip, job.target)
        work = _prepared(clip, job.target, upscaler.model, request, encoding)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    segments = Segments(job.target)
    finished = segments.begin(_key(job.source, upscaler, work))
    with opened(job.source, max_pixels=request.max_pixels) as clip:
        total = clip.expected_frames
        expected = max(total or 0, finished) or None

        def report(frames: float) -> None:
            if expected is not None:
                progress(job, min(frames / expected, 0.999))

        report(finished)
        frames = _write_segments(clip, segments, finished, upscaler, work, report)
        read_notes = clip.notes
    with opened(job.source) as clip:
        depth = max(map(depth_of, segments.packets()), default=0)
        packets = timed(segments.packets(), depth=depth, step=clip.typical_step)
        muxing.write_result(job.target, packets, work.encoder, clip, matrix=work.matrix, strip=request.strip)
    segments.remove()
    progress(job, 1.0)
    resumed = (f"{finished} frames were there from an interrupted run.",) if finished else ()
    made = f"{frames} frames in {work.encoder.codec} at CRF {work.encoder.crf:g}."
    return Outcome(
        source=job.source,
        target=job.target,
        status="done",
        notes=(made, *resumed, *work.notes, *left_out, *read_notes),
        size=work.encoder.size,
        seconds=time.monotonic() - started,
    )


def foresee_clip(job: Job, *, model: Facts, request: Request, encoding: Encoding) -> Outcome:
    """The outcome that `upscale_clip` would have, without upscaling and without torch.

    Raises:
        VideoError, SettingError, PictureError: as `upscale_clip`.
    """
    require_for_videos(request)
    with opened(job.source, max_pixels=request.max_pixels) as clip:
        left_out = muxing.require_room_for_streams(clip, job.target)
        encoding.codec_for(job.target, deep=False)
        size = result_size(model, clip.size, request)
        frames = f"about {clip.expected_frames} frames." if clip.expected_frames else "an unknown number of frames."
    return Outcome(source=job.source, target=job.target, status="planned", notes=(frames, *left_out), size=size)


def require_for_videos(request: Request) -> None:
    """Make sure that a request has no settings that are for pictures only.

    Raises:
        SettingError: it has one.
    """
    for name, value in (
        ("map", request.map), ("output format", request.output_format), ("quality", request.quality)
    ):  # fmt: skip
        if value is not None:
            raise SettingError(
                f"A {name} is for pictures; for videos leave it out (--crf sets the quality, the result's suffix the "
                "format)."
            )


def result_size(model: ModelInterface | Facts, size: tuple[int, int], request: Request) -> tuple[int, int]:
    """The (height, width) of a result's frames: as for pictures, then rounded to even numbers, which codecs need.

    Raises:
        PictureError, SettingError: the size is not possible.
    """
    asked = request.size_of(*size)
    try:
        height, width = sizes.sizes_of_passes(model, size, scale=request.scale, size=asked)[-1]
    except SettingError as error:
        if asked is None:
            raise
        raise PictureError(str(error)) from error
    return 2 * max(1, round(height / 2)), 2 * max(1, round(width / 2))


def _prepared(clip: Clip, target: Path, model: ModelInterface, request: Request, encoding: Encoding) -> _Work:
    """Look at the first frame, and at key frames where a restoration has to be estimated."""
    first = next(iter(clip.frames()))
    codec = encoding.codec_for(target, deep=bits_of(first) > 8)
    look, lost = look_for(first, codec)
    size = result_size(model, clip.size, request)
    growth = Fraction(size[0], clip.size[0]), Fraction(size[1], clip.size[1])
    matrix = display_matrix(first)
    encoder = EncoderSettings(
        codec=codec,
        crf=encoding.crf_of(codec),
        size=size,
        look=look,
        rate=clip.rate,
        time_base=clip.time_base,
        aspect=clip.stream.sample_aspect_ratio or None,
    )
    notes = list(lost)
    if model.restoring and request.restoration == "auto":
        strength = _estimated_restoration(clip.path, request)
        request = replace(request, restoration=strength)
        if strength:
            notes.append(f"Restoration {strength:g} for all frames, the median of estimates for its key frames.")
    return _Work(
        encoder=encoder,
        request=request,
        matrix=None if matrix is None else enlarged_matrix(matrix, *growth),
        notes=tuple(notes),
    )


def _estimated_restoration(source: Path, request: Request) -> float:
    """One value for the whole video: the median over its first key frames."""
    from deltasr.inference.conditions import decided_restoration

    with opened(source, max_pixels=request.max_pixels, only_key_frames=True) as clip:
        sample = islice(clip.frames(), _ESTIMATED_FRAMES)
        return statistics.median(decided_restoration(picture_of(frame), "auto")[0] for frame in sample)


def _write_segments(
    clip: Clip,
    segments: Segments,
    finished: int,
    upscaler: Upscaler,
    work: _Work,
    report: Callable[[float], None],
) -> int:
    """Upscale what is not finished, segment by segment. Returns the number of all frames."""
    source = clip.frames()
    if sum(1 for _ in islice(source, finished)) < finished:
        raise VideoError(f"{clip.path} has fewer frames than {segments.folder} has finished; remove that folder.")
    while True:
        before = clip.frames_read
        larger = _larger(islice(source, FRAMES), before, upscaler, work, report)
        with errors_of(segments.target, "encoded"):
            packets = list(encoded(larger, work.encoder))
        if clip.frames_read == before:
            return before
        segments.add(Segment(frames=clip.frames_read - before, packets=packets))


def _larger(
    frames: Iterator[Any], first: int, upscaler: Upscaler, work: _Work, report: Callable[[float], None]
) -> Iterator[Any]:
    for number, frame in enumerate(frames, first):

        def shown(share: float, number: int = number) -> None:
            report(number + share)

        yield _upscaled(frame, upscaler, work, shown)


def _upscaled(frame: Any, upscaler: Upscaler, work: _Work, report: Callable[[float], None]) -> Any:
    request = work.request
    result = upscaler.upscale(
        picture_of(frame),
        size=work.encoder.size,
        seed=request.seed,
        fidelity=request.fidelity,
        restoration=request.restoration,
        progress=report,
    )
    return frame_of(result, work.encoder.look, pts=frame.pts, time_base=work.encoder.time_base, duration=frame.duration)


def _key(source: Path, upscaler: Upscaler, work: _Work) -> str:
    """Text that differs between jobs whose segments differ."""
    stat = source.stat()
    facts = (
        __version__,
        load_av().__version__,
        (source.resolve().as_posix(), stat.st_size, stat.st_mtime_ns),
        (upscaler.model.name, upscaler.model.description, upscaler.model.weights_sha256()),
        (upscaler.device.type, str(upscaler.dtype), upscaler.tile, upscaler.consistent, upscaler.ensemble),
        work,
    )
    return repr(facts)
