"""Other people's methods, measured with this project's protocol on whole sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deltasr.experiments.experiment import SCALE, TestSet
from deltasr.experiments.measuring import LPIPS, PICTURES, PSNR, SET, SSIM
from deltasr.experiments.tables import Value


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Another method, measured with this project's protocol: PSNR-Y, SSIM-Y and LPIPS-alex by set.

    Attributes:
        method: its name.
        parameters: in millions; None where they are not known.
        scores: by set.
    """

    method: str
    parameters: float | None
    scores: Mapping[str, tuple[float, float, float]]


REFERENCE_SOURCE = "docs/evaluation.md, reference values (whole set)"
REFERENCE_SETS: Mapping[str, tuple[int, int]] = {"Set5": (5, 4), "Set14": (14, 4), "DeltaDiffSet14": (14, 0)}
"""The number of pictures in each set of the references, and the border left out of their scores."""

REFERENCES = (
    Reference(
        method="RLFN",
        parameters=0.32,
        scores={
            "Set5": (32.10, 0.8939, 0.175),
            "Set14": (28.60, 0.7815, 0.288),
            "DeltaDiffSet14": (24.59, 0.7159, 0.323),
        },
    ),
    Reference(
        method="RFDN",
        parameters=0.43,
        scores={
            "Set5": (32.16, 0.8946, 0.175),
            "Set14": (28.65, 0.7825, 0.287),
            "DeltaDiffSet14": (24.63, 0.7175, 0.322),
        },
    ),
    Reference(
        method="IMDN",
        parameters=0.89,
        scores={
            "Set5": (32.25, 0.8959, 0.175),
            "Set14": (28.70, 0.7840, 0.285),
            "DeltaDiffSet14": (24.75, 0.7221, 0.316),
        },
    ),
    Reference(
        method="LWFANet",
        parameters=0.83,
        scores={
            "Set5": (32.34, 0.8967, 0.178),
            "Set14": (28.75, 0.7849, 0.285),
            "DeltaDiffSet14": (24.77, 0.7220, 0.321),
        },
    ),
    Reference(
        method="SRGAN",
        parameters=0.73,
        scores={
            "Set5": (30.70, 0.8633, 0.130),
            "Set14": (27.77, 0.7554, 0.241),
            "DeltaDiffSet14": (24.08, 0.6880, 0.284),
        },
    ),
)

DELTADIFF_IMAGES = Reference(
    method="DeltaDiff's released pictures", parameters=None, scores={"DeltaDiffSet14": (24.19, 0.6796, 0.2065)}
)
"""The results that were published with DeltaDiff's set; its Table I has other numbers."""


def reference_scores(
    sets: Sequence[TestSet], references: Sequence[Reference] = REFERENCES
) -> Iterator[tuple[Reference, dict[str, Value]]]:
    """Scores of other people's methods on those of the sets that they were measured on with this project's protocol.

    Args:
        sets: as they are measured; those of a quick run, which are cut short, have no references.
        references: the methods.

    Yields:
        The reference, and the cells of `SCORE_COLUMNS`; method by method.
    """
    names = [test_set.benchmark.name for test_set in sets if _has_references(test_set)]
    for reference in references:
        for name in names:
            if name in reference.scores:
                psnr, ssim, lpips = reference.scores[name]
                yield reference, {SET: name, PICTURES: REFERENCE_SETS[name][0], PSNR: psnr, SSIM: ssim, LPIPS: lpips}


def _has_references(test_set: TestSet) -> bool:
    """Whether the references were measured on the same pictures with the same border."""
    border = SCALE if test_set.border is None else test_set.border
    return REFERENCE_SETS.get(test_set.benchmark.name) == (len(test_set.benchmark.pairs), border)
