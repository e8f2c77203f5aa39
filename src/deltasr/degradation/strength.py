"""The scale of strengths of the degradation `web`, from 0 (clean) to 1 (strong), as far as JPEG determines it."""

from __future__ import annotations

JPEG_ALONE = 0.5
"""The largest strength at which a single JPEG compression is the only degradation."""

_BEST_QUALITY, _WORST_QUALITY = 100, 30


def quality_of(strength: float) -> int:
    """The JPEG quality of a strength up to `JPEG_ALONE`."""
    return round(_BEST_QUALITY - (_BEST_QUALITY - _WORST_QUALITY) * strength / JPEG_ALONE)


def strength_of(quality: float) -> float:
    """The strength whose pictures were saved once at a JPEG quality, 1 to 100; above `JPEG_ALONE` below quality 30."""
    return (_BEST_QUALITY - quality) * JPEG_ALONE / (_BEST_QUALITY - _WORST_QUALITY)
