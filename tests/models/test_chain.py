"""What all models of residual shifting promise: DeltaDiff and ResShift alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.diffusion.schedule import geometric_schedule
from deltasr.models.chain import ChainModel
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb

DENOISER = {
    "model_channels": 32, "channel_mult": [1], "num_res_blocks": [1], "swin_embed_dim": 32, "num_head_channels": 16,
    "window_size": 4, "mlp_ratio": 1, "image_size": 8,
}  # fmt: skip


def _resshift(kappa: float) -> ResShift:
    eta = geometric_schedule(steps=3, p=0.3, kappa=kappa, eta_1=0.01, eta_T=0.99).eta
    return ResShift(eta=eta, kappa=kappa, first_stage="pixel-unshuffle", denoiser=DENOISER)


MODELS: dict[str, Callable[[], ChainModel]] = {
    "deltadiff": lambda: DeltaDiff(steps=3),
    "deltadiff with dials": lambda: DeltaDiff(steps=3, dial=True, restoring=True),
    "resshift": lambda: _resshift(2.0),
    "resshift without noise": lambda: _resshift(0.0),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> ChainModel:
    """Its steps differ visibly from one another."""
    torch.manual_seed(0)
    made = MODELS[request.param]().eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return made


@pytest.fixture
def lr() -> Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_last_of_its_predictions_is_the_result(model: ChainModel, lr: Tensor):
    predictions = model.predictions(lr)
    assert len(predictions) == model.steps == model.schedule.steps == 3
    assert torch.equal(predictions[-1].clamp(0, 1), model(lr))
    assert all(not torch.equal(one, predictions[-1]) for one in predictions[:-1])
    if model.dial:
        assert not torch.equal(model.predictions(lr, fidelity=0.0)[-1], model.predictions(lr, fidelity=1.0)[-1])


@torch.no_grad()
def test_codes_and_pictures_are_of_the_same_places(model: ChainModel, lr: Tensor):
    y_0, predict = model.predictor(lr, 0.5, 0.5)
    picture = torch.rand(2, 3, 32, 32)
    assert model.encode(picture).shape == predict(y_0, 1).shape == y_0.shape
    torch.testing.assert_close(model.decode(model.encode(picture)), picture)


@torch.no_grad()
def test_steps_are_counted_in_the_schedule_that_is_given(model: ChainModel, lr: Tensor):
    three = model.schedule
    two = type(three)((three.eta[0], three.eta[2], three.eta[3]), three.kappa)
    y_0, own = model.predictor(lr)
    _, given = model.predictor(lr, schedule=two)
    x_t = y_0 + 0.1
    depends_on_eta = isinstance(model, DeltaDiff) or model.stochastic  # of its residual, or of its noise
    assert torch.equal(given(x_t, 1), own(x_t, 1)) != depends_on_eta
    if isinstance(model, DeltaDiff):  # whose network takes eta for the time, not the number of the step
        assert torch.equal(given(x_t, 2), own(x_t, 3))


@torch.no_grad()
def test_only_a_stochastic_chain_depends_on_noise(model: ChainModel, lr: Tensor):
    same = torch.equal(model(lr, noise=NoiseField(seed=1)), model(lr, noise=NoiseField(seed=2)))
    assert same != model.stochastic
    assert torch.equal(model(lr), model(lr, noise=NoiseField()))


def test_a_model_of_one_pass_has_one_prediction(lr: Tensor):
    rrdb = Rrdb(width=4).eval()
    assert rrdb.steps == 1
    with torch.no_grad():
        (only,) = rrdb.predictions(lr)
        assert torch.equal(only, rrdb(lr))
        assert torch.equal(rrdb.unclamped(lr).clamp(0, 1), only)
