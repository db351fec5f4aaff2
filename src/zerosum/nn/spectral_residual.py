"""Residual blocks whose every convolution is prepared by the caller (spectrally normalised): those of BigGAN and BigGAN-deep.

Brock et al. 2019, figures 15 and 16. Where a map is resampled beside a convolution, the two are one, see `zerosum.nn.resample`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from zerosum.nn.resample import DownConv2d, UpConv2d

Prepare = Callable[[nn.Conv2d], nn.Conv2d]
"""Is given each convolution and returns it initialised, normalised ..."""
Condition = Callable[[int], nn.Module]
"""From a number of channels to their batch norm, which takes `(maps, condition)`."""


class UpBlock(nn.Module):
    """Norm, ReLU, doubling, 3x3 convolution, norm, ReLU, 3x3 convolution; beside it a 1x1 convolution (fig. 15b)."""

    def __init__(self, before: int, after: int, norm: Condition, prepare: Prepare) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(before), norm(after)
        self.conv1 = prepare(UpConv2d(before, after))
        self.conv2 = prepare(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = prepare(nn.Conv2d(before, after, 1))

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """`[N, before, H, W]` and `[N, E]` -> `[N, after, 2H, 2W]`."""
        hidden = self.conv1(self.norm1(maps, condition).relu_())
        hidden = self.conv2(self.norm2(hidden, condition).relu_())
        # 1x1 convolution and doubling commute: first the one, on a quarter of the places.
        result: Tensor = hidden + interpolate(self.shortcut(maps), scale_factor=2.0)
        return result


class DeepUpBlock(nn.Module):
    """A bottleneck of a quarter of the channels: 1x1, doubling if asked, 3x3, 3x3, 1x1 (fig. 16b). Beside it the first maps."""

    def __init__(self, before: int, after: int, up: bool, norm: Condition, prepare: Prepare) -> None:
        super().__init__()
        middle, self.after, self.up = before // 4, after, up
        self.norm1, self.norm2, self.norm3, self.norm4 = norm(before), norm(middle), norm(middle), norm(middle)
        self.conv1 = prepare(nn.Conv2d(before, middle, 1))
        self.conv2 = prepare(UpConv2d(middle, middle) if up else nn.Conv2d(middle, middle, 3, padding=1))
        self.conv3 = prepare(nn.Conv2d(middle, middle, 3, padding=1))
        self.conv4 = prepare(nn.Conv2d(middle, after, 1))

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """`[N, before, H, W]` and `[N, E]` -> `[N, after, H, W]`, or twice the height and width."""
        hidden = self.conv1(self.norm1(maps, condition).relu_())
        hidden = self.conv2(self.norm2(hidden, condition).relu_())
        hidden = self.conv3(self.norm3(hidden, condition).relu_())
        hidden = self.conv4(self.norm4(hidden, condition).relu_())
        kept = maps[:, : self.after]
        result: Tensor = hidden + (interpolate(kept, scale_factor=2.0) if self.up else kept)
        return result


class DownBlock(nn.Module):
    """ReLU, 3x3 convolution, ReLU, 3x3 convolution, mean over 2x2 if asked; beside it a 1x1 convolution (fig. 15c).

    The first block of the discriminator sees images: it has no ReLU before its first convolution.
    """

    def __init__(self, before: int, after: int, *, down: bool, first: bool, wide: bool, prepare: Prepare) -> None:
        super().__init__()
        middle, self.down, self.first = after if wide else before, down, first
        self.conv1 = prepare(nn.Conv2d(before, middle, 3, padding=1))
        self.conv2 = prepare(DownConv2d(middle, after) if down else nn.Conv2d(middle, after, 3, padding=1))
        self.shortcut = prepare(nn.Conv2d(before, after, 1)) if down or before != after else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, before, H, W]` -> `[N, after, H, W]`, or half the height and width."""
        hidden = self.conv2(self.conv1(maps if self.first else maps.relu()).relu_())
        # 1x1 convolution and mean commute: first the mean.
        result: Tensor = hidden + self.shortcut(avg_pool2d(maps, 2) if self.down else maps)
        return result


class DeepDownBlock(nn.Module):
    """A bottleneck of a quarter of the channels: 1x1, 3x3, 3x3, mean if asked, 1x1 (fig. 16c).

    Beside it the maps themselves, followed by a 1x1 convolution of them where channels are added.
    """

    def __init__(self, before: int, after: int, down: bool, prepare: Prepare) -> None:
        super().__init__()
        middle, self.down = after // 4, down
        self.conv1 = prepare(nn.Conv2d(before, middle, 1))
        self.conv2 = prepare(nn.Conv2d(middle, middle, 3, padding=1))
        self.conv3 = prepare(nn.Conv2d(middle, middle, 3, padding=1))
        self.conv4 = prepare(nn.Conv2d(middle, after, 1))
        self.shortcut = prepare(nn.Conv2d(before, after - before, 1)) if after > before else None

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, before, H, W]` -> `[N, after, H, W]`, or half the height and width."""
        hidden = self.conv2(self.conv1(maps.relu()).relu_())
        hidden = self.conv3(hidden.relu_()).relu_()
        if self.down:
            hidden, maps = avg_pool2d(hidden, 2), avg_pool2d(maps, 2)
        if self.shortcut is not None:
            maps = torch.cat([maps, self.shortcut(maps)], 1)
        result: Tensor = self.conv4(hidden) + maps
        return result
