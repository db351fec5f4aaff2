"""BigGAN of BigGAN-PyTorch: the state dicts `G_ema.pth` (or `G.pth`) and `D.pth`, with their spectral norm's buffers."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from zerosum.export.importer import Imported, Importer, as_float, numbered
from zerosum.export.networks import Checkpoint, Network

FIRST_FACTOR = {32: 4, 64: 16, 128: 16, 256: 16, 512: 16}
"""Resolution -> channels at 4x4, as a multiple of the network's width."""
RENAMED = (
    (r"\.bn(\d)\.(stored_)", r".norm\1.norm.\2"),
    (r"\.bn(\d)\.", r".norm\1."),
    (r"\.conv_sc\.", ".shortcut."),
    (r"^shared\.", "embed."),
    (r"^output_layer\.0\.gain$", "end.0.weight"),
    (r"^output_layer\.", "end."),
    (r"\.stored_(mean|var)$", r".running_\1"),
)
"""The authors' names -> ours, one after the other."""


def detect(names: Collection[str]) -> bool:
    """Whether these are a generator's: blocks of two norms, a linear layer and an output layer with stored statistics."""
    return {"linear.weight", "output_layer.0.stored_mean", "blocks.0.0.conv1.weight"} <= set(names)


def read(checkpoint: Checkpoint) -> Imported:
    """The networks as family `biggan`.

    Raises:
        ValueError: BigGAN-deep, no spectral norm, or another resolution.
    """
    tensors = checkpoint.average.tensors
    if "blocks.0.0.conv4.weight" in tensors:
        raise ValueError("it is a BigGAN-deep, of which no importer is known to be right yet")
    if "linear.u0" not in tensors:
        raise ValueError("its generator has no spectral norm (linear.u0), which biggan always has")
    resolution = 4 << len(numbered(tensors, r"blocks\.(\d+)\."))
    settings, num_classes = settings_from(tensors, resolution)
    judge = None
    if checkpoint.discriminator:
        other = checkpoint.discriminator.tensors
        settings["discriminator_width"] = discriminator_width(other["blocks.0.0.conv2.weight"].shape[0], resolution)
        inner, outer = other["blocks.1.0.conv1.weight"].shape[0], other["blocks.1.0.conv2.weight"].shape[0]
        settings["wide"] = inner == outer
        judge = translated(checkpoint.discriminator, "discriminator")
    return Imported(
        family="biggan",
        recipe="biggan:cifar10" if resolution == 32 else "biggan:imagenet128_pytorch",
        gan=settings,
        image=(tensors["output_layer.2.weight"].shape[0], resolution, resolution),
        average=translated(checkpoint.average, "generator"),
        generator=translated(checkpoint.generator, "generator"),
        discriminator=judge,
        num_classes=num_classes,
        ignored={"sv0": "a note of the last singular values, not used in sampling"},
    )


def settings_from(tensors: Mapping[str, Tensor], resolution: int) -> tuple[dict[str, Any], int]:
    """The generator's settings by the shapes of its tensors, and its number of classes.

    Raises:
        ValueError: a resolution that BigGAN has no network for, or gains of another size than latent and embedding.
    """
    if resolution not in FIRST_FACTOR:
        raise ValueError(f"it makes images of {resolution} pixels; BigGAN has networks for {', '.join(map(str, FIRST_FACTOR))}")
    outputs, chunk = tensors["linear.weight"].shape
    gain = tensors["blocks.0.0.bn1.gain.weight"]
    if "shared.weight" in tensors:
        num_classes, embedding = tensors["shared.weight"].shape
        condition = gain.shape[1]
    else:  # a table of gains for each norm, a row for each class
        num_classes, embedding, condition = gain.shape[0], 0, 0
    hierarchical = condition == embedding + chunk
    if not hierarchical and condition != embedding:
        raise ValueError(
            f"its norms take {condition} values, neither the embedding's {embedding} nor with {chunk} of the latent"
        )
    attention = [8 << number for number in numbered(tensors, r"blocks\.(\d+)\.1\.theta\.")]
    width = outputs // 16 // FIRST_FACTOR[resolution]
    settings = {
        "latent": chunk * (resolution.bit_length() - 2 if hierarchical else 1),
        "generator_width": width,
        "discriminator_width": width,
        "attention": attention,
        "conditional": True,
        "embedding": embedding,
        "hierarchical": hierarchical,
        "deep": False,
    }
    return settings, num_classes


def discriminator_width(channels: int, resolution: int) -> int:
    """The discriminator's unit of channels, by those after its first block."""
    return channels // 4 if resolution == 32 else channels


def translated(network: Network, player: str) -> dict[str, Tensor]:
    """The network's tensors under our names."""
    ours: dict[str, Tensor] = {}
    for theirs, value in network.tensors.items():
        name = theirs
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        layer, _, last = name.rpartition(".")
        if last == "sv0":
            continue
        tensor = as_float(value)
        if last == "u0":
            name, tensor = f"{layer}.parametrizations.weight.0.u", tensor.squeeze(0)
        elif last == "weight" and f"{theirs.rpartition('.')[0]}.u0" in network.tensors:
            name = f"{layer}.parametrizations.weight.original"
        elif re.search(r"\.norm\d\.(gain|bias)\.weight$", name):
            tensor = tensor.t().contiguous()
        ours[f"{player}.{name}"] = tensor
    return ours | counters(ours)


def counters(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The counts of batches of all norms, which other code does not save: zero."""
    means = [name for name in ours if name.endswith(".running_mean")]
    return {name.replace("running_mean", "num_batches_tracked"): torch.zeros((), dtype=torch.long) for name in means}


BIGGAN_PYTORCH = Importer("BigGAN of BigGAN-PyTorch (G_ema.pth or G.pth, with D.pth as --discriminator)", detect, read)
"""The importer."""
