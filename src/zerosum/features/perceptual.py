"""A perceptual distance of images through which gradients flow: how far apart EfficientNet-Lite0's maps of them are.

The form of Zhang et al. 2018 (arXiv 1801.03924, eq. 1) on another network and without their learned weights: at each of several
depths the channels at every place are brought to length 1, and squared differences are averaged over places and added up over
channels. Its values are not LPIPS's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.features.folding import freeze
from zerosum.features.lite0 import MEAN, SCALE, Lite0, with_weights
from zerosum.features.network import as_rgb
from zerosum.features.resize import antialiased_bilinear, resize

DEPTHS = (0, 2, 4, 10)
"""Blocks whose maps are compared: 1/2, 1/4, 1/8 and 1/16 of the sides, 16, 24, 40 and 112 channels."""
LEAST, LARGEST = 64, 256
"""Pixels a side that the network sees: twice those of the image, within these."""


@dataclass(frozen=True)
class Perceptual:
    """A distance between images."""

    network: Lite0

    def maps(self, images: Tensor) -> list[Tensor]:
        """Maps of unit length `[N, C', H', W']` at several depths of images `[N, 1 or 3, H, W]` in [-1, 1]; differentiable."""
        side = min(max(2 * images.shape[-1] // 32 * 32, LEAST), LARGEST)
        pixels = (resize((images + 1) * 127.5, side, antialiased_bilinear) - MEAN) / SCALE
        maps = self.network.stem(self.network.pad(as_rgb(pixels).contiguous(memory_format=torch.channels_last)))
        found = []
        for number, block in enumerate(list(self.network.blocks)[: DEPTHS[-1] + 1]):
            maps = block(maps)
            if number in DEPTHS:
                found.append(maps / (maps.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return found

    def __call__(self, maps: list[Tensor], targets: list[Tensor]) -> Tensor:
        """The distance `[N]` between images of these maps."""
        pairs = zip(maps, targets, strict=True)
        return torch.stack([(one - other).square().sum(1).mean((1, 2)) for one, other in pairs]).mean(0)


class PerceptualLoss:
    """The mean distance of images and targets as a loss; its network is loaded when it is first used."""

    def __init__(self) -> None:
        self._distance: Perceptual | None = None

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        """A scalar; gradients flow to the images alone."""
        if self._distance is None or next(self._distance.network.parameters()).device != images.device:
            # Its weights are drawn before they are read: the play's own random stream must not notice.
            with torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
                self._distance = load_perceptual(images.device)
        with torch.no_grad():
            wanted = self._distance.maps(targets)
        return self._distance(self._distance.maps(images), wanted).mean()


def load_perceptual(device: torch.device | str = "cpu") -> Perceptual:
    """The distance, with the weights of lite0.

    Raises:
        ImportError: the package with the weights is missing.
        ValueError: they are damaged.
    """
    return Perceptual(freeze(with_weights(Lite0())).to(torch.device(device)))
