"""The error map: its calibration, its file, and what it costs and changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deltasr.errors import CheckpointError, ModelError, SettingError
from deltasr.models import catalogue, error_map
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.error_map import FIDELITIES, RESTORATIONS, ErrorMap


def small_model(seed: int = 0) -> DeltaDiff:
    """Two steps, both dials, and random weights that heed them."""
    generator = torch.Generator().manual_seed(seed)
    model = DeltaDiff(steps=2, dial=True, restoring=True, default_fidelity=0.75)
    for name, parameter in model.named_parameters():
        gain = 0.05 if "tail" in name or "time" in name else 1.0
        size = parameter[0].numel() if parameter.ndim > 1 else 50
        parameter.data = torch.randn(parameter.shape, generator=generator) * gain / size**0.5
    return model.eval()


@pytest.mark.parametrize("pictures", [10, 37, 200])
def test_the_factor_is_the_smallest_that_covers(pictures: int):
    generator = torch.Generator().manual_seed(pictures)
    ratios = [torch.rand(5 + place % 7, 11, generator=generator) * (1 + place % 3) for place in range(pictures)]

    def bound(factor: float) -> float:
        missed = sum(float((ratio > factor).double().mean()) for ratio in ratios) / pictures
        return pictures / (pictures + 1) * missed + 1 / (pictures + 1)

    factor = error_map.calibrated_factor(ratios)
    assert bound(factor) <= 0.1 + 1e-9
    smaller = max(float(ratio[ratio < factor].max()) for ratio in ratios if bool((ratio < factor).any()))
    assert bound(smaller) > 0.1


def test_new_pictures_of_the_same_kind_are_covered():
    generator = torch.Generator().manual_seed(3)

    def ratios(count: int) -> list[torch.Tensor]:
        return [
            torch.randn(400, generator=generator).abs() * (0.5 + torch.rand(1, generator=generator))
            for _ in range(count)
        ]

    factors = [error_map.calibrated_factor(ratios(100)) for _ in range(30)]
    covered = torch.tensor([[float((ratio <= factor).float().mean()) for ratio in ratios(20)] for factor in factors])
    assert 0.9 <= float(covered.mean()) < 0.92


def test_too_few_pictures_are_refused():
    with pytest.raises(SettingError, match=r"^8 pictures are too few to calibrate a share of 0\.1; give more\.$"):
        error_map.calibrated_factor([torch.rand(4)] * 8)


def test_factors_are_interpolated_between_the_dials():
    maps = error_map.untrained(small_model())
    maps.factors[:] = 1 + torch.arange(len(FIDELITIES)) + 10 * torch.arange(len(RESTORATIONS))[:, None]
    lr = torch.rand(4, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        run = maps.run(lr, torch.tensor([0.0, 0.25, 0.375, 1.0]), torch.tensor([0.0, 0.0, 0.0, 1.0]))
        factors = maps(run, run.result) / error_map.half_widths(maps.predict(run, run.result))
    expected = torch.tensor([1.0, 2.0, 2.5, 15.0]).view(4, 1, 1, 1).expand_as(factors)
    assert factors.shape == (4, 1, 36, 32)
    torch.testing.assert_close(factors, expected, rtol=1e-5, atol=0)


def test_a_run_gives_the_models_own_bytes():
    model = small_model()
    maps = error_map.untrained(model)
    lr = torch.rand(2, 3, 11, 13, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for fidelity, restoration in ((None, None), (0.25, 0.0), (1.0, torch.tensor([0.5, 0.0]))):
            assert torch.equal(
                maps.run(lr, fidelity, restoration).result, model(lr, fidelity=fidelity, restoration=restoration)
            )


def test_the_head_is_small_beside_the_model():
    model = small_model()
    count = sum(parameter.numel() for parameter in error_map.untrained(model).head.parameters())
    assert count < 0.03 * sum(parameter.numel() for parameter in model.parameters())
    assert 2_000 < count < 20_000


def test_a_map_is_read_back_for_the_same_weights_alone(tmp_path: Path):
    model, file = small_model(), tmp_path / "small.map.safetensors"
    written = error_map.untrained(model)
    written.factors.fill_(1.5)
    error_map.save(written, file, model=model, facts={"steps": 1})
    found = error_map.load(model, file)
    assert isinstance(found, ErrorMap)
    for name, tensor in written.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    other = small_model(seed=1)
    other.name = "mine"
    with pytest.raises(CheckpointError, match=r"belongs to other weights than those of mine; train one for these by"):
        error_map.load(other, file)


def test_a_damaged_file_is_one_sentence(tmp_path: Path):
    file = tmp_path / "broken.map.safetensors"
    file.write_bytes(b"no map at all")
    with pytest.raises(CheckpointError, match=r"broken\.map\.safetensors is not a readable error map \(.*\)\.$"):
        error_map.load(small_model(), file)


def test_models_without_a_map_say_which_have_one():
    with pytest.raises(ModelError, match=r"^The model bicubic has no error map; choose deltadiff-x4\.$"):
        error_map.load(catalogue.load("bicubic"))
    own = small_model()
    own.name = "deltadiff-tiny-x4"
    with pytest.raises(ModelError, match=r"^The model deltadiff-tiny-x4 has no error map; choose deltadiff-x4\.$"):
        error_map.load(own)


def test_the_bundled_map_belongs_to_the_bundled_weights():
    found = error_map.load(catalogue.load("deltadiff-x4"))
    assert bool((found.factors > 0.5).all())
    assert bool((found.factors < 2).all())
