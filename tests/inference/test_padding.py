"""One routine brings any size to what a model accepts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltasr.inference.conditions import Conditions
from deltasr.inference.padding import pad, padded_size, run_padded
from deltasr.models.base import SizeRequirements

sizes = st.integers(1, 40)


@given(height=sizes, width=sizes, minimum=st.integers(1, 50), multiple_of=st.integers(1, 16), square=st.booleans())
def test_padded_size_meets_the_requirements_and_is_the_smallest(height, width, minimum, multiple_of, square):
    requirements = SizeRequirements(minimum=minimum, multiple_of=multiple_of, square=square)
    size = padded_size(height, width, requirements)
    for padded, side in zip(size, (height, width), strict=True):
        assert padded >= max(side, minimum)
        assert padded % multiple_of == 0
        assert padded - multiple_of < max(minimum, height, width) if square else max(minimum, side)
    assert size[0] == size[1] or not square


@given(height=sizes, width=sizes, multiple_of=st.integers(1, 70))
def test_padding_keeps_the_picture_and_mirrors_its_border(height, width, multiple_of):
    lr = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    padded = pad(lr, SizeRequirements(multiple_of=multiple_of))
    assert padded.shape[-2] % multiple_of == padded.shape[-1] % multiple_of == 0
    assert torch.equal(padded[..., :height, :width], lr)
    if padded.shape[-1] > width:
        assert torch.equal(padded[..., :height, width], lr[..., -1])


def test_an_allowed_size_is_not_copied():
    lr = torch.rand(1, 3, 8, 8)
    assert pad(lr, SizeRequirements(multiple_of=4)) is lr


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 2), (9, 4)])
@pytest.mark.parametrize("square", [False, True])
def test_a_model_with_requirements_runs_at_any_size(conv_net, height, width, square):
    model = conv_net(scale=3, multiple_of=4, square=square)
    lr = torch.rand(2, 3, height, width)
    result = run_padded(model, lr)
    assert result.shape == (2, 3, 3 * height, 3 * width)
    whole = model(pad(lr, model.size_requirements))
    assert torch.equal(result, whole[..., : 3 * height, : 3 * width])


def test_a_padded_model_is_told_the_fidelity(conv_net):
    model = conv_net(multiple_of=4, dial=True)
    lr = torch.rand(2, 3, 5, 6)
    natural = run_padded(model, lr, conditions=Conditions(fidelity=0))
    whole = model(pad(lr, model.size_requirements), fidelity=0)
    assert torch.equal(natural, whole[..., :10, :12])
    assert not torch.equal(natural, run_padded(model, lr))
    assert torch.equal(run_padded(model, lr, conditions=Conditions(fidelity=0.75)), run_padded(model, lr))
