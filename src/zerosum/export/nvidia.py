"""StyleGAN2 of NVIDIA's PyTorch repositories: pickles `network-snapshot-*.pkl` (G, D, G_ema) of stylegan2-ada and stylegan3."""

from collections.abc import Collection, Iterable
from typing import Any

from torch import Tensor

from zerosum.export.importer import Imported, Importer, as_float, numbered
from zerosum.export.networks import Checkpoint, Network

PARTS = {"torgb": "to_rgb", "fromrgb": "from_rgb"}
"""Layers that have another name here."""
RECIPES = {1024: "ffhq1024", 512: "ffhq512", 256: "ffhq256", 32: "cifar10"}
"""Resolution -> the recipe whose optimisers fit; `auto` for all others."""


def detect(names: Collection[str]) -> bool:
    """Whether these are a StyleGAN's: a mapping network, and a synthesis network with a learnt constant or Fourier features."""
    return "mapping.fc0.weight" in names and ("synthesis.b4.const" in names or "synthesis.input.freqs" in names)


def read(checkpoint: Checkpoint) -> Imported:
    """The networks as family `stylegan2`.

    Raises:
        ValueError: a StyleGAN3, a layer's setting that ours does not have, or channels that follow no rule.
    """
    average, judge = checkpoint.average, checkpoint.discriminator
    if any(name.startswith("synthesis.input.") for name in average.tensors):
        raise ValueError("it is a StyleGAN3, a family that is not here")
    tensors = average.tensors
    sizes = numbered(tensors, r"synthesis\.b(\d+)\.")
    resolution, num_classes = sizes[-1], tensors["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in tensors else 0
    layers = numbered(tensors, r"mapping\.fc(\d+)\.weight")
    style = tensors[f"mapping.fc{layers[-1]}.weight"].shape[0]
    settings: dict[str, Any] = {
        "latent": tensors["mapping.fc0.weight"].shape[1] - (style if num_classes else 0),
        "style": style,
        "mapping_layers": len(layers),
        **channels(average, sizes),
        "generator_architecture": architecture(tensors, "synthesis.b8.skip.weight", "synthesis.b4.torgb.weight", sizes),
        "conditional": bool(num_classes),
        **attributes(average),
    }
    if "synthesis.b4.resample_filter" in tensors:
        row = tensors["synthesis.b4.resample_filter"].float()[0]
        settings["taps"] = [round(tap) for tap in (row / row[0]).tolist()]
    if judge:
        settings |= judge_settings(judge, sizes)
    known = settings.get("clamp") is not None or average.attributes
    return Imported(
        family="stylegan2",
        recipe=f"stylegan2:{RECIPES.get(resolution, 'auto')}",
        gan={"clamp": None, "mapping_rate": 0.01, **settings},
        image=(tensors[f"synthesis.b{resolution}.torgb.weight"].shape[0], resolution, resolution),
        average=translated(average, "generator"),
        generator=translated(checkpoint.generator, "generator"),
        discriminator=translated(judge, "discriminator") if judge else None,
        num_classes=num_classes,
        ignored={
            "num_fp16_res": "images are computed in float32 unless a training says otherwise",
            "resample_filter": "made anew from its taps",
        },
        remarks=() if known else ("weights without their networks do not say whether results are clamped: taken as not",),
    )


def channels(network: Network, sizes: list[int]) -> dict[str, int]:
    """The rule that the channels of all resolutions follow: channel_base / resolution, at most channel_max.

    Raises:
        ValueError: they follow none.
    """
    found = {size: network.tensors[f"synthesis.b{size}.conv1.weight"].shape[0] for size in sizes}
    largest = max(found.values())
    base = found[sizes[-1]] * sizes[-1]
    if found != {size: min(base // size, largest) for size in sizes}:
        raise ValueError(f"its channels by resolution, {found}, are not channel_base / resolution and at most channel_max")
    return {"channel_base": base, "channel_max": largest}


def architecture(names: Collection[str], shortcut: str, image: str, sizes: list[int]) -> str:
    """residual, skip or original, by whether these tensors are there."""
    if shortcut in names:
        return "residual"
    return "skip" if image in names and len(sizes) > 1 else "original"


def attributes(network: Network) -> dict[str, Any]:
    """What the pickled layers say beside their weights; nothing for a plain state dict.

    Raises:
        ValueError: an activation other than leaky ReLU, no noise, or layers that differ.
    """
    found: dict[str, Any] = {}
    convs = [values for path, values in network.attributes.items() if ".conv" in path and "use_noise" in values]
    if any(not values["use_noise"] for values in convs):
        raise ValueError("its layers add no noise (use_noise=False), which stylegan2 here always does")
    activations = {values["activation"] for values in network.attributes.values() if "activation" in values}
    if activations - {"lrelu", "linear"}:
        raise ValueError(f"its layers have the activations {', '.join(sorted(activations))}; stylegan2 here has leaky ReLU")
    mapping = [values for path, values in network.attributes.items() if path.startswith("mapping.fc")]
    for name, theirs, layers in (("clamp", "conv_clamp", convs), ("mapping_rate", "bias_gain", mapping)):
        values = {layer[theirs] for layer in layers if theirs in layer}
        if len(values) > 1:
            raise ValueError(f"its layers differ in {theirs}: {', '.join(map(str, values))}")
        if values:
            found[name] = values.pop()
    return found


def judge_settings(network: Network, sizes: list[int]) -> dict[str, Any]:
    """The discriminator's own settings."""
    tensors, settings = network.tensors, dict[str, Any]()
    top = f"b{sizes[-1]}" if len(sizes) > 1 else "b4"
    settings["discriminator_architecture"] = architecture(tensors, f"{top}.skip.weight", "b4.fromrgb.weight", sizes)
    settings["minibatch_channels"] = tensors["b4.conv.weight"].shape[1] - tensors["b4.conv.weight"].shape[0]
    group = network.attributes.get("b4.mbstd", {}).get("group_size")
    return {**settings, "minibatch_group": group} if group else settings


def translated(network: Network, player: str) -> dict[str, Tensor]:
    """The network's tensors under our names, its filters left out."""
    kept = {name: value for name, value in network.tensors.items() if not name.endswith("resample_filter")}
    return {f"{player}.{'.'.join(_path(name.split('.'), player))}": as_float(value) for name, value in kept.items()}


def _path(path: list[str], player: str) -> Iterable[str]:
    if path[0] == "mapping":
        return [part.replace("fc", "layers.", 1) if part.startswith("fc") else part for part in path]
    if player == "generator":
        path = [path[0], "blocks", *path[1:]]
    else:
        path = ["end", *path[1:]] if path[0] == "b4" else ["blocks", *path]
    return [PARTS.get(part, part) for part in path]


NVIDIA = Importer("StyleGAN2 of NVIDIA's PyTorch repositories (pickles with G_ema, or state dicts)", detect, read)
"""The importer."""
