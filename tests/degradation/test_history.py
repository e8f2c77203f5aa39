"""What degradations say of what they did: complete, in order, and without changing anything."""

from __future__ import annotations

import pytest
import torch

from deltasr.degradation import KINDS, History, Operation, RealESRGAN, degrade, degrade_with_history
from deltasr.degradation.draws import generator_for
from deltasr.degradation.history import compression, resize_to

SEEDS = range(40)


def pictures(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 41, 34, generator=torch.Generator().manual_seed(7))


def histories(kind: str) -> list[History]:
    return [history for seed in SEEDS for history in degrade_with_history(pictures(1), kind=kind, seed=seed)[1]]


def names(history: History) -> list[str]:
    return [operation.name for operation in history]


def test_an_operation_in_one_line():
    operation = Operation("noise", {"kind": "gaussian", "sigma": 12.3456789, "grey": "no", "side": 7})
    assert str(operation) == "noise kind=gaussian sigma=12.3457 grey=no side=7"
    assert str(compression(55)) == "jpeg quality=55"
    assert str(resize_to((30, 40), "area", factor=0.5)) == "resize filter=area factor=0.5 size=40x30"


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_the_same_whether_told_of_or_not(kind):
    lr, told = degrade_with_history(pictures(), kind=kind, seed=4)
    assert torch.equal(lr, degrade(pictures(), kind=kind, seed=4))
    assert len(told) == 3
    assert all(told)
    generator = generator_for(4, 0)
    alone = KINDS[kind].degradation(pictures()[:1, :, :40, :32], scale=4, generator=generator)
    assert torch.equal(alone.clamp(0, 1), lr[:1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_resize_leads_to_the_size_of_the_result(kind):
    for history in histories(kind):
        sizes = [operation.values["size"] for operation in history if operation.name in ("resize", "cut")]
        assert sizes[-1] == "8x10"


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.random])
def test_plain_resizes_say_just_that(kind):
    assert degrade_with_history(pictures(1), kind=kind)[1] == [[resize_to((10, 8), kind)]]


def test_resshift_test():
    assert all(names(history) == ["blur", "resize", "noise"] for history in histories("resshift-test"))


def test_realesrgan_tells_what_it_drew():
    orders = set()
    for seed in SEEDS:
        drawn = RealESRGAN().draw(generator_for(seed, 0))
        (history,) = degrade_with_history(pictures(1), kind="realesrgan", seed=seed)[1]
        assert drawn.first.kernel is not None
        expected = [drawn.first.kernel.operation(), drawn.first.noise.operation(), compression(drawn.quality)]
        assert [history[place] for place in (0, 2, 3)] == expected
        assert history[1].values["factor"] == drawn.first.factor
        rest = names(history[4:])
        second = [] if drawn.second is None else ["blur"] * (drawn.second.kernel is not None) + ["resize", "noise"]
        sinc = ["blur"] * (drawn.sinc is not None)
        end = ["resize", *sinc, "jpeg"] if drawn.sinc_before_jpeg else ["jpeg", "resize", *sinc]
        assert rest == [*second, *end]
        assert compression(drawn.final_quality) in history[4:]
        orders.add(tuple(rest))
    assert len(orders) > 5


def test_bsrgan_tells_every_step():
    told = histories("bsrgan")
    assert all(names(history)[-1] == "jpeg" for history in told)
    assert all(names(history).count("blur") == 2 for history in told)
    noises = [operation.values for history in told for operation in history if operation.name == "noise"]
    assert {values["kind"] for values in noises} == {"gaussian", "camera"}
    assert {values["channels"] for values in noises if "channels" in values} == {"correlated", "independent", "equal"}
    assert all(
        ("covariance" in values) == (values["channels"] == "correlated") for values in noises if "channels" in values
    )


def test_kernels_say_the_parameters_of_their_shape():
    blurs = [
        operation.values for history in histories("realesrgan") for operation in history if "blur" in str(operation)
    ]
    by_shape = {str(values["shape"]): set(values) for values in blurs}
    plain = {"shape", "side", "sigma"}
    assert by_shape["iso"] == plain
    assert by_shape["aniso"] == plain | {"sigma_across", "angle"}
    assert by_shape["generalised-iso"] == by_shape["plateau-iso"] == plain | {"beta"}
    assert by_shape["sinc"] == {"shape", "side", "cutoff"}


def test_the_random_stream_stays_as_it_is():
    """Lists of degraded pictures that people have must not come out of date."""
    (realesrgan,) = degrade_with_history(pictures(1), kind="realesrgan", seed=1)[1]
    (bsrgan,) = degrade_with_history(pictures(1), kind="bsrgan", seed=1)[1]
    assert "; ".join(map(str, realesrgan)) == (
        "blur shape=generalised-iso side=19 sigma=0.782546 beta=0.996228; "
        "resize filter=area factor=0.4924 size=15x19; "
        "noise kind=gaussian sigma=25.1297 channels=independent; "
        "jpeg quality=72; "
        "blur shape=iso side=7 sigma=1.41674; "
        "resize filter=bicubic-aliased factor=0.777438 size=6x7; "
        "noise kind=gaussian sigma=14.5581 channels=independent; "
        "resize filter=bilinear-aliased size=8x10; "
        "blur shape=sinc side=19 cutoff=2.30574; "
        "jpeg quality=30"
    )
    assert "; ".join(map(str, bsrgan)) == (
        "blur shape=iso side=17 sigma=1.54853; "
        "resize filter=bilinear size=19x23; "
        "resize filter=bicubic size=8x10; "
        "noise kind=gaussian sigma=17.9158 channels=independent; "
        "blur shape=aniso side=19 sigma=2.76137 sigma_across=1.28414 angle=1.78239; "
        "jpeg quality=46"
    )
