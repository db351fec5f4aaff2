"""RRDBNet of BasicSR and Real-ESRGAN: `RealESRGAN_x4plus.pth`, `RealESRNet_x4plus.pth` and others of that generator."""

from collections.abc import Collection
from typing import Any

from torch import Tensor

from zerosum.export.importer import Imported, Importer, as_float, numbered
from zerosum.export.networks import Checkpoint, Network

LAYERS = {"conv_first.weight", "conv_body.weight", "body.0.rdb1.conv1.weight", "conv_up1.weight", "conv_last.weight"}
RESOLUTION = 256
"""Pixels of the targets that further training takes; the network takes any size."""


def detect(names: Collection[str]) -> bool:
    """Whether these are the layers of an RRDBNet."""
    return set(names) >= LAYERS


def read(checkpoint: Checkpoint) -> Imported:
    """The generator as family `esrgan`.

    Raises:
        ValueError: a discriminator beside it, or another number of channels going in than 1, 4 or 16 times those coming out.
    """
    if checkpoint.discriminator is not None:
        raise ValueError("its discriminator keeps other vectors for its spectral norm than ours: leave --discriminator out")
    tensors = checkpoint.average.tensors
    (width, inputs), channels = tensors["conv_first.weight"].shape[:2], tensors["conv_last.weight"].shape[0]
    folds = {channels: 4, 4 * channels: 2, 16 * channels: 1}
    if inputs not in folds:
        raise ValueError(
            f"its first layer takes {inputs} channels and its last gives {channels}: no RRDBNet of scale 1, 2 or 4"
        )
    settings: dict[str, Any] = {
        "width": width,
        "growth": tensors["body.0.rdb1.conv1.weight"].shape[0],
        "blocks": len(numbered(tensors, r"body\.(\d+)\.")),
        "skip": "none",
    }
    return Imported(
        family="esrgan",
        recipe="esrgan:real",
        gan=settings,
        image=(channels, RESOLUTION, RESOLUTION),
        average=_named(checkpoint.average),
        generator=_named(checkpoint.generator),
        data={"scale": folds[inputs]},
        remarks=("sources and targets of its first training are not known: further training takes those of esrgan:real",),
    )


def _named(network: Network) -> dict[str, Tensor]:
    """Our names are theirs."""
    return {f"generator.{name}": as_float(tensor) for name, tensor in network.tensors.items()}


REALESRGAN = Importer("RRDBNet of BasicSR and Real-ESRGAN (params or params_ema in a .pth)", detect, read)
"""The importer."""
