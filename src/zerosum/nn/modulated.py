"""Convolutions whose weights are modulated by a style: the layers of StyleGAN2's synthesis (Karras et al. 2020, sec. 2.2).

A style scales the input channels of the weights, sample by sample, and demodulation divides every output channel by the
L2 norm of its scaled weights. To scale the maps instead, use one shared convolution, and divide the result is the same: the
norms of all samples are one product of squared styles and squared weights. No weights are made per sample.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from zerosum.nn.equalised import GAIN, SLOPE, EqualisedLinear
from zerosum.nn.fir import up_conv2d
from zerosum.nn.precision import full_precision
from zerosum.noise import Noise

NoiseInput = Noise | Literal["constant", "none"]
"""Where the noise of the layers comes from: drawn anew, each layer's own constant map, or nowhere."""


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """1 / sqrt(sum over c, i, j of (s_nc w_dcij)^2), for weights `[D, C, k, k]` and styles `[N, C]`: `[N, D]`."""
    return (styles.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()


def bounded(weight: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and styles of absolute value at most 1: demodulation undoes the scale, and float16 does not overflow."""
    fan_in = weight[0].numel()
    weight = weight / (weight.abs().amax((1, 2, 3), keepdim=True) * fan_in**0.5)
    return weight, styles / styles.abs().amax(1, keepdim=True)


class ModulatedConv2d(nn.Module):
    """3x3 convolution modulated by a style, noise, bias and sqrt(2) leaky ReLU.

    Args:
        inputs, outputs: channels.
        style: size of w.
        resolution: of the result.
        up: double the map by FIR.
        clamp: bound of the result's absolute value; None: none.
    """

    noise_const: Tensor
    """The noise map of mode "constant", `[H, W]`."""

    def __init__(
        self, inputs: int, outputs: int, style: int, resolution: int, *, up: bool = False, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.resolution, self.up, self.clamp = resolution, up, clamp
        self.affine = EqualisedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, maps: Tensor, style: Tensor, noise: NoiseInput, fir: Tensor, gain: float = 1.0) -> Tensor:
        """`[N, inputs, h, w]`, styles w `[N, style]`, the FIR kernel `[k, k]` -> `[N, outputs, H, W]`, times the gain."""
        with full_precision(maps):
            weight: Tensor = self.weight
            styles: Tensor = self.affine(style.float())
            if maps.dtype in (torch.float16, torch.bfloat16):
                weight, styles = bounded(weight, styles)
            scales = demodulation(weight, styles) * (gain * GAIN)
        scaled = maps * styles[:, :, None, None].to(maps.dtype)
        result = up_conv2d(scaled, weight, fir) if self.up else conv2d(scaled, weight, padding=1)
        result = torch.addcmul(
            (self.bias * (gain * GAIN))[:, None, None].to(result.dtype), result, scales[:, :, None, None].to(result.dtype)
        )
        drawn = self._noise(noise)
        if drawn is not None:
            result.add_((drawn * (self.noise_strength * (gain * GAIN))).to(result.dtype))
        result = leaky_relu(result, SLOPE, inplace=True)
        return result if self.clamp is None else result.clamp(-self.clamp * gain, self.clamp * gain)

    def _noise(self, noise: NoiseInput) -> Tensor | None:
        if isinstance(noise, Noise):
            return noise.normal(1, self.resolution, self.resolution)
        return self.noise_const if noise == "constant" else None


class ModulatedToImage(nn.Module):
    """1x1 convolution to an image, modulated by a style and not demodulated, with a bias.

    Args:
        inputs, outputs: channels.
        style: size of w.
        clamp: bound of the result's absolute value; None: none.
    """

    def __init__(self, inputs: int, outputs: int, style: int, clamp: float | None = None) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = EqualisedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """`[N, inputs, H, W]` and styles w `[N, style]` -> `[N, outputs, H, W]`."""
        with full_precision(maps):
            styles = self.affine(style.float()) / maps.shape[1] ** 0.5
            # Few outputs: a small matrix per sample costs less than to scale the maps.
            matrices = styles[:, :, None] * self.weight[:, :, 0, 0].T
        places = maps.permute(0, 2, 3, 1).flatten(1, 2) @ matrices.to(maps.dtype)
        image: Tensor = (places + self.bias.to(places.dtype)).unflatten(1, maps.shape[2:]).permute(0, 3, 1, 2)
        return image if self.clamp is None else image.clamp(-self.clamp, self.clamp)
