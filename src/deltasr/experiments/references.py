"""Rows of other people's methods, for those sets that they were measured on with this project's protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deltasr.experiments.experiment import TestSet
from deltasr.experiments.measuring import LPIPS, PSNR, SET, SSIM
from deltasr.experiments.papers import REFERENCE_SETS, REFERENCES, Reference
from deltasr.experiments.tables import Value


def referred(
    sets: Sequence[TestSet], references: Sequence[Reference] = REFERENCES
) -> Iterator[tuple[Reference, dict[str, Value]]]:
    """Each reference with its scores on each of the given sets that it has any for.

    Args:
        sets: whole ones.
        references: the methods.

    Yields:
        The reference, and the cells of `SCORE_COLUMNS`; method by method.
    """
    names = [test_set.benchmark.name for test_set in sets if _is_referred_to(test_set)]
    for reference in references:
        for name in names:
            if name in reference.scores:
                psnr, ssim, lpips = reference.scores[name]
                yield reference, {SET: name, PSNR: psnr, SSIM: ssim, LPIPS: lpips}


def _is_referred_to(test_set: TestSet) -> bool:
    """Whether a set is one that the references were measured on, scored with the same border."""
    border = 4 if test_set.border is None else test_set.border
    facts = (len(test_set.benchmark.pairs), border)
    return REFERENCE_SETS.get(test_set.benchmark.name) == facts
