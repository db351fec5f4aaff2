"""The FID Inception-v3 (Szegedy et al. 2016, the TensorFlow graph of 2015-12-05): 2048 features of its last pooling.

The network with which Frechet distances are published (Heusel et al. 2017). It is not the Inception of the paper: average
pooling leaves the padding out of the mean, the last block pools by maximum, and there are 1,008 classes. Layers bear the names
of the weights' file, which pytorch-fid and torch-fidelity share.
"""

from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, linear, max_pool2d

from zerosum.features.folding import ConvNorm, freeze
from zerosum.features.network import FeatureNetwork, Provenance, as_rgb
from zerosum.features.resize import resize, tensorflow_bilinear
from zerosum.features.runtime import Run, Runtime, choose
from zerosum.features.weights import fetch, read_state

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FILE = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
TWIN = "weights-inception-2015-12-05-6726825d.pth"
"""The same bytes as torch-fidelity names them."""
RESOLUTION, WIDTH, NUM_CLASSES = 299, 2048, 1008
MEAN, SCALE = 128, 128
"""The network sees (pixel - MEAN) / SCALE."""

Kernel = int | tuple[int, int]
Layer = tuple[str, int, Kernel, int]
"""Name, channels, kernel, stride. Stride 1 keeps the size, stride 2 is without padding."""
Branch = tuple[str, list[list[Layer]]]
"""How its input is pooled ("", "mean", "max", "halve"), then steps; layers of one step stand side by side, outputs joined."""


def relu(x: Tensor) -> Tensor:
    """max(x, 0), in place."""
    return x.relu_()


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda maps: maps,
    "mean": partial(avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False),
    "max": partial(max_pool2d, kernel_size=3, stride=1, padding=1),
    "halve": partial(max_pool2d, kernel_size=3, stride=2),
}


def chain(name: str, *layers: tuple[int, Kernel], stride: int = 1) -> list[list[Layer]]:
    """Layers one after another, numbered if more than one; the last has the stride."""
    last = len(layers) - 1
    numbered = [f"{name}_{number + 1}" if last else name for number in range(len(layers))]
    return [[(numbered[i], *layer, stride if i == last else 1)] for i, layer in enumerate(layers)]


def fork(name: str) -> list[Layer]:
    """1x3 and 3x1 side by side."""
    return [(f"{name}a", 384, (1, 3), 1), (f"{name}b", 384, (3, 1), 1)]


def block_a(pooled: int) -> list[Branch]:
    """35x35 maps to 224 + `pooled` channels."""
    return [
        ("", chain("branch1x1", (64, 1))),
        ("", chain("branch5x5", (48, 1), (64, 5))),
        ("", chain("branch3x3dbl", (64, 1), (96, 3), (96, 3))),
        ("mean", chain("branch_pool", (pooled, 1))),
    ]


def block_b() -> list[Branch]:
    """35x35 maps to 17x17: 480 channels and those of the input."""
    return [
        ("", chain("branch3x3", (384, 3), stride=2)),
        ("", chain("branch3x3dbl", (64, 1), (96, 3), (96, 3), stride=2)),
        ("halve", []),
    ]


def block_c(inner: int) -> list[Branch]:
    """17x17 maps to 768 channels, through `inner`."""
    row, column = (1, 7), (7, 1)
    return [
        ("", chain("branch1x1", (192, 1))),
        ("", chain("branch7x7", (inner, 1), (inner, row), (192, column))),
        ("", chain("branch7x7dbl", (inner, 1), (inner, column), (inner, row), (inner, column), (192, row))),
        ("mean", chain("branch_pool", (192, 1))),
    ]


