"""Generators of the authors' PyTorch code of CycleGAN and pix2pix: `latest_net_G.pth`, `latest_net_G_A.pth`, `horse2zebra.pth`.

A generator of CycleGAN that comes alone goes one way: it becomes a `pix2pix` with residual blocks. With that of the other way
both become a `cyclegan`. Instance norm takes the mean away, so that a bias before it does nothing and is left out where ours
has gains instead; its running statistics, which early versions saved, are never used.
"""

import re
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from zerosum.export.importer import Imported, Importer, as_float, numbered
from zerosum.export.networks import Checkpoint, Network

RESOLUTION = 256
"""Pixels of further training where the network does not say them; a residual one takes any size."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
REMARK = "what its pictures were is not known: further training takes the settings of the paper"


def detect(names: Collection[str]) -> bool:
    """Whether these are the layers of a U-Net, each level in the one around it, or of residual blocks."""
    is_unet = "model.model.0.weight" in names and "model.model.3.weight" in names
    return is_unet or {"model.1.weight", "model.4.weight", "model.10.conv_block.1.weight"} <= set(names)


def read(checkpoint: Checkpoint) -> Imported:
    """The generator as family `pix2pix`, or with that of the other way as `cyclegan`.

    Raises:
        ValueError: norms or channels that the family here has not, or a discriminator or other way that does not fit.
    """
    tensors = checkpoint.average.tensors
    is_unet = "model.model.0.weight" in tensors
    has_gains = "model.model.1.model.2.weight" in tensors if is_unet else "model.2.weight" in tensors
    if is_unet and not has_gains:
        raise ValueError("its U-Net has no batch norm, but biases that ours has no place for: only those with batch norm fit")
    if checkpoint.back is not None:
        return _both_ways(checkpoint, has_gains or is_unet)
    return _unet(checkpoint) if is_unet else _residual(checkpoint, "batch" if has_gains else "instance")


def _unet(checkpoint: Checkpoint) -> Imported:
    tensors = checkpoint.average.tensors
    levels = 1 + max(len(_places(name)) - 1 for name in tensors)
    (width, inputs), outputs = tensors["model.model.0.weight"].shape[:2], tensors["model.model.3.weight"].shape[1]
    renamed = {f"generator.{_unet_name(name, levels)}": as_float(tensor) for name, tensor in tensors.items()}
    return _pix2pix(
        {"generator": "unet", "width": width, "downs": levels, "norm": "batch"}, renamed, inputs, outputs, 2**levels, checkpoint
    )


def _places(name: str) -> list[int]:
    """The places of the layers around a tensor and of its own, outermost first."""
    return [int(place) for place in re.findall(r"model\.(\d+)", name)]


def _unet_name(name: str, levels: int) -> str:
    """Our name of a tensor: theirs tells the level by the models that lie around it."""
    places = _places(name)
    level = len(places) - 1
    middle = {1: "down", 2: "down_norm", 5: "up", 6: "up_norm"}
    ends = {0: {0: "down", 3: "up"}, levels - 1: {1: "down", 3: "up", 4: "up_norm"}}
    layer = ends.get(level, middle).get(places[-1], f"layer {places[-1]}")
    return f"{layer}.{level}.{name.rpartition('.')[2]}"


def _residual(checkpoint: Checkpoint, norm: str) -> Imported:
    settings, inputs, outputs = _shape(checkpoint.average)
    tensors = checkpoint.average.tensors if norm == "batch" else _with_gains(checkpoint.average)
    renamed = {f"generator.{name}": as_float(tensor) for name, tensor in tensors.items()}
    settings |= {"generator": "resnet", "norm": norm}
    return _pix2pix(settings, renamed, inputs, outputs, RESOLUTION, checkpoint)


def _shape(network: Network) -> tuple[dict[str, Any], int, int]:
    """The settings of residual blocks, and the channels that go in and come out."""
    tensors = network.tensors
    last = numbered(tensors, r"model\.(\d+)\.weight$")[-1]
    blocks = len(numbered(tensors, r"model\.(\d+)\.conv_block"))
    # With dropout between them, the second convolution of a block stands a place further.
    drops = "model.10.conv_block.5.weight" not in tensors
    settings = {"width": tensors["model.1.weight"].shape[0], "blocks": blocks, "dropout": 0.5 if drops else 0.0}
    return settings, tensors["model.1.weight"].shape[1], tensors[f"model.{last}.weight"].shape[0]


def _with_gains(network: Network) -> dict[str, Tensor]:
    """The weights of a network whose instance norms have no gains, for one whose norms have: gains of 1 and biases of 0."""
    tensors = _without_statistics(network)
    convolutions = [name.removesuffix(".bias") for name in tensors if name.endswith(".bias")]
    last = max(convolutions, key=lambda name: int(name.split(".")[1]))
    for name in convolutions:
        if name != last:
            bias = tensors.pop(f"{name}.bias")
            path, _, place = name.rpartition(".")
            norm = f"{path}.{int(place) + 1}"
            tensors |= {f"{norm}.weight": torch.ones_like(bias), f"{norm}.bias": torch.zeros_like(bias)}
    return tensors


def _without_statistics(network: Network) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in network.tensors.items() if not name.endswith(STATISTICS)}


def _pix2pix(
    settings: dict[str, Any], weights: dict[str, Tensor], inputs: int, outputs: int, resolution: int, checkpoint: Checkpoint
) -> Imported:
    if outputs not in (1, 3):
        raise ValueError(f"its generator gives {outputs} channels, not 1 or 3: such as colours of Lab are not made here")
    discriminator, judge = None, checkpoint.discriminator
    if judge is not None:
        numbers = numbered(judge.tensors, r"model\.(\d+)\.weight$")
        first = judge.tensors["model.0.weight"]
        settings |= {"discriminator_width": first.shape[0], "layers": (numbers[-1] - 2) // 3}
        discriminator = {f"discriminator.{name}": as_float(tensor) for name, tensor in judge.tensors.items()}
    return _imported("pix2pix:facades", settings, weights, inputs, outputs, resolution, discriminator)


def _imported(
    recipe: str,
    settings: dict[str, Any],
    weights: dict[str, Tensor],
    inputs: int,
    outputs: int,
    resolution: int,
    discriminator: dict[str, Tensor] | None = None,
) -> Imported:
    return Imported(
        family=recipe.partition(":")[0],
        recipe=recipe,
        gan=settings,
        image=(outputs, resolution, resolution),
        inputs=inputs,
        average=weights,
        generator=weights,
        discriminator=discriminator,
        data={} if inputs == outputs else {"colour": "auto"},
        remarks=(REMARK,),
    )


def _both_ways(checkpoint: Checkpoint, is_other: bool) -> Imported:
    """Both generators as family `cyclegan`."""
    assert checkpoint.back is not None
    if checkpoint.discriminator is not None:
        raise ValueError("a CycleGAN has two discriminators, which are not imported: leave --discriminator out")
    (settings, inputs, outputs), other = _shape(checkpoint.average), _shape(checkpoint.back)
    if is_other or other[0].pop("dropout") or settings.pop("dropout"):
        raise ValueError("cyclegan has residual blocks with instance norm and without dropout, not such: leave --back out")
    if (settings, inputs, outputs) != (other[0], other[2], other[1]):
        raise ValueError(f"its two generators do not fit together: {settings} and {other[0]}")
    ways = {"a_to_b": checkpoint.average, "b_to_a": checkpoint.back}
    weights = {
        f"generators.{way}.{name}": as_float(tensor)
        for way, network in ways.items()
        for name, tensor in _without_statistics(network).items()
    }
    if inputs != outputs:
        settings["identity"] = 0.0
    return _imported("cyclegan:horse2zebra", settings, weights, inputs, outputs, RESOLUTION)


CYCLEGAN_PIX2PIX = Importer("generators of the authors' PyTorch code of CycleGAN and pix2pix (latest_net_G.pth)", detect, read)
"""The importer."""
