"""A video upscaled from a file to a file: what is kept, what is refused, and what an interruption leaves."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import deltasr
from deltasr.errors import SettingError, VideoError
from deltasr.imaging import Picture
from deltasr.inference.batch import Request
from deltasr.inference.upscaler import Upscaler
from deltasr.planning import Job
from deltasr.video import clip as clips
from deltasr.video import upscaling
from deltasr.video.formats import Encoding
from deltasr.video.frames import picture_of
from deltasr.video.segments import Segments

av = pytest.importorskip("av", reason="needs the extra 'video'")

VARIABLE = (0, 3, 4, 9, 10, 11, 30, 31)
"""Time stamps of a variable rate, in 1/30 s."""


def luma_error(result, source) -> float:
    """Mean difference, in levels, between a result's frame and the source's, enlarged by repeating pixels."""
    large = picture_of(result).pixels.astype(int)
    small = picture_of(source).pixels.astype(int)
    return float(np.abs(large.reshape(small.shape[0], 4, small.shape[1], 4, 3).mean(axis=(1, 3)) - small).mean())


def test_every_frame_is_there_larger_and_the_same_scene(make_clip, upscale, frames_of):
    source = make_clip()
    target, outcome = upscale(source)
    before, after = frames_of(source), frames_of(target)
    assert [(frame.height, frame.width) for frame in after] == [(64, 96)] * 8
    assert (outcome.size, outcome.notes[0]) == ((64, 96), "8 frames in h264 at CRF 4.")
    right = [luma_error(large, small) for large, small in zip(after, before, strict=True)]
    wrong = [luma_error(large, small) for large, small in zip(after, before[1:], strict=False)]
    assert max(right) < 4 < min(wrong)
    assert [file.name for file in target.parent.iterdir()] == ["large.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("times", [range(8), VARIABLE], ids=["constant", "variable"])
def test_time_stamps_are_kept(make_clip, upscale, frames_of, suffix: str, times):
    target, _ = upscale(make_clip(times=times), f"large{suffix}")
    shown = [frame.pts * frame.time_base for frame in frames_of(target)]
    tolerance = Fraction(1, 1000) if suffix == ".mkv" else 0  # Matroska counts in milliseconds
    assert all(abs(there - Fraction(time, 30)) <= tolerance for there, time in zip(shown, times, strict=True))


def test_audio_and_subtitles_are_copied_packet_by_packet(make_clip, upscale, packets_of):
    source = make_clip(audio="aac", subtitle=True)
    target, _ = upscale(source)
    for kind in ("audio", "subtitle"):
        assert packets_of(target, kind) == packets_of(source, kind) != []
    with av.open(str(target)) as container:
        (sound,) = container.streams.audio
        assert sound.metadata["language"] == "deu"
        assert container.metadata["title"] == "Waves"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One"]


def test_strip_leaves_titles_out_and_keeps_languages(make_clip, upscale):
    target, _ = upscale(make_clip(audio="aac"), strip=True)
    with av.open(str(target)) as container:
        assert "title" not in container.metadata
        assert container.chapters() == []
        assert container.streams.audio[0].metadata["language"] == "deu"


@pytest.mark.parametrize("degrees", [90, 180, -90])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_is_kept(make_clip, upscale, frames_of, degrees: int, suffix: str):
    source = make_clip(turned=degrees)
    target, _ = upscale(source, f"large{suffix}")
    assert {frame.rotation for frame in frames_of(target)} == {frame.rotation for frame in frames_of(source)} != {0}


def test_the_shift_of_a_rotation_grows_with_the_frame():
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 16 << 16, 0, 1 << 30)
    assert clips.enlarged_matrix(quarter, Fraction(4), Fraction(3))[6:8] == (64 << 16, 0)


def test_ten_bits_stay_ten_bits(make_clip, upscale, frames_of):
    source = make_clip(codec="libx265", pixel_format="yuv420p10le", colour=(9, 1, 9, 16))
    target, outcome = upscale(source)
    assert "hevc" in outcome.notes[0]
    for frame in frames_of(target):
        assert frame.format.name == "yuv420p10le"
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (9, 1, 9, 16)
    values = np.unique(picture_of(frames_of(target)[0]).pixels)
    assert len(values) > 300  # more than 8 bits have


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_other_codecs(make_clip, upscale, frames_of, codec: str):
    target, _ = upscale(make_clip(size=(16, 24), times=range(3)), "large.mkv", codec=codec)
    with av.open(str(target)) as container:
        name = container.streams.video[0].codec_context.name
    assert codec in name or (codec == "av1" and "dav1d" in name)
    assert len(frames_of(target)) == 3


def test_hevc_in_mp4_has_the_name_that_apples_players_know(make_clip, upscale):
    target, _ = upscale(make_clip(times=range(2)), codec="hevc")
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_what_the_encoder_refuses_is_one_sentence(make_clip, upscale):
    with pytest.raises(VideoError, match=r"large\.mp4 cannot be encoded"):
        upscale(make_clip(), codec="hevc", scale=0.1)  # 2x2 pixels


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_last_segment_of_any_length(make_clip, upscale, frames_of, monkeypatch: pytest.MonkeyPatch, codec: str):
    """x265 gives undefined times of decoding for so few frames."""
    monkeypatch.setattr(upscaling, "FRAMES", 4)
    for frames in (5, 6):
        target, _ = upscale(make_clip(times=range(frames)), f"{frames}.mp4", codec=codec)
        shown = [frame.pts * frame.time_base for frame in frames_of(target)]
        assert shown == [Fraction(number, 30) for number in range(frames)]


def test_a_smaller_crf_gives_a_larger_file(make_clip, upscale):
    source = make_clip(size=(32, 48))
    sizes = [upscale(source, f"{crf}.mp4", crf=crf)[0].stat().st_size for crf in (5, 40)]
    assert sizes[0] > sizes[1]


def test_sizes_become_even(make_clip, upscale, frames_of):
    target, outcome = upscale(make_clip(size=(18, 26)), scale=1.5)
    assert outcome.size == (28, 40)  # 27 and 39
    assert (frames_of(target)[0].height, frames_of(target)[0].width) == (28, 40)


def stopped_after(frames: int):
    """An `Upscaler.upscale` that is interrupted after some frames."""
    original = Upscaler.upscale
    left = [frames]

    def upscale(self, source, **settings):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return original(self, source, **settings)

    return upscale


def test_an_interrupted_upscale_goes_on_and_ends_in_the_same_bytes(make_clip, upscale, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upscaling, "FRAMES", 3)
    source = make_clip(times=VARIABLE, audio="aac")
    straight, _ = upscale(source, "straight.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(Upscaler, "upscale", stopped_after(7))
        with pytest.raises(KeyboardInterrupt):
            upscale(source)
    target = straight.with_name("large.mp4")
    assert not target.exists()
    assert len(list(Segments(target).folder.glob("*.segment"))) == 2
    monkeypatch.setattr(Upscaler, "upscale", stopped_after(2))  # 8 frames, of which 6 are there
    _, outcome = upscale(source)
    assert "6 frames were there from an interrupted run." in outcome.notes
    assert target.read_bytes() == straight.read_bytes()
    assert not Segments(target).folder.exists()


@pytest.mark.parametrize("change", ["settings", "source"])
def test_segments_of_another_job_are_not_used(make_clip, upscale, monkeypatch: pytest.MonkeyPatch, change: str):
    monkeypatch.setattr(upscaling, "FRAMES", 3)
    source = make_clip()
    with monkeypatch.context() as patch:
        patch.setattr(Upscaler, "upscale", stopped_after(4))
        with pytest.raises(KeyboardInterrupt):
            upscale(source)
    if change == "source":
        os.utime(source, ns=(0, 0))
    _, outcome = upscale(source, crf=30 if change == "settings" else 4)
    assert not [note for note in outcome.notes if "interrupted" in note]


def test_no_frame_is_read_before_it_is_needed(make_clip, upscale, monkeypatch: pytest.MonkeyPatch):
    """Memory is bounded: the reader is never ahead of the upscaler by more than the frame in hand."""
    read, ahead = [0], []
    frames, original = clips.Clip.frames, Upscaler.upscale

    def counted(self) -> Iterator:
        for frame in frames(self):
            read[0] += 1
            yield frame

    def upscale_one(self, source: Picture, **settings) -> Picture:
        ahead.append(read[0])
        return original(self, source, **settings)

    monkeypatch.setattr(clips.Clip, "frames", counted)
    monkeypatch.setattr(Upscaler, "upscale", upscale_one)
    upscale(make_clip(times=range(20)))
    assert [after - before for before, after in pairwise(ahead)] == [1] * 19


def test_the_share_that_is_finished_grows_to_one(make_clip, tmp_path: Path):
    shares: list[float] = []
    upscaling.upscale_clip(
        Job(source=make_clip(), target=tmp_path / "large.mp4"),
        upscaler=Upscaler(deltasr.load("bicubic"), device="cpu"),
        request=Request(),
        encoding=Encoding(),
        progress=lambda job, share: shares.append(share),
    )
    assert shares == sorted(shares)
    assert len(set(shares)) >= 8
    assert shares[-1] == 1.0


def test_one_restoration_for_all_frames(make_clip, upscale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seen: list[object] = []
    original = Upscaler.upscale

    def upscale_one(self, source, *, restoration, **settings):
        seen.append(restoration)
        return original(self, source, restoration=restoration, **settings)

    monkeypatch.setattr(Upscaler, "upscale", upscale_one)
    upscaling.upscale_clip(
        Job(source=make_clip(times=range(3)), target=tmp_path / "large.mp4"),
        upscaler=Upscaler(deltasr.load("deltadiff-x4"), device="cpu"),
        request=Request(),
        encoding=Encoding(),
    )
    assert len(seen) == 3
    assert isinstance(seen[0], float)
    assert len(set(seen)) == 1


def test_a_container_that_cannot_hold_the_audio_is_refused_before_any_work(
    make_clip, upscale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    source = make_clip("clip.mkv", audio="pcm_s16le")
    monkeypatch.setattr(Upscaler, "upscale", stopped_after(0))
    with pytest.raises(VideoError, match=r"cannot hold the audio of .*pcm_s16le.*ends in \.mkv"):
        upscale(source, "large.webm")
    assert not (tmp_path / "results").exists()


def damaged(path: Path) -> Path:
    """The clip with zeros in the middle of its second frame."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    place, size = packets[1]
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    return path


