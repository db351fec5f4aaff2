"""How unlike two images are: pixels at several scales, and what a frozen network sees."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from zerosum.features.perceptual import Perceptual, load_perceptual

COARSEST = 4
"""Pixels a side below which images are not halved any further."""
LEAST_SIDE = 32
"""Pixels a side from which the network looks at images; it is of no use on smaller ones."""


@dataclass(frozen=True)
class Likeness:
    """Images to be reached, and how far from them others are."""

    targets: Tensor
    """`[N, C, H, W]` in [-1, 1]."""
    perceptual: Perceptual | None
    maps: list[Tensor]
    """The network's of the targets."""

    @classmethod
    def of(cls, targets: Tensor, perceptual: Perceptual | None) -> "Likeness":
        """Likeness to these images."""
        with torch.no_grad():
            return cls(targets, perceptual, perceptual.maps(targets) if perceptual else [])

    def __call__(self, images: Tensor) -> Tensor:
        """The error `[N]` of images `[N, C, H, W]`: mean squared over pixels and scales, and the perceptual distance."""
        pixels = (pyramid(images) - pyramid(self.targets)).square().sum(1)
        return pixels if self.perceptual is None else pixels + self.perceptual(self.perceptual.maps(images), self.maps)


def judge_for(targets: Tensor, device: torch.device | str) -> Perceptual | None:
    """The network that helps to compare these images, None if they are too small for it.

    Raises:
        ImportError: its weights are missing.
    """
    return load_perceptual(device) if min(targets.shape[2:]) >= LEAST_SIDE else None


def pyramid(images: Tensor) -> Tensor:
    """Images `[N, C, H, W]` as vectors `[N, P]` whose squared distance is their mean squared error, averaged over scales.

    The scales are the images themselves, halved, halved again ..., down to 4 pixels a side.
    """
    scales = [images]
    while min(scales[-1].shape[2:]) >= 2 * COARSEST:
        scales.append(avg_pool2d(scales[-1], 2))
    return torch.cat([scale.flatten(1) / (scale[0].numel() * len(scales)) ** 0.5 for scale in scales], 1)
