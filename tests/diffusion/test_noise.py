"""`NoiseField`: the same noise from wherever one looks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.sampling import sample
from deltasr.diffusion.schedule import PRESETS
from deltasr.errors import SettingError

WHOLE = NoiseField(seed=3)(2, torch.empty(1, 3, 200, 190))


@given(top=st.integers(0, 150), left=st.integers(0, 150), height=st.integers(1, 50), width=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_a_part_is_a_part_of_the_whole(top, left, height, width):
    part = NoiseField(seed=3).at(top, left)(2, torch.empty(1, 3, height, width))
    assert torch.equal(part, WHOLE[..., top : top + height, left : left + width])


def test_it_is_standard_normal_and_does_not_repeat():
    assert abs(WHOLE.mean()) < 0.01
    assert abs(WHOLE.std() - 1) < 0.01
    blocks = WHOLE[..., :192, :128].unfold(-2, 64, 64).unfold(-2, 64, 64)
    assert len({block.sum().item() for block in blocks.flatten(0, 3)}) == 3 * 3 * 2


@pytest.mark.parametrize("other", [(3, 1), (4, 2)])
def test_seeds_and_steps_have_noise_of_their_own(other):
    seed, t = other
    noise = NoiseField(seed=seed)(t, WHOLE)
    assert abs((noise * WHOLE).mean()) < 0.02


def test_all_pictures_of_a_batch_get_the_same_and_no_state_is_touched():
    state = torch.get_rng_state()
    batch = NoiseField(seed=3)(2, torch.empty(2, 3, 200, 190, dtype=torch.float64))
    assert batch.dtype == torch.float64
    assert torch.equal(batch[0], WHOLE[0].double())
    assert torch.equal(batch[1], batch[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_values_stay_what_they_were():
    """Results must not change from one version to the next."""
    corner = NoiseField(seed=0).at(63, 63)(1, torch.empty(1, 1, 2, 2))
    assert corner.flatten().tolist() == pytest.approx([-0.0763039, 0.3442635, 0.0239967, -1.0390084], abs=1e-6)


def test_sampling_takes_the_noise_of_every_step_once():
    asked: list[int] = []

    def noise(t, like):
        asked.append(t)
        return NoiseField()(t, like)

    y_0 = torch.zeros(1, 1, 4, 4)
    sample(lambda x_t, t: x_t / 2, y_0, PRESETS["resshift-s4"], noise=noise)
    assert asked == [4, 3, 2, 1]
    sample(lambda x_t, t: x_t / 2, y_0, PRESETS["deltadiff"], noise=noise)
    assert asked == [4, 3, 2, 1]


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 2**64}, {"top": -1}])
def test_impossible_fields_are_refused(wrong):
    with pytest.raises(SettingError):
        NoiseField(**wrong)
