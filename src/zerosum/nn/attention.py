"""Self-attention between the places of a map."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class SelfAttention2d(nn.Module):
    """x + gamma o(softmax(theta(x) phi(x)') g(x)), all four maps 1x1 convolutions without bias (Zhang et al. 2019, sec. 3).

    phi and g are max-pooled to half the size, as in the code of SAGAN and BigGAN; gamma is 0 at first.

    Args:
        channels: of the maps, at least 8: theta and phi have an eighth of them, g half.
        prepare: is given each convolution and returns it initialised, spectrally normalised ...

    Raises:
        ValueError: fewer than 8 channels.
    """

    def __init__(self, channels: int, prepare: Callable[[nn.Conv2d], nn.Conv2d] = lambda layer: layer) -> None:
        super().__init__()
        if channels < 8:
            raise ValueError(f"self-attention needs maps of at least 8 channels, not {channels}: make the network wider")
        self.theta = prepare(nn.Conv2d(channels, channels // 8, 1, bias=False))
        self.phi = prepare(nn.Conv2d(channels, channels // 8, 1, bias=False))
        self.g = prepare(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.o = prepare(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, C, H, W]` -> `[N, C, H, W]`; height and width are even."""
        theta, phi, g = self.theta(maps), max_pool2d(self.phi(maps), 2), max_pool2d(self.g(maps), 2)
        share = torch.bmm(_places(theta), _places(phi).transpose(1, 2)).softmax(2)
        seen = torch.bmm(share, _places(g)).transpose(1, 2).reshape(*g.shape[:2], *maps.shape[2:])
        return torch.addcmul(maps, self.gamma, self.o(seen))


def _places(maps: Tensor) -> Tensor:
    """`[N, C, H, W]` -> `[N, H W, C]`, no copy of maps in channels-last memory."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)