def block_d() -> list[Branch]:
    """17x17 maps to 8x8: 512 channels and those of the input."""
    return [
        ("", chain("branch3x3", (192, 1), (320, 3), stride=2)),
        ("", chain("branch7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), stride=2)),
        ("halve", []),
    ]


def block_e(pool: str) -> list[Branch]:
    """8x8 maps to 2048 channels."""
    return [
        ("", chain("branch1x1", (320, 1))),
        ("", [[("branch3x3_1", 384, 1, 1)], fork("branch3x3_2")]),
        ("", [[("branch3x3dbl_1", 448, 1, 1)], [("branch3x3dbl_2", 384, 3, 1)], fork("branch3x3dbl_3")]),
        (pool, chain("branch_pool", (192, 1))),
    ]


BLOCKS = {
    "Mixed_5b": block_a(32),
    "Mixed_5c": block_a(64),
    "Mixed_5d": block_a(64),
    "Mixed_6a": block_b(),
    "Mixed_6b": block_c(128),
    "Mixed_6c": block_c(160),
    "Mixed_6d": block_c(160),
    "Mixed_6e": block_c(192),
    "Mixed_7a": block_d(),
    "Mixed_7b": block_e("mean"),
    "Mixed_7c": block_e("max"),
}


class Mixed(nn.Module):
    """Branches over the same maps, their outputs joined along the channels."""

    def __init__(self, in_channels: int, branches: list[Branch]) -> None:
        super().__init__()
        self.branches, self.out_channels = branches, 0
        for _, steps in branches:
            channels = in_channels
            for step in steps:
                for layer in step:
                    self.add_module(layer[0], unit(channels, layer))
                channels = sum(layer[1] for layer in step)
            self.out_channels += channels

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, in, H, W]` to `[N, out, H', W']`."""
        return torch.cat([self._branch(POOLS[pool](maps), steps) for pool, steps in self.branches], 1)

    def _branch(self, maps: Tensor, steps: list[list[Layer]]) -> Tensor:
        for step in steps:
            outputs = [getattr(self, name)(maps) for name, *_ in step]
            maps = torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]
        return maps


def unit(in_channels: int, layer: Layer) -> ConvNorm:
    """The layer, padded to keep the size if its stride is 1."""
    _, out_channels, kernel, stride = layer
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (height // 2, width // 2) if stride == 1 else 0
    return ConvNorm(in_channels, out_channels, kernel, relu, stride, padding)


class Inception(nn.Module):
    """The FID Inception-v3: images `[N, 3, 299, 299]` of (pixel - 128) / 128 to features `[N, 2048]`."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, relu, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3, relu)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, relu, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1, relu)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3, relu)
        channels = 192
        for name, branches in BLOCKS.items():
            block = Mixed(channels, branches)
            self.add_module(name, block)
            channels = block.out_channels
        self.fc = nn.Linear(channels, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """The mean over places of the last maps (the graph's pool_3)."""
        halve = POOLS["halve"]
        maps = halve(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images))))
        maps = halve(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(maps)))
        for name in BLOCKS:
            maps = getattr(self, name)(maps)
        return maps.mean((2, 3))


def load_inception(path: Path | None, device: torch.device, runtime: Runtime = "auto") -> FeatureNetwork:
    """The FID Inception with the weights at `path`; without one, from torch's cache folder, fetched on first use.

    Its logits are those without the bias, with which the authors compute the Inception score (Salimans et al. 2016).

    Raises:
        FileNotFoundError: nothing lies at the path, or the file could not be fetched.
        ImportError: a package is missing that the runtime needs.
        ValueError: the file is not the pinned one, or the runtime cannot be used.
    """
    if path is None:
        path = cached()
    elif not path.is_file():
        raise FileNotFoundError(f"no weights at {path}; give inception:PATH of {FILE}, which is released at {URL}")
    network = Inception()
    network.load_state_dict(read_state(path, SHA256, f"Delete it and fetch it again from {URL}"))
    network = freeze(network).to(device)
    run, runs_on = choose(network, RESOLUTION, SHA256, device, runtime)
    provenance = Provenance(
        name="inception",
        sha256=SHA256,
        source=URL,
        licence="Apache-2.0",
        resize="TensorFlow 1 bilinear (corners and centres not aligned, no antialiasing) to 299 x 299 pixels, not rounded",
        resolution=RESOLUTION,
        width=WIDTH,
        runtime=runs_on,
    )
    head = partial(linear, weight=network.fc.weight.cpu())
    return FeatureNetwork(provenance, partial(embed, run), head, device, embed_unrounded=partial(embed, network))


def embed(network: Run, pixels: Tensor) -> Tensor:
    """Features `[N, 2048]` of pixels `[N, 1 or 3, H, W]` in 0..255, uint8 or float32."""
    images = (resize(pixels, RESOLUTION, tensorflow_bilinear) - MEAN) / SCALE
    return network(as_rgb(images).contiguous(memory_format=torch.channels_last))


def cached() -> Path:
    """The weights' file in torch's cache folder ($TORCH_HOME), where pytorch-fid and torch-fidelity keep it; fetched if absent.

    Raises:
        FileNotFoundError: it could not be fetched.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for path in (folder / FILE, folder / TWIN):
        if path.is_file():
            return path
    try:
        fetch(URL, folder / FILE, SHA256)
    except (OSError, HTTPException) as error:
        raise FileNotFoundError(
            f"the feature network inception needs {FILE} (91 MiB), which could not be fetched from {URL}: {error}. "
            f"Put that file into {folder}, give its path as inception:PATH, or use lite0, which needs no download"
        ) from error
    return folder / FILE
