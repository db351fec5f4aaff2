"""The DCGAN pair: a generator and a discriminator of strided convolutions (Radford et al. 2016).

The layers at 1x1 are matrix products, which is exact and several times faster; their weights keep the shapes of the
convolutions that they are, `[latent, channels, 4, 4]` and `[1, channels, 4, 4]`.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from zerosum.game import Shapes
from zerosum.nn.minibatch import MinibatchKind, minibatch_layer

Norm = Literal["batch", "layer", "none"]


class FromPoint(nn.Module):
    """A transposed 4x4 convolution of a 1x1 map: `[N, latent]` -> `[N, C, 4, 4]`."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(latent, channels, 4, 4))

    def forward(self, latent: Tensor) -> Tensor:
        # Over (height, width, channels), so that weights and result of the channels-last layout need no copy.
        pixels = latent @ self.weight.permute(0, 2, 3, 1).flatten(1)
        maps = pixels.reshape(latent.shape[0], 4, 4, -1).permute(0, 3, 1, 2)
        return maps.contiguous() if self.weight.is_contiguous() else maps


class ToPoint(nn.Module):
    """A 4x4 convolution of a 4x4 map to one score: `[N, C, 4, 4]` -> `[N]`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, 4, 4))

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1) @ self.weight.permute(0, 2, 3, 1).flatten()


class ConvGenerator(nn.Module):
    """From a latent to an image, doubling the resolution from 4x4 by transposed convolutions.

    Args:
        latent: size of the latent, a condition included.
        channels, resolution: of the images; the resolution is a power of two from 8.
        width: channels of the last hidden map; they double towards 4x4.
        kernel: 4 (PyTorch's example) or 5 (the paper).

    Raises:
        ValueError: the resolution is no such power of two.
    """

    def __init__(self, latent: int, channels: int, resolution: int, width: int, kernel: int = 4) -> None:
        super().__init__()
        widths = [width << level for level in reversed(range(num_levels(resolution)))]
        layers: list[nn.Module] = [FromPoint(latent, widths[0])]
        for before, after in zip(widths, [*widths[1:], channels], strict=True):
            layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(before, after, kernel, 2, (kernel - 1) // 2, kernel % 2, bias=False)]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        """`[N, latent]` -> images `[N, C, H, W]` in [-1, 1]."""
        images: Tensor = self.layers(latent)
        return images

    def latent_weights(self) -> Tensor:
        """Those of the first layer, `[outputs, latent]`."""
        return self.layers[0].get_parameter("weight").flatten(1).T


class ConvDiscriminator(nn.Module):
    """From an image to a score, halving the resolution to 4x4 by strided convolutions.

    Args:
        channels, resolution: of the images, planes of a condition included; the resolution is a power of two from 8.
        width: channels of the first hidden map; they double towards 4x4.
        kernel: 4 (PyTorch's example) or 5 (the paper).
        norm: after every convolution but the first: over the batch, over each example ("layer": one mean and deviation per
            example, gain and bias per channel, as in WGAN-GP's code) or none, with biases instead.
        minibatch: what the last layer sees of the batch.

    Raises:
        ValueError: the resolution is no such power of two.
    """

    def __init__(
        self,
        channels: int,
        resolution: int,
        width: int,
        kernel: int = 4,
        norm: Norm = "batch",
        minibatch: MinibatchKind = "none",
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(num_levels(resolution))]
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, kernel, 2, (kernel - 1) // 2, bias=norm == "none")]
            if layers[1:]:
                layers += _norm_layer(norm, after)
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        seen = minibatch_layer(minibatch, widths[-1], area=16)
        self.layers = nn.Sequential(*layers, seen, ToPoint(widths[-1] + seen.extra_channels))
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, C, H, W]` -> scores `[N]`."""
        scores: Tensor = self.layers(images)
        return scores


def _norm_layer(norm: Norm, channels: int) -> list[nn.Module]:
    if norm == "none":
        return []
    return [nn.BatchNorm2d(channels) if norm == "batch" else nn.GroupNorm(1, channels)]


def num_levels(resolution: int) -> int:
    """Doublings between 4x4 and the resolution.

    Raises:
        ValueError: the resolution is not a power of two from 8.
    """
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(f"this network needs a resolution that is a power of two from 8 (8, 16, 32, 64 ...), not {resolution}")
    return resolution.bit_length() - 3


def initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), gains of norms N(1, 0.02), biases 0 (Radford et al. 2016, sec. 4, and PyTorch's example)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | FromPoint | ToPoint):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.normal_(module.weight, 1, 0.02)
        if isinstance(bias := getattr(module, "bias", None), nn.Parameter):
            nn.init.zeros_(bias)


def image_shape(shapes: Shapes) -> tuple[int, int]:
    """Channels and resolution of the images that a network is built for.

    Raises:
        ValueError: the data has no images.
    """
    if "image" not in shapes:
        raise ValueError(f"this family makes images, but the data has only {', '.join(sorted(shapes))}: give data.path images")
    channels, resolution, _ = shapes["image"]
    return channels, resolution
