"""R3GAN of the authors' code: pickles of its training (G, D, G_ema), or state dicts of its networks."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torch import Tensor

from zerosum.export.importer import Imported, Importer, as_float, numbered, refuse_leftovers
from zerosum.export.networks import Checkpoint, Network

BLOCK = {
    "widen.weight": "LinearLayer1.Layer.weight",
    "widen.bias": "NonLinearity1.Bias",
    "mix.weight": "LinearLayer2.Layer.weight",
    "mix.bias": "NonLinearity2.Bias",
    "narrow.weight": "LinearLayer3.Layer.weight",
}
"""A residual block's weights, ours -> the authors'."""


@dataclass(frozen=True)
class _Stages:
    """What the shapes of one network say, from 4x4 upwards."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    cardinality: tuple[int, ...]
    expansion: int
    kernel: int


def detect(names: Collection[str]) -> bool:
    """Whether these are a generator's: a learnt basis, stages and an aggregation layer."""
    plain = {name.removeprefix("Model.") for name in names}
    return {"MainLayers.0.Layers.0.Basis", "AggregationLayer.Layer.weight"} <= plain


def read(checkpoint: Checkpoint) -> Imported:
    """The networks as family `r3gan`.

    Raises:
        ValueError: layers that our network has no place for.
    """
    average, generator = _bare(checkpoint.average), _bare(checkpoint.generator)
    tensors, stages = average.tensors, _stages(average, generator=True)
    embedding, num_classes = tensors["EmbeddingLayer.weight"].shape if "EmbeddingLayer.weight" in tensors else (0, 0)
    settings = {
        "latent": tensors["MainLayers.0.Layers.0.LinearLayer.weight"].shape[1] - embedding,
        "widths": list(stages.widths),
        "blocks": list(stages.blocks),
        "cardinality": list(stages.cardinality),
        "expansion": stages.expansion,
        "kernel": stages.kernel,
        "conditional": bool(num_classes),
    }
    if taps := _taps(average):
        settings["resampling"] = taps
    if embedding:
        settings["generator_embedding"] = embedding
    judge = None
    if checkpoint.discriminator:
        network = _bare(checkpoint.discriminator)
        if "EmbeddingLayer.weight" in network.tensors:
            settings["discriminator_embedding"] = network.tensors["EmbeddingLayer.weight"].shape[0]
        judge = _translated(network, _stages(network, generator=False), generator=False)
    channels, size = tensors["AggregationLayer.Layer.weight"].shape[0], 4 << (len(stages.widths) - 1)
    return Imported(
        family="r3gan",
        recipe="r3gan:cifar10" if num_classes else "r3gan:ffhq64",
        gan=settings,
        image=(channels, size, size),
        average=_translated(average, stages, generator=True),
        generator=_translated(generator, stages, generator=True),
        discriminator=judge,
        num_classes=num_classes,
        ignored={"FP16Stages": "all is computed in float32", "Resampler.Kernel": "made anew from its taps"},
        remarks=("gamma and the rates' schedules are not in the file; those of the recipe stand in for them",),
    )


def _bare(network: Network) -> Network:
    return Network({name.removeprefix("Model."): value for name, value in network.tensors.items()})


def _stages(network: Network, generator: bool) -> _Stages:
    widths, blocks, groups, expansion, kernel = [], [], [], 1, 1
    for stage in numbered(network.tensors, r"MainLayers\.(\d+)\."):
        found = numbered(network.tensors, rf"MainLayers\.{stage}\.Layers\.(\d+)\.LinearLayer1\.")
        first = f"MainLayers.{stage}.Layers.{found[0]}"
        narrow, mix = (network.tensors[f"{first}.{BLOCK[name]}"] for name in ("narrow.weight", "mix.weight"))
        widths.append(narrow.shape[0])
        blocks.append(len(found))
        groups.append(mix.shape[0] // mix.shape[1])
        expansion, kernel = mix.shape[0] // narrow.shape[0], mix.shape[2]
    order = slice(None) if generator else slice(None, None, -1)
    return _Stages(tuple(widths[order]), tuple(blocks[order]), tuple(groups[order]), expansion, kernel)


def _taps(network: Network) -> list[float]:
    """The filter's taps, from the saved kernel: its outer product with itself, after the box of doubling."""
    kernel = next((value for name, value in network.tensors.items() if name.endswith("Resampler.Kernel")), None)
    if kernel is None:
        return []
    taps: list[float] = []
    for value in (kernel.float()[0] / kernel.float()[0, 0])[:-1].tolist():
        taps.append(round(value - (taps[-1] if taps else 0.0), 4))
    return taps


def _names(stages: _Stages, generator: bool) -> Iterator[tuple[str, str]]:
    """(ours, the authors') of every weight that there may be."""
    blocks, position = stages.blocks if generator else stages.blocks[::-1], 0
    for stage, number in enumerate(blocks):
        for block in range(number):
            layer = f"MainLayers.{stage}.Layers.{block + generator}"
            yield from ((f"layers.{position}.{ours}", f"{layer}.{theirs}") for ours, theirs in BLOCK.items())
            position += 1
        at = f"{stage + 1}.Layers.0" if generator else f"{stage}.Layers.{number}"
        if stage + 1 < len(blocks):
            yield f"layers.{position}.change.weight", f"MainLayers.{at}.LinearLayer.Layer.weight"
        position += 1
    yield "embed.weight", "EmbeddingLayer.weight"
    if generator:
        yield from (("basis", "MainLayers.0.Layers.0.Basis"), ("modulate.weight", "MainLayers.0.Layers.0.LinearLayer.weight"))
        yield "to_image.weight", "AggregationLayer.Layer.weight"
    else:
        last = f"MainLayers.{len(blocks) - 1}.Layers.{blocks[-1]}"
        yield from (("basis", f"{last}.Basis.weight"), ("score.weight", f"{last}.LinearLayer.weight"))
        yield "from_image.weight", "ExtractionLayer.Layer.weight"


def _translated(network: Network, stages: _Stages, generator: bool) -> dict[str, Tensor]:
    player = "generator" if generator else "discriminator"
    names = {ours: theirs for ours, theirs in _names(stages, generator) if theirs in network.tensors}
    kernels = {name for name in network.tensors if name.endswith("Resampler.Kernel")}
    refuse_leftovers(network, {*names.values(), *kernels}, f"its {player}")
    ours = {f"{player}.{name}": as_float(network.tensors[theirs]) for name, theirs in names.items()}
    basis = ours[f"{player}.basis"]
    return {**ours, f"{player}.basis": basis.reshape(basis.shape[0], 4, 4)}


R3GAN = Importer("R3GAN of the authors' code (pickle of its training, or state dicts)", detect, read)
"""The importer."""
