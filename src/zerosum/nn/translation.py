"""Networks that make a picture from a picture of the same size, and those that judge patches of it.

Isola et al. 2017, "Image-to-image translation with conditional adversarial networks" (arXiv 1611.07004), and Zhu et al. 2017
(arXiv 1703.10593). Weights of the authors' PyTorch code fit as they are: layers stand at the same places of `model`.
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from zerosum.nn.spectral import spectral

Norm = Literal["batch", "instance"]
"""Batch norm, or instance norm: statistics of each picture by itself."""
DiscriminatorNorm = Norm | Literal["spectral"]
"""Those of maps, or of the weights instead (Miyato et al. 2018), under which gradients stay small where it wins."""

SLOPE = 0.2
"""Of the leaky rectifiers."""
Skip = Literal["none", "source"]
"""A picture is made anew (the papers), or its source is changed."""
INIT_STD = 0.02
"""Standard deviation of initial weights, those of batch norms around 1 (Isola et al. 2017, sec. 6.2)."""
RESIDUAL = 0.3
"""What initial weights of residual branches without norms are multiplied by."""
LAST_STD = 0.01
"""Standard deviation of the last initial weights without norms: pictures begin grey, and sources unchanged."""


def changed(source: Tensor, change: Tensor) -> Tensor:
    """A source in [-1, 1], to which twice a change in [-1, 1] is added: from black to white, and no further.

    What is white stays so where it is made whiter, so that a discriminator sees no noise on plain paper. No gradient passes
    the bounds either: if one did, a discriminator that wins would draw such noise out of the generator.
    """
    return (source + 2 * change).clamp(-1, 1)


def norm(kind: Norm, channels: int, gains: bool) -> nn.Module:
    """A norm of maps `[N, channels, H, W]`; instance norm has gains and biases of its own only if `gains`."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=gains)


def has_bias(kind: DiscriminatorNorm, gains: bool) -> bool:
    """Whether a convolution before that norm needs a bias: not if the norm has one."""
    return kind == "spectral" or (kind == "instance" and not gains)


def initialise(network: nn.Module) -> None:
    """Normal weights, gains around 1, no biases."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, INIT_STD)
        elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, INIT_STD)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class PatchDiscriminator(nn.Module):
    """PatchGAN: scores `[N, 1, h, w]` of overlapping patches of pictures `[N, C, H, W]` (Isola et al. 2017, sec. 3.2.2).

    A patch is 70 pixels a side at 3 layers, 34 at 2, 16 at 1.
    """

    def __init__(self, channels: int, width: int, layers: int, kind: DiscriminatorNorm, gains: bool) -> None:
        super().__init__()
        model: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        before = width
        for number in range(1, layers + 1):
            after = width * min(2**number, 8)
            stride = 2 if number < layers else 1
            model += [nn.Conv2d(before, after, 4, stride, 1, bias=has_bias(kind, gains))]
            model += [] if kind == "spectral" else [norm(kind, after, gains)]
            model += [nn.LeakyReLU(SLOPE)]
            before = after
        self.model = nn.Sequential(*model, nn.Conv2d(before, 1, 4, 1, 1))
        initialise(self)
        if kind == "spectral":
            for layer in self.model:
                if isinstance(layer, nn.Conv2d):
                    spectral(layer)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        scores: Tensor = self.model(pictures)
        return scores


def smallest_side(layers: int) -> int:
    """Pixels a side from which a `PatchDiscriminator` gives a score."""
    # Two convolutions without stride take one pixel each off the maps that the others halve `layers` times.
    return 3 << layers


class ResidualBlock(nn.Module):
    """x + f(x) of two padded 3 x 3 convolutions with norms."""

    def __init__(self, width: int, kind: Norm, gains: bool, dropout: float) -> None:
        super().__init__()

        def layers() -> list[nn.Module]:
            conv = nn.Conv2d(width, width, 3, bias=has_bias(kind, gains))
            return [nn.ReflectionPad2d(1), conv, norm(kind, width, gains)]

        between = [nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        self.conv_block = nn.Sequential(*layers(), *between, *layers())

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, width, H, W]` to the same."""
        change: Tensor = self.conv_block(maps)
        return maps + change


