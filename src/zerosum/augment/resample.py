"""Images resampled at given places: linear in the images, and differentiable with respect to them any number of times."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import affine_grid

Interpolation = Literal["bilinear", "nearest", "bicubic"]
Outside = Literal["zeros", "border", "reflection"]

INTERPOLATIONS: tuple[Interpolation, ...] = ("bilinear", "nearest", "bicubic")
OUTSIDES: tuple[Outside, ...] = ("zeros", "border", "reflection")


class _Sample(Function):
    """The images at the grid's places. torch's own has no second derivative; this one's backward pass is `_Spread`."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor, mode: int, outside: int) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.settings = images.shape, mode, outside
        return torch.grid_sampler(images, grid, mode, outside, False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        spread: Tensor = _Spread.apply(gradients[0], *ctx.saved_tensors, *ctx.settings)  # type: ignore[no-untyped-call]
        return spread, None, None, None


class _Spread(Function):
    """The adjoint of `_Sample`, whose adjoint is `_Sample` again."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size, mode: int, outside: int) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.settings = mode, outside
        # The images themselves matter to the grid's gradient only, which is not asked for.
        images = values.new_zeros(shape)
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(values, images, grid, mode, outside, False, [True, False])[0]
        return spread

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        sampled: Tensor = _Sample.apply(gradients[0], *ctx.saved_tensors, *ctx.settings)  # type: ignore[no-untyped-call]
        return sampled, None, None, None, None


def warp(images: Tensor, to_input: Tensor, mode: Interpolation, outside: Outside) -> Tensor:
    """Images `[N, C, H, W]` under affine maps of the plane.

    Args:
        to_input: `[N, 3, 3]`, from a place (x, y, 1) in the result to the place in the image that is shown there, both in
            pixels from the centre, x to the right and y downwards.
        mode: how to interpolate between pixels.
        outside: what lies outside of the image.
    """
    height, width = images.shape[2:]
    # affine_grid counts in half widths and half heights.
    half = to_input.new_tensor([width / 2, height / 2, 1])
    grid = affine_grid((to_input * half / half[:, None])[:, :2], list(images.shape), align_corners=False)
    settings = INTERPOLATIONS.index(mode), OUTSIDES.index(outside)
    warped: Tensor = _Sample.apply(images, grid.to(images.dtype), *settings)  # type: ignore[no-untyped-call]
    return warped


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Maps `[N, 3, 3]` that scale by x and y, each `[N]`."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1))


def rotation(angle: Tensor) -> Tensor:
    """Maps `[N, 3, 3]` that turn by an angle `[N]` in radians, from x towards y."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).reshape(-1, 3, 3)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Maps `[N, 3, 3]` that move by x and y pixels, each `[N]`."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([one, zero, x, zero, one, y, zero, zero, one], 1).reshape(-1, 3, 3)
