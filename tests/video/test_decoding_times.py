"""Times of decoding: they increase, never pass the time of showing, and are the same however segments are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest

from deltasr.video.decoding_times import depth_of, timed
from deltasr.video.encoding import EncodedPacket


def packets(*times: int) -> list[EncodedPacket]:
    return [EncodedPacket(pts=pts, duration=1, is_key=False, content=b"") for pts in times]


@pytest.mark.parametrize(
    ("times", "depth"),
    [((0, 1, 2, 3), 0), ((0, 2, 1, 3), 1), ((0, 4, 2, 1, 3), 2), ((5,), 0), ((), 0)],
)
def test_the_depth_is_how_late_a_packet_comes(times: tuple[int, ...], depth: int):
    assert depth_of(packets(*times)) == depth


def test_times_of_two_segments():
    segments = [packets(0, 40, 20, 10, 30), packets(50, 60)]
    assert [dts for dts, _ in timed(segments, depth=2, step=10)] == [-20, -10, 0, 10, 20, 30, 40]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (0, 4, 2, 1, 3), (0, 3, 1, 2, 4)])
def test_times_increase_and_are_not_after_showing(order: tuple[int, ...]):
    shown = (0, 7, 8, 100, 101)  # a variable rate
    segments = [packets(*(shown[place] + 1000 * number for place in order)) for number in range(3)]
    depth = max(map(depth_of, segments))
    found = list(timed(segments, depth=depth, step=5))
    times = [dts for dts, _ in found]
    assert all(before < after for before, after in pairwise(times))
    assert all(dts <= packet.pts for dts, packet in found)
