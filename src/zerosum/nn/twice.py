"""Convolution and leaky ReLU that are cheap to differentiate twice, for discriminators whose gradient is penalised.

In torch the second derivative of a convolution finds the weights' gradient by a convolution whose kernel is as large as the
maps, group by group, and that of a leaky ReLU is a map of zeros, sent back through all that came before. Here every derivative
of a convolution is one of the three that training has anyway, and a leaky ReLU has no second one.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

Layout = tuple[int, int]
"""Padding and groups of a convolution of stride 1."""


class _Convolve(Function):
    """Maps and weights -> maps: bilinear, but for the bias."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, layout: Layout) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.layout = layout
        return conv2d(maps, weight, bias, 1, layout[0], 1, layout[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (gradient,), (maps, weight), wanted = gradients, ctx.saved_tensors, ctx.needs_input_grad
        return (
            _to_maps(gradient, weight, ctx.layout) if wanted[0] else None,
            _to_weight(gradient, maps, weight.shape, ctx.layout) if wanted[1] else None,
            gradient.sum((0, 2, 3)) if wanted[2] else None,
            None,
        )


class _ToMaps(Function):
    """The adjoint with respect to the maps: gradient and weights -> the maps' gradient, bilinear."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, layout: Layout) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.layout = layout
        return conv_transpose2d(gradient, weight, None, 1, layout[0], 0, layout[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (maps,), (gradient, weight), wanted = gradients, ctx.saved_tensors, ctx.needs_input_grad
        return (
            _convolve(maps, weight, ctx.layout) if wanted[0] else None,
            _to_weight(gradient, maps, weight.shape, ctx.layout) if wanted[1] else None,
            None,
        )


class _ToWeight(Function):
    """The adjoint with respect to the weights: gradient and maps -> the weights' gradient, bilinear."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, maps: Tensor, shape: torch.Size, layout: Layout) -> Tensor:
        ctx.save_for_backward(gradient, maps)
        ctx.layout = layout
        weight, sides = gradient.new_empty(shape), [layout[0]] * 2
        settings = (None, [1, 1], sides, [1, 1], False, [0, 0], layout[1], [False, True, False])
        found: Tensor = torch.ops.aten.convolution_backward(gradient, maps, weight, *settings)[1]
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (weight,), (gradient, maps), wanted = gradients, ctx.saved_tensors, ctx.needs_input_grad
        return (
            _convolve(maps, weight, ctx.layout) if wanted[0] else None,
            _to_maps(gradient, weight, ctx.layout) if wanted[1] else None,
            None,
            None,
        )


class _Slope(Function):
    """A gradient scaled by 1 where the sign is positive and by the slope where it is not: linear in the gradient alone."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, sign: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(sign)
        ctx.slope = slope
        scaled: Tensor = torch.ops.aten.leaky_relu_backward(gradient, sign, slope, False)
        return scaled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _slope(gradients[0], ctx.saved_tensors[0], ctx.slope), None, None


class _LeakyReLU(Function):
    """max(x, slope x)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, slope: float) -> Tensor:
        bent = leaky_relu(maps, slope)
        ctx.save_for_backward(bent)
        ctx.slope = slope
        return bent

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _slope(gradients[0], ctx.saved_tensors[0].detach(), ctx.slope), None


def _convolve(maps: Tensor, weight: Tensor, layout: Layout, bias: Tensor | None = None) -> Tensor:
    convolved: Tensor = _Convolve.apply(maps, weight, bias, layout)  # type: ignore[no-untyped-call]
    return convolved


def _to_maps(gradient: Tensor, weight: Tensor, layout: Layout) -> Tensor:
    found: Tensor = _ToMaps.apply(gradient, weight, layout)  # type: ignore[no-untyped-call]
    return found


def _to_weight(gradient: Tensor, maps: Tensor, shape: torch.Size, layout: Layout) -> Tensor:
    found: Tensor = _ToWeight.apply(gradient, maps, shape, layout)  # type: ignore[no-untyped-call]
    return found


def _slope(gradient: Tensor, sign: Tensor, slope: float) -> Tensor:
    scaled: Tensor = _Slope.apply(gradient, sign, slope)  # type: ignore[no-untyped-call]
    return scaled


class TwiceConv2d(nn.Conv2d):
    """`nn.Conv2d` of stride 1 that keeps the size: `[N, C, H, W]` -> `[N, D, H, W]`. The kernel's size is odd."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, groups: int = 1, bias: bool = False) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=bias)
        self.layout = (kernel // 2, groups)

    def forward(self, maps: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().forward(maps)
        # Autocast does not reach into what differentiates itself: every derivative needs maps and weights of one kind.
        weight, kind = self.weight, maps.device.type
        if torch.is_autocast_enabled(kind):
            maps, weight = (tensor.to(torch.get_autocast_dtype(kind)) for tensor in (maps, weight))
        return _convolve(maps, weight, self.layout, self.bias)


def leaky(maps: Tensor, slope: float) -> Tensor:
    """max(x, slope x) of maps of any shape; slope in (0, 1)."""
    if not torch.is_grad_enabled():
        return leaky_relu(maps, slope)
    bent: Tensor = _LeakyReLU.apply(maps, slope)  # type: ignore[no-untyped-call]
    return bent
