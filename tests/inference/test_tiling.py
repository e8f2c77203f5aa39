"""The plan: every result pixel is made once, from a window that sees enough."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deltasr.inference.blending import Blended, Cropped, weights
from deltasr.inference.tiling import Axis
from deltasr.resampling.tensors import imresize


def _axis(length: int, size: int, **settings: int) -> Axis:
    return Axis(length=length, size=size, **{"scale": 4, "overlap": 3, **settings})


@given(
    length=st.integers(1, 90),
    size=st.integers(1, 400),
    tile=st.integers(1, 40),
    overlap=st.integers(0, 9),
    multiple_of=st.integers(1, 8),
)
@settings(max_examples=150, deadline=None)
def test_spans_cover_the_picture_once_and_see_their_overlap(length, size, tile, overlap, multiple_of):
    axis = _axis(length, size, overlap=overlap, multiple_of=multiple_of)
    spans = list(axis.spans(tile))
    assert [pixel for span in spans for pixel in range(span.core.start, span.core.stop)] == list(range(length))
    assert [pixel for span in spans for pixel in range(span.result.start, span.result.stop)] == list(range(size))
    for span in spans:
        assert span.window.start % multiple_of == 0
        assert span.window.stop <= length
        if not span.empty:
            assert span.window.start == 0 or 4 * (span.window.start + overlap) <= span.output.start
            assert span.window.stop == length or span.output.stop <= 4 * (span.window.stop - overlap)
            assert axis.crop(span).start >= 0


@given(length=st.integers(1, 60), scale=st.integers(1, 4), tile=st.integers(1, 20))
def test_at_the_models_own_scale_nothing_is_resized(length, scale, tile):
    axis = _axis(length, scale * length, scale=scale)
    for span in axis.spans(tile):
        assert axis.resize(span) is None
        assert span.output == span.result


def test_tiles_are_cut_evenly_and_small_sides_not_at_all():
    assert [span.core.stop - span.core.start for span in _axis(100, 400).spans(40)] == [34, 33, 33]
    assert [span.core.stop for span in _axis(46, 184).spans(40)] == [46]


@given(length=st.integers(2, 30), size=st.integers(1, 150), tile=st.integers(1, 9))
@settings(deadline=None)
def test_resizing_by_spans_is_resizing_the_whole(length, size, tile):
    axis = _axis(length, size)
    output = torch.rand(1, 4 * length, generator=torch.Generator().manual_seed(size)).double()
    parts = []
    for span in axis.spans(tile):
        matrix = axis.resize(span)
        part = output[0, span.output]
        parts.append(part if matrix is None else torch.from_numpy(matrix) @ part)
    assert torch.allclose(torch.cat(parts), imresize(output, size=(1, size))[0], atol=1e-12)


@given(length=st.integers(1, 120), size=st.integers(1, 300), tile=st.integers(8, 40))
@settings(deadline=None)
def test_the_weights_of_blended_spans_sum_to_one(length, size, tile):
    axis = _axis(length, size, overlap=8, fade=min(8, tile // 4))
    total = np.zeros(size, np.float32)
    for span in axis.spans(tile):
        total[span.result] += weights(span)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("fade", [0, 4])
def test_sinks_put_tiles_back_where_they_belong_and_can_begin_a_row_again(fade):
    rows, columns = _axis(50, 120, fade=fade), _axis(70, 200, fade=fade)
    picture = torch.rand(2, 120, 200, generator=torch.Generator().manual_seed(0))
    result = torch.full_like(picture, -1)

    def emit(row: slice, column: slice, values: torch.Tensor | np.ndarray) -> None:
        result[:, row, column] = torch.as_tensor(values)

    sink = Blended(emit, width=200, planes=2) if fade else Cropped(emit)
    for row in rows.spans(16):
        sink.start_row(row)
        first = next(columns.spans(16))
        sink.add(row, first, torch.ones_like(picture[:, row.result, first.result]))
        sink.start_row(row)
        for column in columns.spans(16):
            sink.add(row, column, picture[:, row.result, column.result])
        sink.end_row(row)
    assert torch.allclose(result, picture, atol=1e-6)
