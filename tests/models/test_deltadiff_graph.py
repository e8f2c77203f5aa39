"""The exported form of DeltaDiff: the results of a call, of every kind of it."""

from __future__ import annotations

import pytest
import torch

from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.deltadiff_graph import DeltaDiffGraph


def filled(**options) -> DeltaDiff:
    generator = torch.Generator().manual_seed(0)
    model = DeltaDiff(**options)
    for name, parameter in model.named_parameters():
        gain = 0.1 if "tail" in name else 1.0
        size = parameter[0].numel() if parameter.ndim > 1 else 50
        parameter.data = torch.randn(parameter.shape, generator=generator) * gain / size**0.5
    return model.eval()


@pytest.mark.parametrize(
    "options",
    [
        {"dial": True, "restoring": True},
        {"steps": 1, "scale": 2},
        {"steps": 3, "shared": False, "eta_T": 1.0},
        {"steps": 2, "features": "every-step", "restoring": True},
    ],
    ids=lambda options: ", ".join(map(str, options.items())),
)
def test_results_are_those_of_a_call(options):
    model = filled(**options)
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    lr = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    dials = {"fidelity": torch.tensor([0.2, 1.0])} if model.dial else {}
    dials |= {"restoration": torch.tensor([0.7, 0.0])} if model.restoring else {}
    with torch.inference_mode():
        expected = model(lr, **dials)
        found = DeltaDiffGraph(model)(lr, **dials)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (expected - model.decode(model.upsample(lr)).clamp(0, 1)).abs().max() > 0.01
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


def test_features_are_those_of_the_model():
    model = filled(dial=True, restoring=True)
    assert model.net.state.bias is not None
    assert model.net.state.bias.abs().max() > 0.01
    lr = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    dials = {"fidelity": torch.tensor([0.2, 1.0]), "restoration": torch.tensor([0.7, 0.0])}
    with torch.inference_mode():
        result, features = DeltaDiffGraph(model).with_features(lr, **dials)
        torch.testing.assert_close(features, model.features(lr, **dials), rtol=0, atol=1e-5)
        torch.testing.assert_close(result, model(lr, **dials), rtol=0, atol=1e-5)
