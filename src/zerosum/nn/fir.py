"""Resampling by a symmetric finite impulse response (FIR) filter, differentiable any number of times at the cost of one pass.

Every operation is one depthwise convolution, or its adjoint, of stride 1 or 2: no zeros are inserted and then multiplied. The
two are each other's derivative, and autograd is told so: torch's own second derivative of a depthwise convolution is a loop
over the channels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import conv2d, conv_transpose2d


class _Gather(Function):
    """The maps filtered channel by channel, at every `stride`-th place."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.settings = stride, padding, maps.shape[2:]
        return conv2d(maps, _each(kernel, maps), None, stride, padding, groups=maps.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        spread: Tensor = _Spread.apply(gradients[0], *ctx.saved_tensors, *ctx.settings)  # type: ignore[no-untyped-call]
        return spread, None, None, None


class _Spread(Function):
    """The adjoint of `_Gather` for maps of that size, whose adjoint is `_Gather` again."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernel: Tensor, stride: int, padding: int, size: torch.Size) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.settings = stride, padding
        taps, channels = len(kernel), maps.shape[1]
        if stride == 1:  # the kernel is symmetric: the same filter with the rest of the padding
            return conv2d(maps, _each(kernel, maps), None, 1, taps - 1 - padding, groups=channels)
        missing = [full - ((part - 1) * stride - 2 * padding + taps) for full, part in zip(size, maps.shape[2:], strict=True)]
        return conv_transpose2d(maps, _each(kernel, maps), None, stride, padding, missing, groups=channels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        gathered: Tensor = _Gather.apply(gradients[0], *ctx.saved_tensors, *ctx.settings)  # type: ignore[no-untyped-call]
        return gathered, None, None, None, None


def _each(kernel: Tensor, maps: Tensor) -> Tensor:
    """The kernel `[k, k]` once for every channel, `[C, 1, k, k]`."""
    return kernel.to(maps.dtype).expand(maps.shape[1], 1, *kernel.shape)


def fir_kernel(taps: Sequence[float]) -> Tensor:
    """The separable kernel `[k, k]` of these taps, of sum 1.

    Raises:
        ValueError: the taps are not symmetric, or sum up to 0.
    """
    line = torch.tensor(taps, dtype=torch.float32)
    if list(taps) != list(taps)[::-1] or not sum(taps):
        raise ValueError(f"the taps of a resampling filter must be symmetric and not sum up to 0: {list(taps)}")
    return line.outer(line) / line.sum().square()


def blur(maps: Tensor, kernel: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """Filter with zeros outside: `[N, C, H, W]` -> `[N, C, H + 2 padding - k + 1, ...]`, times the gain."""
    blurred: Tensor = _Gather.apply(maps, kernel * gain, 1, padding)  # type: ignore[no-untyped-call]
    return blurred


def downsample(maps: Tensor, kernel: Tensor) -> Tensor:
    """Filter, then every second place: `[N, C, 2H, 2W]` -> `[N, C, H, W]`; the kernel's size is even."""
    halved: Tensor = _Gather.apply(maps, kernel, 2, len(kernel) // 2 - 1)  # type: ignore[no-untyped-call]
    return halved


def upsample(maps: Tensor, kernel: Tensor) -> Tensor:
    """Zeros between the places, then filter, times 4: `[N, C, H, W]` -> `[N, C, 2H, 2W]`; the kernel's size is even."""
    size = torch.Size(2 * length for length in maps.shape[2:])
    doubled: Tensor = _Spread.apply(maps, kernel * 4, 2, len(kernel) // 2 - 1, size)  # type: ignore[no-untyped-call]
    return doubled


def up_conv2d(maps: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """3x3 convolution with a doubling FIR before it: `[N, C, H, W]`, weights `[D, C, 3, 3]` -> `[N, D, 2H, 2W]`.

    Zeros between the places, a true convolution (the kernel turned round), then the filter (Karras et al. 2020, sec. 2.2).
    """
    return blur(conv_transpose2d(maps, weight.transpose(0, 1), stride=2), kernel, len(kernel) // 2 - 1, 4.0)


def down_conv2d(maps: Tensor, weight: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """The filter, then a 3x3 convolution of stride 2: `[N, C, 2H, 2W]`, weights `[D, C, 3, 3]` -> `[N, D, H, W]`."""
    return conv2d(blur(maps, kernel, len(kernel) // 2), weight, bias, stride=2)
