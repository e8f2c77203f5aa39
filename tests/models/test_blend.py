"""Blends: weights between those of two models, exactly theirs at the ends, and of one network only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from deltasr.errors import ModelError, SettingError
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, checkpoint
from deltasr.models.base import Model
from deltasr.models.blend import blended, load_blended
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation
from deltasr.models.rrdb import Rrdb


def rrdb(seed: int, *, blocks: int = 1) -> Rrdb:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Rrdb(blocks=blocks, width=4).eval()
    model.name = f"rrdb-{seed}"
    return model


def weights(model: Model) -> Tensor:
    return torch.cat([weight.flatten() for weight in model.state_dict().values()])


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two checkpoints that the catalogue takes for a pair."""
    fidelity, realism = (str(tmp_path / f"{name}.safetensors") for name in ("fidelity", "realism"))
    checkpoint.save(rrdb(0), fidelity)
    checkpoint.save(rrdb(1), realism)
    monkeypatch.setattr(catalogue, "COUNTERPARTS", {fidelity: realism})
    return fidelity, realism


def test_weights_are_mixed_by_the_share():
    first, second = rrdb(0), rrdb(1)
    mixed = blended(first, second, 0.3)
    torch.testing.assert_close(weights(mixed), 0.7 * weights(first) + 0.3 * weights(second))
    assert (mixed.name, mixed.description) == ("rrdb-0-rrdb-1-0.3", "0.7 rrdb-0 + 0.3 rrdb-1")
    assert not mixed.training


def test_the_ends_are_exact():
    first, second = rrdb(0), rrdb(1)
    assert torch.equal(weights(blended(first, second, 0)), weights(first))
    assert torch.equal(weights(blended(first, second, 1)), weights(second))


def test_what_is_asked_for_by_default_may_differ():
    clean = DeltaDiff(dial=True, default_fidelity=0.5)
    photo = DeltaDiff(dial=True, default_fidelity=1.0, consistent=False)
    mixed = blended(clean, photo, 0.5)
    torch.testing.assert_close(weights(mixed), (weights(clean) + weights(photo)) / 2)
    assert (mixed.default_fidelity, mixed.consistent) == (0.5, True)
    with pytest.raises(ModelError, match="not the same network"):
        blended(clean, DeltaDiff(dial=False), 0.5)


def test_the_two_models_stay_as_they_are():
    first, second = rrdb(0), rrdb(1)
    kept = weights(first), weights(second)
    with torch.no_grad():
        for weight in blended(first, second, 0.5).parameters():
            weight.zero_()
    assert torch.equal(weights(first), kept[0])
    assert torch.equal(weights(second), kept[1])
    assert (first.name, second.name) == ("rrdb-0", "rrdb-1")


def test_a_blend_is_upscaled_with_and_saved_as_any_model(tmp_path: Path):
    mixed = blended(rrdb(0), rrdb(1), 0.3)
    checkpoint.save(mixed, tmp_path / "mixed.safetensors")
    loaded = catalogue.load(tmp_path / "mixed.safetensors")
    assert torch.equal(weights(loaded), weights(mixed))
    assert loaded.description == mixed.description
    small = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    one, other = (Upscaler(model, device="cpu").upscale(small).pixels for model in (mixed, loaded))
    assert one.shape == (24, 20, 3)
    assert (one == other).all()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_beyond_the_models_is_refused(share: float):
    with pytest.raises(SettingError, match="give a share from 0 to 1"):
        blended(rrdb(0), rrdb(1), share)


def test_other_networks_are_refused():
    with pytest.raises(ModelError, match="rrdb-0 and rrdb-1 are not the same network"):
        blended(rrdb(0), rrdb(1, blocks=2), 0.5)
    with pytest.raises(ModelError, match="deltadiff-x4 are not the same network"):
        blended(rrdb(0), catalogue.load("deltadiff-x4"), 0.5)
    with pytest.raises(ModelError, match="bicubic cannot be blended"):
        blended(rrdb(0), Interpolation(method="bicubic"), 0.5)


@pytest.mark.parametrize("named", [0, 1])
def test_either_of_a_pair_stands_for_both_in_their_order(pair: tuple[str, str], named: int):
    mixed = load_blended(pair[named], 0.25)
    torch.testing.assert_close(weights(mixed), 0.75 * weights(rrdb(0)) + 0.25 * weights(rrdb(1)))


def test_a_named_second_model_goes_before_the_counterpart(pair: tuple[str, str]):
    mixed = load_blended(pair[1], 0.25, other=pair[0])
    torch.testing.assert_close(weights(mixed), 0.75 * weights(rrdb(1)) + 0.25 * weights(rrdb(0)))


def test_without_a_counterpart_one_has_to_be_named():
    with pytest.raises(SettingError, match=r"bicubic has no counterpart .* --blend-with"):
        load_blended("bicubic", 0.5)


def test_the_pairs_of_the_catalogue_are_of_different_models():
    assert not set(catalogue.COUNTERPARTS) & set(catalogue.COUNTERPARTS.values())
    bundled = set(catalogue.BUNDLED)
    for pair in catalogue.COUNTERPARTS.items():
        assert set(pair) <= bundled or not set(pair) & bundled
