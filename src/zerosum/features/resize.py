"""Resizing as two matrix products, one along each side, so that every judge's rule is the same on every machine."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Rule = Callable[[int, int], Tensor]
"""(pixels in, pixels out) -> weights `[out, in]`, whose rows sum to 1."""


@cache
def antialiased_bilinear(size_in: int, size_out: int) -> Tensor:
    """Triangle filter as wide as a pixel of the coarser grid, pixel centres aligned: Pillow's BILINEAR, unrounded."""
    scale = size_in / size_out
    centres = (torch.arange(size_out, dtype=torch.float64) + 0.5) * scale
    distances = torch.arange(size_in, dtype=torch.float64) + 0.5 - centres[:, None]
    weights = (1 - distances.abs() / max(scale, 1.0)).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


@cache
def tensorflow_bilinear(size_in: int, size_out: int) -> Tensor:
    """TensorFlow 1's ResizeBilinear with align_corners=False and no half-pixel centres, which the FID graph of 2015 holds.

    Output i lies at x = i * size_in / size_out and mixes the pixels floor(x) and floor(x) + 1 (the last one repeated),
    without antialiasing.
    """
    places = torch.arange(size_out, dtype=torch.float32) * (size_in / size_out)
    low = places.floor()
    high_share = (places - low)[:, None]
    left = torch.nn.functional.one_hot(low.long(), size_in)
    right = torch.nn.functional.one_hot((low.long() + 1).clamp(max=size_in - 1), size_in)
    return left * (1 - high_share) + right * high_share


def resize(images: Tensor, resolution: int, rule: Rule) -> Tensor:
    """Images `[N, C, H, W]` stretched to float32 `[N, C, resolution, resolution]`, same range, not rounded."""
    rows, columns = (rule(size, resolution).to(images.device) for size in images.shape[2:])
    return rows @ (images.float() @ columns.T)