def test_a_damaged_packet_costs_no_other_frames(make_clip, upscale, frames_of):
    source = damaged(make_clip("clip.avi", codec="mjpeg", pixel_format="yuvj420p", colour=(5, 2, 1, 1)))
    target, outcome = upscale(source)
    assert len(frames_of(target)) == 7
    assert "1 packets are damaged and were left out." in outcome.notes


@pytest.mark.parametrize("content", [b"", b"no video", struct.pack(">I4s", 8, b"ftyp")])
def test_what_is_no_video_is_refused(upscale, tmp_path: Path, content: bytes):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"clip\.mp4"):
        upscale(tmp_path / "clip.mp4")
    assert not (tmp_path / "results" / "large.mp4").exists()


def test_a_file_of_sound_alone_is_refused(upscale, tmp_path: Path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=48000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts = 48000, 0
        output.mux(sound.encode(silence))
        output.mux(sound.encode(None))
    with pytest.raises(VideoError, match="holds no video"):
        upscale(path)


def test_frames_that_are_too_large_are_refused(make_clip, upscale):
    with pytest.raises(VideoError, match=r"24x16 pixels, more than 100; raise --max-pixels"):
        upscale(make_clip(), max_pixels=100)


@pytest.mark.parametrize("setting", [{"map": "error"}, {"quality": 90}, {"output_format": "png"}])
def test_settings_for_pictures_are_refused(make_clip, upscale, setting: dict):
    with pytest.raises(SettingError, match="is for pictures"):
        upscale(make_clip(), **setting)


def test_the_same_clip_gives_the_same_bytes(make_clip, upscale):
    source = make_clip(audio="aac")
    assert upscale(source, "a.mkv")[0].read_bytes() == upscale(source, "b.mkv")[0].read_bytes()
