"""What a call tells a model: each model takes what it depends on, and nothing else."""

from __future__ import annotations

import pytest

from deltasr.diffusion.noise import NoiseField
from deltasr.errors import SettingError
from deltasr.inference.conditions import Conditions, require_fidelity
from deltasr.models import catalogue
from deltasr.models.base import Model


def model(*, stochastic: bool = False, dial: bool = False) -> Model:
    """One that says what it depends on."""
    made = Model()
    made.name, made.stochastic, made.dial = "some-model", stochastic, dial
    return made


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("dial", [False, True])
def test_a_model_is_told_what_it_depends_on(stochastic: bool, dial: bool):
    noise = NoiseField(seed=3)
    told = Conditions(noise=noise, fidelity=0.25).arguments(model(stochastic=stochastic, dial=dial))
    assert told == ({"noise": noise} if stochastic else {}) | ({"fidelity": 0.25} if dial else {})


def test_without_anything_said_models_use_their_defaults():
    assert Conditions().arguments(model(stochastic=True, dial=True)) == {"noise": NoiseField(seed=0), "fidelity": None}


def test_a_window_has_its_part_of_the_noise_and_the_pictures_fidelity():
    window = Conditions(noise=NoiseField(seed=3), fidelity=0.25).at(5, 7)
    assert window == Conditions(noise=NoiseField(seed=3, top=5, left=7), fidelity=0.25)


@pytest.mark.parametrize("fidelity", [None, 0, 0.5, 1])
def test_possible_fidelities(fidelity: float | None):
    require_fidelity(model(dial=True), fidelity)


@pytest.mark.parametrize("fidelity", [-0.01, 1.01, float("nan"), float("inf")])
def test_impossible_fidelities_are_named(fidelity: float):
    with pytest.raises(SettingError, match=f"^A fidelity of {fidelity} is not possible; give a number from 0 to 1.$"):
        require_fidelity(model(dial=True), fidelity)


def test_a_model_without_a_dial_has_its_own_fidelity_only(monkeypatch: pytest.MonkeyPatch):
    require_fidelity(model(), None)
    monkeypatch.setattr(catalogue, "dials", lambda: {})
    with pytest.raises(SettingError, match=r"^The model some-model has no fidelity dial; leave the fidelity out.$"):
        require_fidelity(model(), 0.5)
    monkeypatch.setattr(catalogue, "dials", lambda: {"one-x4": 1.0, "two-x4": 0.8})
    with pytest.raises(SettingError, match=r"no fidelity dial; choose one-x4 or two-x4, or leave the fidelity out.$"):
        require_fidelity(model(), 0.5)