class ResNetGenerator(nn.Module):
    """Two strided convolutions, residual blocks at a quarter of the sides, two transposed ones (Johnson et al. 2016).

    Pictures `[N, inputs, H, W]` to pictures `[N, outputs, H, W]` in [-1, 1]; H and W divisible by 4 and at least 8.
    """

    multiple = 4
    """What the sides must be divisible by."""

    def __init__(
        self, inputs: int, outputs: int, width: int, blocks: int, kind: Norm, gains: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        bias = has_bias(kind, gains)
        model: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, bias=bias), norm(kind, width, gains)]
        model += [nn.ReLU()]
        for before in (width, 2 * width):
            model += [nn.Conv2d(before, 2 * before, 3, 2, 1, bias=bias), norm(kind, 2 * before, gains), nn.ReLU()]
        model += [ResidualBlock(4 * width, kind, gains, dropout) for _ in range(blocks)]
        for before in (4 * width, 2 * width):
            model += [nn.ConvTranspose2d(before, before // 2, 3, 2, 1, 1, bias=bias), norm(kind, before // 2, gains)]
            model += [nn.ReLU()]
        self.model = nn.Sequential(*model, nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh())
        # Pixels: 7 x 7 at both ends, 3 x 3 at 1, 1/2, 1/4 (two a block), 1/4 and 1/2 of the sides, the rest of a small pixel.
        self.reach = None if kind == "instance" else 2 * 3 + 1 + 2 + 8 * blocks + 4 + 2 + 3
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures in [-1, 1]."""
        made: Tensor = self.model(pictures)
        return made


class PlainUNet(nn.Module):
    """A U-Net of two levels without norms, with residual blocks at a quarter of the sides (Lim et al. 2017, sec. 3.1); ours.

    A norm takes from a picture how strong its colours are and how much there is of each; here both stay, and outlines are drawn
    from the maps of the way down. Pictures `[N, inputs, H, W]` to pictures `[N, outputs, H, W]` in [-1, 1]; H and W divisible
    by 4. Lim et al.: "Enhanced deep residual networks for single image super-resolution" (arXiv 1707.02921).

    Args:
        dilations: of the first convolution of each residual block.
    """

    multiple = 4
    """What the sides must be divisible by."""

    def __init__(self, inputs: int, outputs: int, width: int, dilations: Sequence[int]) -> None:
        super().__init__()
        half, quarter = 2 * width, 4 * width
        self.down = nn.ModuleList(
            [rectified(inputs, width, 5), rectified(width, half, stride=2), rectified(half, quarter, stride=2)]
        )
        branches = [
            nn.Sequential(rectified(quarter, quarter, dilation=many), nn.Conv2d(quarter, quarter, 3, 1, 1))
            for many in dilations
        ]
        self.blocks = nn.ModuleList(branches)
        self.up = nn.ModuleList([rectified(quarter + half, half), rectified(half + width, width)])
        last = nn.Conv2d(width, outputs, 3, 1, 1)
        self.end = nn.Sequential(rectified(width, width), last, nn.Tanh())
        # Pixels: 5 x 5; 3 x 3 at 1, 1/2, 1/4 (two a block), 1/2 of the sides, three times at 1; and the rest of a small pixel.
        self.reach = 2 + 1 + 2 + 4 * sum(many + 1 for many in dilations) + 2 + 3 + 3
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                nn.init.zeros_(cast(Tensor, layer.bias))
        with torch.no_grad():
            for branch in branches:
                cast(Tensor, branch[-1].weight).mul_(RESIDUAL)
        nn.init.normal_(last.weight, 0.0, LAST_STD)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures in [-1, 1]."""
        known, maps = list[Tensor](), pictures
        for layer in self.down:
            maps = layer(maps)
            known.append(maps)
        for block in self.blocks:
            maps = maps + block(maps)
        for layer, seen in zip(self.up, known[1::-1], strict=True):
            maps = layer(torch.cat([interpolate(maps, scale_factor=2.0, mode="nearest"), seen], 1))
        made: Tensor = self.end(maps)
        return made


def rectified(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A padded convolution and a leaky rectifier."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation)
    return nn.Sequential(conv, nn.LeakyReLU(SLOPE))
