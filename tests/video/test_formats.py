"""Names of video files and codecs; PyAV is not needed for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deltasr.errors import SettingError
from deltasr.video.formats import Encoding, is_video, result_suffix


def test_videos_are_known_by_their_suffix():
    assert is_video(Path("a/CLIP.MP4"))
    assert not is_video(Path("a/clip.gif"))


@pytest.mark.parametrize(("name", "suffix"), [("a.MOV", ".mov"), ("a.webm", ".webm"), ("a.avi", ".mkv")])
def test_a_result_has_the_suffix_of_its_source_where_that_can_be_written(name: str, suffix: str):
    assert result_suffix(Path(name)) == suffix


@pytest.mark.parametrize(
    ("name", "deep", "codec"),
    [("a.mp4", False, "h264"), ("a.mp4", True, "hevc"), ("a.webm", False, "av1"), ("a.webm", True, "av1")],
)
def test_the_codec_without_an_option(name: str, deep: bool, codec: str):
    assert Encoding().codec_for(Path(name), deep=deep) == codec


def test_factors_out_of_range_are_refused():
    with pytest.raises(SettingError, match="CRF of 64 is out of range"):
        Encoding(crf=64)
    with pytest.raises(SettingError, match="CRF of 60 is out of range"):
        Encoding(codec="hevc", crf=60)
    with pytest.raises(SettingError, match="out of range for h264; it goes up to 51"):
        Encoding(crf=60).codec_for(Path("a.mp4"), deep=False)


def test_webm_takes_av1_alone():
    with pytest.raises(SettingError, match="WebM cannot hold h264"):
        Encoding(codec="h264").codec_for(Path("a.webm"), deep=False)
