"""Truncation of a normal latent by operations that ONNX has: `noise.truncated` needs float64 and special functions."""

import torch
from torch import Tensor

from zerosum.noise import Distribution

FAR = 3.0
"""Standard deviations from which on the normal distribution's tail is a continued fraction: 1 - F(x) loses digits there."""
FRACTION_TERMS = 16


def cut_off(latents: Tensor, distribution: Distribution, threshold: Tensor) -> Tensor:
    """What `noise.truncated` computes, F^-1(F(-t) + F(z) (F(t) - F(-t))), by float32 operations that ONNX has.

    Both tails are worked out as the lower one, in which small probabilities keep their digits. From 9 standard deviations on
    there is nothing to cut off.
    """
    if distribution == "uniform":
        return latents * threshold.clamp(max=1.0)
    below = lower_tail(threshold)
    share = below + lower_tail(latents.abs()) * (1 - 2 * below)
    found = (lower_quantile(share) * -latents.sign()).minimum(threshold).maximum(-threshold)
    return torch.where(threshold > FAR * 3, latents, found)


def lower_tail(distance: Tensor) -> Tensor:
    """F(-x) of the standard normal distribution, x >= 0 (Abramowitz & Stegun 1964, 7.1.22 and 26.2.14)."""
    near = distance.clamp(max=4 * FAR)
    fraction = far = near.clamp(min=FAR)
    for term in range(FRACTION_TERMS, 0, -1):
        fraction = far + term / fraction
    tail = torch.exp(-0.5 * far * far) * (0.5 / torch.pi) ** 0.5 / fraction
    return torch.where(near < FAR, 0.5 * (1 - torch.erf(near * 0.5**0.5)), tail)


def polynomial(x: Tensor, *coefficients: float) -> Tensor:
    """c0 + c1 x + c2 x^2 ..."""
    total = torch.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def lower_quantile(share: Tensor) -> Tensor:
    """F^-1(p), p in (0, 0.5], of the standard normal distribution to about 7 digits (Wichura 1988, AS 241, PPND7)."""
    middle = share - 0.5
    r = 0.180625 - middle * middle
    near = (
        middle
        * polynomial(r, 3.3871327179, 50.434271938, 159.29113202, 59.109374720)
        / polynomial(r, 1.0, 17.895169469, 78.757757664, 67.187563600)
    )
    depth = (-share.clamp(min=1e-30).log()).sqrt()
    r = depth - 1.6
    far = polynomial(r, 1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103) / polynomial(
        r, 1.0, 0.73700164250, 0.12021132975
    )
    r = depth - 5
    farthest = polynomial(r, 6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997) / polynomial(
        r, 1.0, 0.24197894225, 0.012258202635
    )
    return torch.where(middle.abs() <= 0.425, near, -torch.where(depth <= 5, far, farthest))
