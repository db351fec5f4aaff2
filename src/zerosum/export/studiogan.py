"""PyTorch-StudioGAN: `model=G_ema-best-weights-step=....pth`, of the backbones `big_resnet` (BigGAN) and `resnet` (SN-GAN).

Facts about its networks are from its source (MIT). Its batch norms add 1e-4 to the variance where ours add 1e-5: the difference
goes into the imported variances, which gives the same images.
"""

import re
from collections.abc import Collection, Mapping

from torch import Tensor

from zerosum.export.biggan_pytorch import FIRST_FACTOR, counters, discriminator_width
from zerosum.export.importer import Imported, Importer, as_float, numbered
from zerosum.export.networks import Checkpoint, Network

MORE_EPS = 1e-4 - 1e-5
"""What their batch norms add to the variance more than ours."""
LAYERS = {
    "conv2d0": "shortcut",
    "conv2d1": "conv1",
    "conv2d2": "conv2",
    "bn1": "norm1",
    "bn2": "norm2",
    "embed0": "gain",
    "embed1": "bias",
    "bn": "norm",
    "conv1x1_theta": "theta",
    "conv1x1_phi": "phi",
    "conv1x1_g": "g",
    "conv1x1_attn": "o",
    "sigma": "gamma",
    "bn4": "end.0",
    "conv2d5": "end.2",
}
"""Layers of both generators, theirs -> ours."""
BIGGAN = {**LAYERS, "linear0": "linear", "shared": "embed", "linear1": "linear", "embedding": "embed"}
SNGAN = {**LAYERS, "linear0": "start"}
SPECTRAL = {"weight_orig": "parametrizations.weight.original", "weight_u": "parametrizations.weight.0.u"}
REMARK = (
    "spectral norms take one step of power iteration from the saved vector, where StudioGAN takes it as it is: images agree as "
    "well as these vectors have converged"
)


def detect(names: Collection[str]) -> bool:
    """Whether these are a generator's: blocks, and a first layer called linear0."""
    starts = {name.partition(".")[0] for name in names}
    return {"linear0", "blocks"} <= starts


def read(checkpoint: Checkpoint) -> Imported:
    """The networks as family `biggan` or `sngan`.

    Raises:
        ValueError: a backbone that is built differently from ours, saying how.
    """
    names = checkpoint.average.tensors
    if any(".deconv0." in name for name in names):
        raise ValueError(
            "it is StudioGAN's deep_conv, whose first layer, biases and last 3x3 convolution the family dcgan does not have"
        )
    if any(".conv2d3." in name for name in names):
        raise ValueError("it is StudioGAN's BigGAN-deep, of which no importer is known to be right yet")
    return _read_biggan(checkpoint) if "shared.weight" in names else _read_sngan(checkpoint)


def _read_biggan(checkpoint: Checkpoint) -> Imported:
    tensors = checkpoint.average.tensors
    if "linear0.weight_orig" not in tensors or "blocks.0.0.bn1.gain.weight_orig" not in tensors:
        raise ValueError("its generator has no spectral norm or no conditional batch norms, which biggan always has")
    blocks = [number for number in numbered(tensors, r"blocks\.(\d+)\.") if f"blocks.{number}.0.conv2d1.weight_orig" in tensors]
    resolution = 4 << len(blocks)
    if resolution not in FIRST_FACTOR:
        raise ValueError(f"it makes images of {resolution} pixels; BigGAN has networks for {', '.join(map(str, FIRST_FACTOR))}")
    outputs, chunk = tensors["linear0.weight_orig"].shape
    num_classes, embedding = tensors["shared.weight"].shape
    places = _places(tensors)
    width = outputs // 16 // FIRST_FACTOR[resolution]
    settings = {
        "latent": chunk * (len(blocks) + 1),
        "generator_width": width,
        "discriminator_width": width,
        "attention": [8 << block for block, layer in places.values() if layer == 1],
        "conditional": True,
        "embedding": embedding,
        "hierarchical": True,
        "deep": False,
        "wide": True,
    }
    judge, ignored = None, {"weight_v": "found again from weight_u"}
    if checkpoint.discriminator:
        other = checkpoint.discriminator.tensors
        if "embedding.weight_orig" in other and not any(name.startswith("linear2.") for name in other):
            settings["discriminator_width"] = discriminator_width(other["blocks.0.0.conv2d2.weight_orig"].shape[0], resolution)
            judge = translated(checkpoint.discriminator, "discriminator", BIGGAN)
        else:
            ignored["discriminator"] = "it is no projection discriminator with spectral norm, as biggan's"
    return Imported(
        family="biggan",
        recipe="biggan:cifar10" if resolution == 32 else "biggan:imagenet128_pytorch",
        gan=settings,
        image=(tensors["conv2d5.weight_orig"].shape[0], resolution, resolution),
        average=translated(checkpoint.average, "generator", BIGGAN),
        generator=translated(checkpoint.generator, "generator", BIGGAN),
        discriminator=judge,
        num_classes=num_classes,
        ignored=ignored,
        remarks=(REMARK,),
    )


