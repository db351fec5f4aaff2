"""Layers with an equalised learning rate: weights are N(0, 1) and scaled as they are used (Karras et al. 2018, sec. 4.1)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from zerosum.nn.fir import down_conv2d, downsample, up_conv2d, upsample
from zerosum.nn.resample import halving_conv2d

SLOPE = 0.2
"""Of every leaky ReLU."""
GAIN = 2**0.5
"""After every leaky ReLU, so that it keeps the second moment. It is applied before, where it costs nothing."""

Resample = Literal["none", "up", "down", "mean"]
"""Of a convolution: of equal size; doubling by FIR before it; FIR and halving before it; halving by means after it."""


class EqualisedLinear(nn.Module):
    """W x / sqrt(inputs) + b; with `activate` sqrt(2) leaky ReLU of it.

    Args:
        rate: learning rate as a multiple of the network's: weights start larger by 1 / rate and are used smaller by rate.
        bias: its first value.
    """

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bias: float = 0.0, activate: bool = False) -> None:
        super().__init__()
        self.activate = activate
        self.gain, self.rate = rate / inputs**0.5, rate
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))

    def forward(self, values: Tensor) -> Tensor:
        """`[N, inputs]` -> `[N, outputs]`."""
        gain = GAIN if self.activate else 1.0
        result: Tensor = torch.addmm(self.bias, values, self.weight.T, beta=self.rate * gain, alpha=self.gain * gain)
        if not self.activate:
            return result
        activated: Tensor = leaky_relu(result, SLOPE)
        return activated

    def effective_weight(self) -> Tensor:
        """The weights as they act on the input, `[outputs, inputs]`."""
        weight: Tensor = self.weight * self.gain
        return weight


class EqualisedConv2d(nn.Module):
    """W * x / sqrt(inputs k^2) + b, resampling if asked; with `activate` sqrt(2) leaky ReLU of it.

    Args:
        size: k, 1 or an odd number; 1 or 3 with resampling.
        activate: and have a bias; else there is none unless `bias`.
        resample: how the size changes, with a filter (Karras et al. 2020) or by means of 2x2 (Karras et al. 2018).
        gain: of the result.
        clamp: bound of the result's absolute value, times the gain; None: none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        activate: bool = True,
        bias: bool = True,
        resample: Resample = "none",
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.activate, self.resample = activate, resample
        self.bias_gain = gain * (GAIN if activate else 1.0)
        self.weight_gain = self.bias_gain / (inputs * size**2) ** 0.5
        self.bound = None if clamp is None else clamp * gain
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, maps: Tensor, fir: Tensor | None = None) -> Tensor:
        """`[N, inputs, H, W]` -> `[N, outputs, H, W]`, or twice or half the size; `fir` `[k, k]` is for "up" and "down"."""
        bias = None if self.bias is None else self.bias * self.bias_gain
        result = resampling_conv2d(maps, self.weight * self.weight_gain, bias, self.resample, fir)
        if self.activate:
            result = leaky_relu(result, SLOPE, inplace=True)
        return result if self.bound is None else result.clamp(-self.bound, self.bound)


def resampling_conv2d(maps: Tensor, weight: Tensor, bias: Tensor | None, resample: Resample, fir: Tensor | None) -> Tensor:
    """Convolution by 1x1 or 3x3 weights `[D, C, k, k]` and a bias `[D]`, of the doubled map or halving it."""
    size = weight.shape[-1]
    if resample == "none":
        return conv2d(maps, weight, bias, padding=size // 2)
    if resample == "mean":
        return halving_conv2d(maps, weight, bias)
    assert fir is not None, "resampling needs a filter"
    if resample == "up":
        # A 1x1 convolution and the doubling commute.
        result = upsample(conv2d(maps, weight), fir) if size == 1 else up_conv2d(maps, weight, fir)
        return result if bias is None else result + bias[:, None, None]
    return conv2d(downsample(maps, fir), weight, bias) if size == 1 else down_conv2d(maps, weight, fir, bias)


def normalise(values: Tensor) -> Tensor:
    """Rows `[N, L]` with a second moment of 1."""
    return values * (values.square().mean(1, keepdim=True) + 1e-8).rsqrt()
