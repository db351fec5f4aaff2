"""Discriminators of generators that are given a picture: one score for an image, or one for every pixel."""

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from zerosum.nn.spectral import spectral

SLOPE = 0.2
"""Of the leaky rectifiers."""


class VGGDiscriminator(nn.Module):
    """Pairs of convolutions, the second of which halves the sides, down to 4 x 4, then one score: `[N, C, R, R]` to `[N]`.

    Of Wang et al. 2018 (arXiv 1809.00219), there for 128 pixels; R may be any power of two from 8.
    """

    def __init__(self, channels: int, resolution: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, level = channels, 0
        while resolution >> level > 4:
            after = width << min(level, 3)
            layers += [nn.Conv2d(before, after, 3, 1, 1, bias=level == 0)]
            layers += [nn.BatchNorm2d(after)] if level else []
            layers += [nn.LeakyReLU(SLOPE), nn.Conv2d(after, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after)]
            layers += [nn.LeakyReLU(SLOPE)]
            before, level = after, level + 1
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 16, 100), nn.LeakyReLU(SLOPE), nn.Linear(100, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        scores: Tensor = self.layers(images)
        return scores.squeeze(1)


class UNetDiscriminator(nn.Module):
    """A score for every pixel: `[N, C, H, W]` to `[N, 1, H, W]`, sides divisible by 8.

    Wang et al. 2021 (arXiv 2107.10833), fig. 6; the idea is of Schonfeld et al. 2020.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(channels, width, 3, 1, 1)
        for number, inputs in enumerate((1, 2, 4), 1):
            self.add_module(f"conv{number}", spectral(nn.Conv2d(inputs * width, 2 * inputs * width, 4, 2, 1, bias=False)))
        for number, inputs in enumerate((8, 4, 2), 4):
            self.add_module(f"conv{number}", spectral(nn.Conv2d(inputs * width, inputs // 2 * width, 3, 1, 1, bias=False)))
        for number in (7, 8):
            self.add_module(f"conv{number}", spectral(nn.Conv2d(width, width, 3, 1, 1, bias=False)))
        self.conv9 = nn.Conv2d(width, 1, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        down = [self._layer(0, images)]
        for number in (1, 2, 3):
            down.append(self._layer(number, down[-1]))
        maps = down.pop()
        for number in (4, 5, 6):
            larger = interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)
            maps = self._layer(number, larger) + down.pop()
        scores: Tensor = self.conv9(self._layer(8, self._layer(7, maps)))
        return scores

    def _layer(self, number: int, maps: Tensor) -> Tensor:
        return leaky_relu(self.get_submodule(f"conv{number}")(maps), SLOPE)
