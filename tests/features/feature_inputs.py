"""Photographs to judge, and weights that leave the activations at their scale."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

PHOTOS = Path(__file__).parents[3] / "shared" / "datasets" / "photos"


def read_photo(name: str) -> Tensor:
    """The centre of a photograph, as pixels uint8 `[1, 3, S, S]`."""
    if not PHOTOS.is_dir():
        pytest.skip(f"needs the photographs of {PHOTOS}")
    with Image.open(PHOTOS / f"{name}.jpg") as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = np.array(image.convert("RGB").crop((left, top, left + side, top + side)))
    return torch.from_numpy(square).permute(2, 0, 1)[None]


def randomise(network: nn.Module) -> None:
    """Random convolutions and batch norms that do not cancel out, from torch's stream."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)


def random_pixels(*shape: int, seed: int = 0) -> Tensor:
    """Smooth random pixels uint8 of that shape: noise over a gradient."""
    stream = torch.Generator().manual_seed(seed)
    noise = torch.rand(shape, generator=stream) * 128
    return (noise + torch.linspace(0, 127, shape[-1])).to(torch.uint8)
