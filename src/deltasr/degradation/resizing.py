"""Resizing to a given size by the methods that pictures in the wild have been through."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from deltasr.errors import SettingError
from deltasr.resampling.tensors import imresize, weighted_sums

Method = Literal[
    "bicubic", "bicubic-aliased", "bicubic-pytorch", "bilinear", "bilinear-aliased", "area", "area-opencv", "lanczos"
]

METHODS: tuple[Method, ...] = get_args(Method)
"""The names that `resize` takes; the aliased ones do not widen their kernel when shrinking."""

_LANCZOS_LOBES = 3
_PYTORCH_A = -0.75


def resize(images: Tensor, *, size: tuple[int, int], method: Method) -> Tensor:
    """Resize pictures.

    * `bicubic`: MATLAB's, anti-aliased (Keys' kernel with a = -0.5); `bicubic-aliased`: the same, not anti-aliased.
    * `bicubic-pytorch`: not anti-aliased, with a = -0.75, and border samples repeated: PyTorch's and OpenCV's.
    * `bilinear`: the triangle kernel, widened when shrinking; `bilinear-aliased`: between the four nearest samples.
    * `area`: means over blocks of whole pixels; when enlarging, repeated ones.
    * `area-opencv`: means over each result sample's share of the picture, with parts of pixels: OpenCV's INTER_AREA.
    * `lanczos`: the windowed sinc of three lobes, anti-aliased; at borders the samples that exist share the weight.

    Args:
        images: (N, C, H, W), floating point, any range and device.
        size: (height, width) of the results, at least 1 each.
        method: one of `METHODS`.

    Returns:
        (N, C, height, width), same type and device, not clamped: bicubic and Lanczos overshoot at edges.

    Raises:
        SettingError: the size is empty, or there is no such method.
    """
    if min(size) < 1:
        raise SettingError(f"A picture cannot have {size[0]}x{size[1]} pixels; both sides must be at least 1.")
    if method in ("bicubic", "bicubic-aliased"):
        return imresize(images, size=size, antialias=method == "bicubic")
    if method == "bicubic-pytorch":
        return _cubic_last(_cubic_last(images, size[1]).mT, size[0]).mT.contiguous()
    if method == "bilinear":
        return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
    if method == "bilinear-aliased":
        return _linear_last(_linear_last(images, size[1]).mT, size[0]).mT.contiguous()
    if method == "area":
        return F.interpolate(images, size, mode="area")
    if method == "area-opencv":
        return _area_last(_area_last(images, size[1]).mT, size[0]).mT.contiguous()
    if method == "lanczos":
        return _lanczos_last(_lanczos_last(images, size[1]).mT, size[0]).mT.contiguous()
    raise SettingError(f"There is no way to resize called {method!r}; choose one of {', '.join(METHODS)}.")


def _linear_last(images: Tensor, size: int) -> Tensor:
    """Between the two nearest samples; PyTorch's own differs in the last bit between numbers of threads."""
    length = images.shape[-1]
    places = torch.arange(size, dtype=torch.float64, device="cpu")
    centre = ((places + 0.5) * (length / size) - 0.5).clamp(0, length - 1)
    near = centre.floor().long()
    indices = torch.stack([near, (near + 1).clamp(max=length - 1)], dim=1)
    further = centre - near
    return weighted_sums(images, indices, torch.stack([1 - further, further], dim=1))


def _cubic_last(images: Tensor, size: int) -> Tensor:
    """Keys' kernel with a = -0.75 at the four nearest samples; PyTorch's own depends on the number of threads."""
    length = images.shape[-1]
    centre = (torch.arange(size, dtype=torch.float64, device="cpu") + 0.5) * (length / size) - 0.5
    indices = centre.floor().long()[:, None] + torch.arange(-1, 3, device="cpu")
    x = (indices - centre[:, None]).abs()
    near = (_PYTORCH_A + 2) * x**3 - (_PYTORCH_A + 3) * x**2 + 1
    far = _PYTORCH_A * (x**3 - 5 * x**2 + 8 * x - 4)
    return weighted_sums(images, indices.clamp(0, length - 1), torch.where(x <= 1, near, far))


def _area_last(images: Tensor, size: int) -> Tensor:
    """Each result sample covers length / size samples, the first and the last of them in part."""
    length = images.shape[-1]
    begin = torch.arange(size, dtype=torch.float64, device="cpu") * length / size
    end = (begin + length / size).clamp(max=length)
    indices = begin.floor().long()[:, None] + torch.arange(math.ceil(length / size) + 1, device="cpu")
    covered = (torch.minimum(end[:, None], indices + 1.0) - torch.maximum(begin[:, None], indices + 0.0)).clamp(min=0)
    return weighted_sums(images, indices.clamp(max=length - 1), covered / covered.sum(dim=1, keepdim=True))


def _lanczos_last(images: Tensor, size: int) -> Tensor:
    length = images.shape[-1]
    stretch = max(length / size, 1.0)
    reach = _LANCZOS_LOBES * stretch
    centre = (torch.arange(size, dtype=torch.float64, device="cpu") + 0.5) * (length / size) - 0.5
    indices = torch.ceil(centre - reach).long()[:, None] + torch.arange(math.floor(2 * reach) + 1, device="cpu")
    place = (indices - centre[:, None]) / stretch
    weights = torch.sinc(place) * torch.sinc(place / _LANCZOS_LOBES)
    weights[(place.abs() >= _LANCZOS_LOBES) | (indices < 0) | (indices >= length)] = 0.0
    weights = weights / weights.sum(dim=1, keepdim=True)
    return weighted_sums(images, indices.clamp(0, length - 1), weights)
