"""The head of the error map: its two ways to say how large an error may be agree."""

from __future__ import annotations

import torch

from deltasr.nets.error_head import ErrorHead


def test_levels_are_the_prediction_without_its_logarithm_and_have_the_same_bound():
    generator = torch.Generator().manual_seed(0)
    head = ErrorHead(width=5, scale=2, dials=2)
    for parameter in head.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    head.out.bias.data = torch.tensor([-3.0, 1.0, 4.0, 20.0])
    given = [torch.rand(shape, generator=generator) for shape in ((2, 5, 6, 7), (2, 3, 12, 14), (2, 2))]
    with torch.no_grad():
        levels, prediction = head.levels(*given), head(*given)
    assert levels.shape == (2, 1, 12, 14)
    torch.testing.assert_close(levels, prediction.expm1(), rtol=1e-4, atol=1e-4)
    assert float(levels.min()) < 1
    assert 256 <= float(levels.max()) < 257
