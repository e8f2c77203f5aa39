"""The result: one file of the new video stream and the source's other streams, with the packets they had."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from deltasr.errors import VideoError
from deltasr.files import whole
from deltasr.video.clip import Clip, Matrix
from deltasr.video.encoding import EncodedPacket, EncoderSettings
from deltasr.video.formats import CODECS, container_of
from deltasr.video.pyav import errors_of, load_av

_COPIED = ("audio", "subtitle")
_OF_THE_CONTAINER = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


def copied_streams(clip: Clip) -> list[Any]:
    """The streams whose packets are copied, in the order of the file."""
    return [stream for stream in clip.container.streams if stream.type in _COPIED and stream.codec_context is not None]


def require_room_for_streams(clip: Clip, target: Path) -> list[str]:
    """Make sure, before any work, that the result's container can hold the source's audio and subtitles.

    Returns:
        A sentence for each stream that is left out.

    Raises:
        VideoError: it cannot hold one of them.
        SettingError: files of the target's suffix cannot be written.
    """
    import io

    av = load_av()
    container = container_of(target)
    with av.open(io.BytesIO(), "w", format=container) as trial:
        for stream in copied_streams(clip):
            try:
                trial.add_stream_from_template(stream, opaque=True)
            except ValueError as error:
                raise VideoError(
                    f"{target} cannot hold the {stream.type} of {clip.path} ({stream.codec_context.name}); choose a "
                    f"result that ends in {'.mkv' if container != 'matroska' else clip.path.suffix}."
                ) from error
    copied = {stream.index for stream in copied_streams(clip)} | {clip.stream.index}
    chapters = "data" if clip.container.chapters() else None  # in MP4 they are a stream of data too
    left_out = [s for s in clip.container.streams if s.index not in copied and s.type != chapters]
    return [f"Stream {stream.index} ({stream.type or 'unknown'}) was left out." for stream in left_out]


def write_result(
    target: Path,
    packets: Iterable[tuple[int, EncodedPacket]],
    settings: EncoderSettings,
    source: Clip,
    *,
    matrix: Matrix | None,
    strip: bool,
) -> None:
    """Write the result, which appears whole or not at all.

    Args:
        target: its file.
        packets: of the video stream, in the order of decoding, each with its time of decoding.
        settings: of the encoder that made them.
        source: a clip, newly opened, whose other streams are copied.
        matrix: the display matrix of the result.
        strip: whether titles, dates and the like are left out; languages of streams are kept.

    Raises:
        VideoError: the source cannot be read, or the result cannot be written.
    """
    av = load_av()
    with (
        whole(target, what="The video", error=VideoError) as file,
        errors_of(target, "written"),
        av.open(file, "w", format=container_of(target), container_options={"fflags": "+bitexact"}) as output,
    ):
        video = output.add_stream(CODECS[settings.codec].encoder, rate=settings.rate)
        settings.apply(video)
        video.time_base = settings.time_base
        if settings.codec == "hevc" and output.format.name in ("mp4", "mov"):
            video.codec_context.codec_tag = "hvc1"  # the name that Apple's players know
        if matrix is not None:
            video.set_display_matrix(matrix)
        copies = {stream.index: _copy_of(stream, output) for stream in copied_streams(source)}
        for copy, original in [(video, source.stream), *((copies[s.index], s) for s in copied_streams(source))]:
            copy.metadata.update(original.metadata if not strip else _language(original.metadata))
        if not strip:
            output.metadata.update(
                {key: text for key, text in source.container.metadata.items() if key not in _OF_THE_CONTAINER}
            )
            output.set_chapters(source.container.chapters())
        output.start_encoding()
        new = ((dts * settings.time_base, _packet(piece, dts, video, settings.time_base)) for dts, piece in packets)
        old = ((time, _moved(packet, copies)) for time, packet in _old_packets(source))
        for _, packet in heapq.merge(new, old, key=lambda timed: timed[0]):
            output.mux_one(packet)


def _copy_of(stream: Any, output: Any) -> Any:
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.disposition = stream.disposition
    return copy


def _language(metadata: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in metadata.items() if key == "language"}


def _old_packets(source: Clip) -> Iterator[tuple[Fraction, Any]]:
    """The packets to copy, each with its time in seconds, which never goes back."""
    streams = copied_streams(source)
    if not streams:
        return
    time = Fraction(0)
    for packet in source.container.demux(*streams):
        if packet.dts is None:  # the empty packet at the end of a stream
            continue
        time = max(time, packet.dts * packet.time_base)
        yield time, packet


def _moved(packet: Any, copies: dict[int, Any]) -> Any:
    packet.stream = copies[packet.stream_index]
    return packet


def _packet(piece: EncodedPacket, dts: int, stream: Any, time_base: Fraction) -> Any:
    packet = load_av().Packet(piece.content)
    packet.stream = stream
    packet.time_base = time_base
    packet.pts, packet.dts, packet.duration = piece.pts, dts, piece.duration
    packet.is_keyframe = piece.is_key
    return packet
