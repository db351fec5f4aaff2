"""The same networks and steps as a competent user writes them by hand: the yardstick of steps.py and of the equality tests.

Every network lists its parameters in the order of zerosum's, so that `copy_weights` maps one to the other.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class UpBlock(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.up(functional.relu(self.norm1(x))))
        h = self.conv2(functional.relu(self.norm2(h)))
        return h + self.shortcut(self.up(x))


class DownBlock(nn.Module):
    def __init__(self, before: int, after: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.conv1 = spectral_norm(nn.Conv2d(before, after, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(before, after, 1)) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else functional.relu(x))
        h = self.conv2(functional.relu(h))
        if not self.down:
            return h + x
        if self.first:
            return functional.avg_pool2d(h, 2) + self.shortcut(functional.avg_pool2d(x, 2))
        return functional.avg_pool2d(h, 2) + functional.avg_pool2d(self.shortcut(x), 2)


class ResidualGenerator(nn.Module):
    def __init__(self, latent: int, channels: int, width: int) -> None:
        super().__init__()
        self.start = nn.Linear(latent, width * 16)
        self.blocks = nn.Sequential(*(UpBlock(width, width) for _ in range(3)))
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.end(self.blocks(self.start(z).view(len(z), -1, 4, 4)))


class ResidualDiscriminator(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        downs = [DownBlock(channels, width, True, first=True), DownBlock(width, width, True)]
        self.blocks = nn.Sequential(*downs, DownBlock(width, width, False), DownBlock(width, width, False))
        self.score = spectral_norm(nn.Linear(width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.score(functional.relu(self.blocks(x)).sum((2, 3))).squeeze(1)
