"""Convolution, batch norm and activation as one unit, which for inference becomes a single convolution."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)
BATCH_NORM_EPS = 1e-3
"""Of Inception-v3 and EfficientNet alike."""


class ConvNorm(nn.Module):
    """activation(batch_norm(convolution(x))), images `[N, C, H, W]`. `activation` may work in place."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        activation: Callable[[Tensor], Tensor],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS)
        self.activation = activation

    def forward(self, images: Tensor) -> Tensor:
        """Images `[N, C, H, W]` to maps `[N, out_channels, H', W']`."""
        return self.activation(self.bn(self.conv(images)))

    def fold(self) -> None:
        """W <- W g / sqrt(v + eps), b <- beta - m g / sqrt(v + eps): the same function without the batch norm."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()


def freeze(network: Network) -> Network:
    """The network itself, made fast: in evaluation mode, without gradients, batch norm folded, channels last."""
    network.eval().requires_grad_(False)
    for unit in network.modules():
        if isinstance(unit, ConvNorm):
            unit.fold()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
