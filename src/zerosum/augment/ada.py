"""The transformations of adaptive discriminator augmentation (Karras et al. 2020, arXiv 2006.06676, sec. 2 and appendix B).

Pixel blitting, geometric and colour transformations ("bgc", the paper's choice, sec. 3), each with the same probability p. As
long as p is well below 1 the generator cannot put them into its own images without being seen (sec. 2.2).

Different here: blitting and geometry are one cubic interpolation, where the paper goes through an image of twice the size,
filtered by a sym6 wavelet. As in the paper the image goes on outside as its mirror image.
"""

from math import pi

import torch
from torch import Tensor

from zerosum.augment.resample import rotation, scaling, translation, warp

TRANSLATION = 1 / 8
"""Share of the image's size: the bound of integer translation, the standard deviation of fractional translation."""
SCALE = 0.2
"""Standard deviation of the scale, in powers of two."""
BRIGHTNESS = 0.2
"""Standard deviation of what is added."""
CONTRAST = 0.5
"""Standard deviation of the factor, in powers of two."""
SATURATION = 1.0
"""Standard deviation of the factor, in powers of two."""


def augment(images: Tensor, probability: Tensor) -> Tensor:
    """Images transformed by chance, one draw for each, from torch's own stream; differentiable with respect to the images.

    Args:
        images: `[N, C, H, W]` in [-1, 1]. Of images without three channels, hue and saturation stay.
        probability: of each transformation, in [0, 1], a scalar.

    Returns:
        `[N, C, H, W]`, which brightness and contrast may take out of [-1, 1].
    """
    height, width = images.shape[2:]
    images = warp(images, draw_maps(len(images), height, width, probability), "bicubic", "reflection")
    factor, offset = draw_colours(len(images), images.shape[1], probability)
    return (factor.to(images.dtype) @ (images.flatten(2) + offset.to(images.dtype))).reshape(images.shape)


def draw_maps(num: int, height: int, width: int, probability: Tensor) -> Tensor:
    """Blitting and geometric transformations (appendix B) as maps `[N, 3, 3]` from result to image, see `warp`."""
    zero = torch.zeros(num, device=probability.device)
    bounds = TRANSLATION * torch.tensor([[width], [height]], device=zero.device)

    def sometimes(values: Tensor, otherwise: float, probability: Tensor = probability) -> Tensor:
        return torch.where(torch.rand_like(zero) < probability, values, otherwise)

    def any_angle() -> Tensor:
        # Two rotations by chance: with 1 - sqrt(1 - p) for each, at least one happens with probability p.
        return sometimes((torch.rand_like(zero) * 2 - 1) * pi, 0, 1 - (1 - probability).sqrt())

    flip = sometimes(1 - 2 * torch.randint_like(zero, 2), 1)
    quarters = sometimes(torch.randint_like(zero, 4), 0)
    blit = sometimes(((torch.rand(2, num, device=zero.device) * 2 - 1) * bounds).round(), 0)
    scale = sometimes((SCALE * torch.randn_like(zero)).exp2(), 1)
    before = any_angle()
    stretch = sometimes((SCALE * torch.randn_like(zero)).exp2(), 1)
    after = any_angle()
    move = sometimes(torch.randn(2, num, device=zero.device) * bounds, 0)
    # In the order of appendix B: each is the inverse of what is done to the image.
    maps = scaling(flip, torch.ones_like(flip)) @ rotation(-quarters * pi / 2) @ translation(-blit[0], -blit[1])
    maps = maps @ scaling(1 / scale, 1 / scale) @ rotation(-before)
    return maps @ scaling(1 / stretch, stretch) @ rotation(-after) @ translation(-move[0], -move[1])


def draw_colours(num: int, channels: int, probability: Tensor) -> tuple[Tensor, Tensor]:
    """Colour transformations (appendix B) of a pixel x, which becomes A (x + b): A `[N, C, C]` and b `[N, 1, 1]`.

    Brightness is b, contrast a factor of A. Luma flip acts on the grey axis v = (1, 1, 1) / sqrt(3), hue and saturation on
    the plane normal to it: A = contrast (flip v v' + saturation (cos(hue) (I - v v') + sin(hue) [v]x)).
    """
    zero = torch.zeros(num, 1, 1, device=probability.device)

    def sometimes(values: Tensor, otherwise: float) -> Tensor:
        return torch.where(torch.rand_like(zero) < probability, values, otherwise)

    brightness = sometimes(BRIGHTNESS * torch.randn_like(zero), 0)
    contrast = sometimes((CONTRAST * torch.randn_like(zero)).exp2(), 1)
    flip = sometimes(1 - 2 * torch.randint_like(zero, 2), 1)
    if channels != 3:
        return contrast * flip * torch.eye(channels, device=zero.device), brightness
    hue = sometimes((torch.rand_like(zero) * 2 - 1) * pi, 0)
    saturation = sometimes((SATURATION * torch.randn_like(zero)).exp2(), 1)
    axis = torch.full((3, 3), 1 / 3, device=zero.device)
    plane = torch.eye(3, device=zero.device) - axis
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=zero.device) / 3**0.5
    return contrast * (flip * axis + saturation * (hue.cos() * plane + hue.sin() * cross)), brightness
