"""Pre-activation residual networks of WGAN-GP, SN-GAN and what came after (Gulrajani et al. 2017; Miyato et al. 2018).

Weights are Xavier-uniform, with gain sqrt(2) in the residual branches and 1 elsewhere, as in both official codes.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from torch.nn.utils.parametrizations import spectral_norm

from zerosum.nn.norm import ConditionalBatchNorm2d
from zerosum.nn.resample import DownConv2d, UpConv2d

Norm = Literal["batch", "layer", "none"]


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, convolution, norm, ReLU, convolution; beside it a 1x1 convolution.

    Args:
        before, after: channels.
        norm: of both; batch norm depends on the label if there is one.
        label_width: L, the length of one label; 0 for none.
    """

    def __init__(self, before: int, after: int, norm: Norm = "batch", label_width: int = 0) -> None:
        super().__init__()
        self.norm1 = norm_layer(norm, before, label_width)
        self.conv1 = xavier(UpConv2d(before, after), 2**0.5)
        self.norm2 = norm_layer(norm, after, label_width)
        self.conv2 = xavier(nn.Conv2d(after, after, 3, padding=1), 2**0.5)
        self.shortcut = xavier(nn.Conv2d(before, after, 1))

    def forward(self, maps: Tensor, *label: Tensor) -> Tensor:
        """`[N, before, H, W]`, and labels `[N, L]` if conditional -> `[N, after, 2H, 2W]`."""
        hidden = self.conv1(self.norm1(maps, *label).relu())
        hidden = self.conv2(self.norm2(hidden, *label).relu())
        # 1x1 convolution and doubling commute: first the one, on a quarter of the places.
        result: Tensor = hidden + interpolate(self.shortcut(maps), scale_factor=2.0)
        return result


class DownBlock(nn.Module):
    """Norm, ReLU, convolution, norm, ReLU, convolution, mean over 2x2; beside it a 1x1 convolution, where shapes change.

    Args:
        before, after: channels.
        down: halve the resolution.
        norm: of both.
        spectral: normalise every weight by its largest singular value.
        first: the block sees images: no norm, and no ReLU before its first convolution.
    """

    def __init__(
        self, before: int, after: int, *, down: bool, norm: Norm = "none", spectral: bool = False, first: bool = False
    ) -> None:
        super().__init__()
        middle, norm = (after, "none") if first else (before, norm)
        self.down = down
        self.start = nn.Identity() if first else nn.Sequential(norm_layer(norm, before), nn.ReLU())
        self.conv1 = xavier(nn.Conv2d(before, middle, 3, padding=1), 2**0.5, spectral)
        self.middle = nn.Sequential(norm_layer(norm, middle), nn.ReLU())
        conv2 = DownConv2d(middle, after) if down else nn.Conv2d(middle, after, 3, padding=1)
        self.conv2 = xavier(conv2, 2**0.5, spectral)
        plain = before == after and not down
        self.shortcut = nn.Identity() if plain else xavier(nn.Conv2d(before, after, 1), 1.0, spectral)

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, before, H, W]` -> `[N, after, H, W]`, or half the height and width."""
        hidden = self.conv2(self.middle(self.conv1(self.start(maps))))
        # 1x1 convolution and mean commute: first the mean.
        result: Tensor = hidden + self.shortcut(avg_pool2d(maps, 2) if self.down else maps)
        return result


class ResidualGenerator(nn.Module):
    """From a latent to an image, doubling the resolution from 4x4 by residual blocks.

    Up to 32 pixels all maps have `width` channels; above, `width` is that of the last, doubling towards 4x4 up to 16 times.

    Args:
        latent: size of the latent.
        channels, resolution: of the images; the resolution is 16, 32, 64 or 128.
        label_width: L, the length of one label; 0 for none.

    Raises:
        ValueError: another resolution.
    """

    def __init__(self, latent: int, channels: int, resolution: int, width: int, label_width: int = 0) -> None:
        super().__init__()
        levels = num_levels(resolution)
        widths = [width * (min(2**level, 16) if levels > 3 else 1) for level in reversed(range(levels + 1))]
        self.start = xavier(nn.Linear(latent, widths[0] * 16))
        self.blocks = nn.ModuleList(UpBlock(*pair, label_width=label_width) for pair in pairwise(widths))
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), xavier(nn.Conv2d(width, channels, 3, padding=1)), nn.Tanh())

    def forward(self, latent: Tensor, *label: Tensor) -> Tensor:
        """`[N, latent]`, and labels `[N, L]` if conditional -> images `[N, C, H, W]` in [-1, 1]."""
        maps = self.start(latent).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            maps = block(maps, *label)
        images: Tensor = self.end(maps)
        return images

    def latent_weights(self) -> Tensor:
        """Those of the first layer, `[outputs, latent]`."""
        return self.start.get_parameter("weight")


class ResidualFeatures(nn.Module):
    """From an image to the maps that a discriminator's last layer pools: residual blocks, then a ReLU.

    Up to 32 pixels: halved to 8x8, then two blocks more, all of `width` channels. Above: halved five times, from `width` to
    16 `width` channels, and at 128 pixels one block more.

    Args:
        channels, resolution: of the images; the resolution is 16, 32, 64 or 128.
        norm: in all blocks but the first.
        spectral: normalise every weight by its largest singular value.

    Raises:
        ValueError: another resolution.
    """

    def __init__(self, channels: int, resolution: int, width: int, *, norm: Norm = "none", spectral: bool = False) -> None:
        super().__init__()
        plan = list(_halvings(num_levels(resolution)))
        widths = [channels, *(width * factor for factor, _ in plan)]
        self.num_features = widths[-1]
        blocks = [
            DownBlock(before, after, down=down, norm=norm, spectral=spectral, first=number == 0)
            for number, ((before, after), (_, down)) in enumerate(zip(pairwise(widths), plan, strict=True))
        ]
        self.layers = nn.Sequential(*blocks, nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """`[N, C, H, W]` -> maps `[N, num_features, h, w]`, none negative."""
        maps: Tensor = self.layers(images)
        return maps


def _halvings(levels: int) -> Iterator[tuple[int, bool]]:
    """For each block: its channels as a multiple of the width, and whether it halves the resolution."""
    if levels <= 3:
        yield from [(1, True)] * (levels - 1) + [(1, False)] * 2
    else:
        yield from [(2**level, True) for level in range(5)] + [(16, False)] * (levels - 4)


def num_levels(resolution: int) -> int:
    """Doublings between 4x4 and the resolution.

    Raises:
        ValueError: no network is described for this resolution.
    """
    if resolution not in (16, 32, 64, 128):
        raise ValueError(f"the residual networks need a data.resolution of 16, 32, 64 or 128, not {resolution}")
    return resolution.bit_length() - 3


def norm_layer(norm: Norm, channels: int, label_width: int = 0) -> nn.Module:
    """Batch norm, conditional if there are labels; layer norm over each example, a gain and bias per channel; or nothing."""
    if norm == "batch":
        return ConditionalBatchNorm2d(channels, label_width) if label_width else nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()


def xavier(layer: nn.Conv2d | nn.Linear, gain: float = 1.0, spectral: bool = False) -> nn.Module:
    """The layer with Xavier-uniform weights and zero biases, spectrally normalised if asked (Miyato et al. 2018, eq. 8)."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return spectral_norm(layer) if spectral else layer
