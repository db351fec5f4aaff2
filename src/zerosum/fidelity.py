"""How near pictures are to the ones they should be: pure functions of images `[N, C, H, W]` in [-1, 1]."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

PEAK = 2.0
"""Of images in [-1, 1]: from black to white."""
WINDOW, DEVIATION = 11, 1.5
"""Of SSIM's normal window, in pixels (Wang et al. 2004, sec. III B)."""
STABILISERS = (0.01, 0.03)
"""K1 and K2 of SSIM, for values in [0, 1] (Wang et al. 2004, sec. III B)."""
LUMA = (65.481, 128.553, 24.966)
"""Of red, green and blue in [0, 1], in levels of 255, of which black has 16 (ITU-R BT.601)."""


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio `[N]` in decibels, 10 log10(peak^2 / mean squared error); at most 106 for equal images."""
    return 10 * (PEAK**2 / (images - targets).square().flatten(1).mean(1).clamp(min=1e-10)).log10()


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity `[N]`, 1 for equal images: the mean over channels and places (Wang et al. 2004, eq. 13).

    A normal window of 11 x 11 pixels, at the places where it lies whole inside of the image.

    Raises:
        ValueError: images smaller than the window.
    """
    if min(images.shape[2:]) < WINDOW:
        raise ValueError(f"SSIM needs images of at least {WINDOW} pixels a side, not {list(images.shape[2:])}")
    images, targets = (images + 1) / 2, (targets + 1) / 2  # not negative, as the formula takes them
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = (-0.5 * (offsets / DEVIATION).square()).exp()
    weights = (weights / weights.sum()).to(images)

    def local(values: Tensor) -> Tensor:
        """Means under the window, `[N * C, 1, H', W']`."""
        flat = values.reshape(-1, 1, *values.shape[2:])
        return conv2d(conv2d(flat, weights[None, None, None]), weights[None, None, :, None])

    first, second = local(images), local(targets)
    variances = local(images.square()) - first.square(), local(targets.square()) - second.square()
    covariance = local(images * targets) - first * second
    c1, c2 = (k**2 for k in STABILISERS)
    likeness = (2 * first * second + c1) * (2 * covariance + c2)
    likeness = likeness / ((first.square() + second.square() + c1) * (variances[0] + variances[1] + c2))
    return likeness.reshape(len(images), -1).mean(1)


def luma(images: Tensor) -> Tensor:
    """The brightness `[N, 1, H, W]` that super-resolution is measured on: Y of BT.601, 16 to 235 of 255, in [-1, 1].

    Grey images are taken as red, green and blue alike.
    """
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device).reshape(1, 3, 1, 1)
    levels = 16 + (weights * ((images.expand(-1, 3, -1, -1) + 1) / 2)).sum(1, keepdim=True)
    return levels / 127.5 - 1