def _read_sngan(checkpoint: Checkpoint) -> Imported:
    tensors = checkpoint.average.tensors
    if any(layer == 1 for _, layer in _places(tensors).values()) or "linear0.weight" not in tensors:
        raise ValueError("it is StudioGAN's resnet with attention or spectral norm in the generator; sngan here has neither")
    blocks = numbered(tensors, r"blocks\.(\d+)\.")
    resolution = 4 << len(blocks)
    conditional = "blocks.0.0.bn1.embed0.weight" in tensors
    reason = "sngan's has no bias in its last layer at 32 pixels, and narrower blocks above"
    return Imported(
        family="sngan",
        recipe="sngan:imagenet64_projection" if resolution > 32 else "sngan:cifar10",
        gan={
            "latent": tensors["linear0.weight"].shape[1],
            "generator_width": tensors["conv2d5.weight"].shape[1],
            "conditional": conditional,
        },
        image=(tensors["conv2d5.weight"].shape[0], resolution, resolution),
        average=translated(checkpoint.average, "generator", SNGAN),
        generator=translated(checkpoint.generator, "generator", SNGAN),
        num_classes=tensors["blocks.0.0.bn1.embed0.weight"].shape[0] if conditional else 0,
        ignored={"discriminator": reason} if checkpoint.discriminator else {},
    )


def _places(names: Collection[str]) -> dict[int, tuple[int, int]]:
    """Number in `blocks` -> (number of the block, 0 for itself or 1 for the attention that follows it)."""
    places, block = dict[int, tuple[int, int]](), -1
    for number in numbered(names, r"blocks\.(\d+)\."):
        attends = any(name.startswith(f"blocks.{number}.0.conv1x1_theta.") for name in names)
        block += not attends
        places[number] = (block, int(attends))
    return places


def translated(network: Network, player: str, layers: Mapping[str, str]) -> dict[str, Tensor]:
    """The network's tensors under our names, with these names for its layers."""
    places, nested = _places(network.tensors), layers is BIGGAN
    ours: dict[str, Tensor] = {}
    for theirs, value in network.tensors.items():
        *path, last = theirs.split(".")
        if last in ("weight_v", "num_batches_tracked"):
            continue
        start: list[str] = []
        if path[:1] == ["blocks"]:
            block, layer = places[int(path[1])]
            start, path = ["blocks", str(block), *([str(layer)] if nested else [])], path[3:]
        named = [layers.get(part, part) for part in path]
        name = ".".join([player, *start, *named, SPECTRAL.get(last, layers.get(last, last))])
        tensor = as_float(value)
        if last == "running_var":
            tensor += MORE_EPS
        elif last == "sigma":
            tensor = tensor.reshape(())
        elif re.search(r"\.embed[01]$", ".".join(path)):
            tensor = tensor.t().contiguous()
        ours[name] = tensor
    return ours | counters(ours)


STUDIOGAN = Importer("BigGAN and SN-GAN of PyTorch-StudioGAN (model=G_ema-....pth, with model=D-....pth)", detect, read)
"""The importer."""
