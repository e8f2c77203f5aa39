"""Times of decoding (`dts`) for packets that come in the order of decoding and know when they are shown (`pts`).

Encoders state them too, but x265 states undefined ones for a few frames alone, as the last segment of a video may have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from deltasr.video.encoding import EncodedPacket


def depth_of(packets: Sequence[EncodedPacket]) -> int:
    """By how many places a packet comes later than it would in the order of showing, at most."""
    place = {pts: rank for rank, pts in enumerate(sorted(packet.pts for packet in packets))}
    return max((number - place[packet.pts] for number, packet in enumerate(packets)), default=0)


def timed(segments: Iterable[Sequence[EncodedPacket]], *, depth: int, step: int) -> Iterator[tuple[int, EncodedPacket]]:
    """Each packet with its time of decoding: the time at which the packet `depth` places before it is shown.

    The times increase, and none is after the packet's own `pts`.

    Args:
        segments: the packets of each; all of a segment are shown before all of the next one.
        depth: the largest `depth_of` a segment.
        step: between the times before the first packet is shown, in units of the time base.
    """
    times: deque[int] = deque()
    for number, packets in enumerate(segments):
        shown = sorted(packet.pts for packet in packets)
        if number == 0:
            times.extend(shown[0] - step * (depth - before) for before in range(depth))
        times.extend(shown)
        for packet in packets:
            yield times.popleft(), packet
