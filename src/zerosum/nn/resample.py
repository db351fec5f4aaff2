"""Resampling folded into the convolution beside it: the same result by one strided convolution, 2.25 times fewer operations.

Doubling a map by nearest neighbours is a transposed convolution with ones(2, 2), mean pooling a convolution with
ones(2, 2) / 4, both of stride 2; two convolutions in a row are one, whose kernel is the convolution of theirs. The parameters
stay the 3x3 ones: initialisation, spectral norm and checkpoints are those of `nn.Conv2d`.
"""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d


class UpConv2d(nn.Conv2d):
    """3x3 convolution, padding 1, of the map doubled by nearest neighbours: `[N, C, H, W]` -> `[N, D, 2H, 2W]`."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        return doubling_conv2d(maps, self.weight, self.bias)


class DownConv2d(nn.Conv2d):
    """Mean over 2x2 of a 3x3 convolution, padding 1: `[N, C, 2H, 2W]` -> `[N, D, H, W]`. Sizes must be even."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        return halving_conv2d(maps, self.weight, self.bias)


def doubling_conv2d(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `UpConv2d` computes, by weights `[D, C, 3, 3]`."""
    # A transposed convolution turns its kernel round, hence the flip. Sums of 2x2 weights: W (*) ones(2, 2). They are means
    # times 4, not means with another divisor, which torch's ONNX exporter would pass over.
    kernel = avg_pool2d(weight.transpose(0, 1).flip(2, 3), 2, stride=1, padding=1) * 4
    return conv_transpose2d(maps, kernel, bias, stride=2, padding=1)


def halving_conv2d(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """What `DownConv2d` computes, by weights `[D, C, 3, 3]`."""
    # Means of 2x2 weights: W (*) ones(2, 2) / 4.
    return conv2d(maps, avg_pool2d(weight, 2, stride=1, padding=1), bias, stride=2, padding=1)
