"""Which rows of other people's methods stand beside a set."""

from __future__ import annotations

from dataclasses import replace

from deltasr.experiments.experiment import Settings, TestSet
from deltasr.experiments.references import DELTADIFF_IMAGES, REFERENCES, reference_scores


def whole(settings: Settings, name: str, border: int | None, count: int = 14) -> TestSet:
    """A set that passes for a whole benchmark set."""
    (test_set,) = settings.sets
    benchmark = replace(test_set.benchmark, name=name, pairs=test_set.benchmark.pairs * count)
    return replace(test_set, benchmark=benchmark, border=border)


def test_methods_are_given_on_the_sets_that_they_have_numbers_for(settings: Settings):
    sets = [whole(settings, "Set14", None), whole(settings, "DeltaDiffSet14", 0)]
    found = [
        (reference.method, cells["set"])
        for reference, cells in reference_scores(sets, (REFERENCES[0], DELTADIFF_IMAGES))
    ]
    assert found == [
        ("RLFN", "Set14"),
        ("RLFN", "DeltaDiffSet14"),
        ("DeltaDiff's released pictures", "DeltaDiffSet14"),
    ]
    by_set = {cells["set"]: cells for _, cells in reference_scores(sets, REFERENCES[:1])}
    assert by_set["Set14"] == {"set": "Set14", "pictures": 14, "PSNR-Y": 28.60, "SSIM-Y": 0.7815, "LPIPS": 0.288}


def test_sets_that_are_cut_short_or_scored_otherwise_have_none(settings: Settings):
    sets = [whole(settings, "Set14", None, 3), whole(settings, "Set14", 0), whole(settings, "DeltaDiffSet14", None)]
    assert list(reference_scores(sets, (*REFERENCES, DELTADIFF_IMAGES))) == []
