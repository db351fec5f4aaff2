"""DiffAugment: colour, translation and cutout, always applied (Zhao et al. 2020, arXiv 2006.10738, sec. 3 and 4).

All functions take images `[N, C, H, W]` in [-1, 1], draw one set of values per image from torch's own stream, and are
differentiable with respect to the images. What is moved in or cut out is zero, a mid-grey, as in the paper.
"""

import torch
from torch import Tensor

from zerosum.augment.resample import translation, warp

BRIGHTNESS = 0.5
"""Added: at most this, up or down."""
SATURATION = 1.0
"""The distance from a pixel's own grey is multiplied by 1 plus or minus at most this."""
CONTRAST = 0.5
"""The distance from the image's mean is multiplied by 1 plus or minus at most this."""
TRANSLATION = 1 / 8
"""Share of the image's width and height by which it moves at most."""
CUTOUT = 1 / 2
"""Side of the square that is cut out, as a share of the image's."""


def augment(images: Tensor) -> Tensor:
    """Colour, translation, cutout."""
    return cut_out(translate(colour(images)))


def colour(images: Tensor) -> Tensor:
    """Random brightness, saturation (not of grey images) and contrast."""
    images = images + BRIGHTNESS * _symmetric(images)
    if images.shape[1] == 3:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * (1 + SATURATION * _symmetric(images))
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + CONTRAST * _symmetric(images))


def translate(images: Tensor) -> Tensor:
    """Move by whole pixels, each number of them equally likely."""
    moves = [_integers(images, -most, most).float() for most in (round(TRANSLATION * size) for size in images.shape[:1:-1])]
    return warp(images, translation(*moves), "nearest", "zeros")


def cut_out(images: Tensor) -> Tensor:
    """Blank a square whose centre is anywhere in the image, so that part of it may lie outside."""
    inside = []
    for size in images.shape[2:]:
        side = round(CUTOUT * size)
        start = _integers(images, -(side // 2), size - side // 2 - side % 2)
        offset = torch.arange(size, device=images.device) - start[:, None]
        inside.append((offset >= 0) & (offset < side))
    rows, columns = inside
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _symmetric(images: Tensor) -> Tensor:
    """Uniform in [-1, 1), one for each image, `[N, 1, 1, 1]`."""
    return torch.rand(len(images), 1, 1, 1, dtype=images.dtype, device=images.device) * 2 - 1


def _integers(images: Tensor, low: int, high: int) -> Tensor:
    """Whole numbers from low to high, one for each image, `[N]`."""
    return torch.randint(low, high + 1, (len(images),), device=images.device)
