"""DCGAN of PyTorch's examples: the state dicts `netG_epoch_24.pth` and `netD_epoch_24.pth`, of any resolution."""

from collections.abc import Collection

from torch import Tensor

from zerosum.export.importer import Imported, Importer, as_float, numbered
from zerosum.export.networks import Checkpoint, Network


def detect(names: Collection[str]) -> bool:
    """Whether these are the example's layers: all in `main`, the first one a convolution and the second a norm."""
    return {"main.0.weight", "main.1.running_mean"} <= set(names) and all(name.startswith("main.") for name in names)


def read(checkpoint: Checkpoint) -> Imported:
    """The networks as family `dcgan`.

    Raises:
        ValueError: layers of other sizes or with biases.
    """
    first, last = (checkpoint.average.tensors[f"main.{number}.weight"] for number in _ends(checkpoint.average))
    if first.dim() != 4 or first.shape[2:] != (4, 4) or last.shape[2:] not in ((4, 4), (5, 5)):
        raise ValueError(f"its first and last layers have shapes {list(first.shape)} and {list(last.shape)}, not of a DCGAN")
    layers = _ends(checkpoint.average)[1] // 3
    resolution, width, channels = 4 << layers, last.shape[0], last.shape[1]
    settings = {"latent": first.shape[0], "generator_width": width, "kernel": last.shape[2]}
    discriminator = None
    if checkpoint.discriminator:
        settings["discriminator_width"] = checkpoint.discriminator.tensors["main.0.weight"].shape[0]
        discriminator = _renamed(checkpoint.discriminator, "discriminator", _ends(checkpoint.discriminator)[1])
    return Imported(
        family="dcgan",
        recipe="dcgan:pytorch",
        gan=settings,
        image=(channels, resolution, resolution),
        average=_renamed(checkpoint.average, "generator"),
        generator=_renamed(checkpoint.generator, "generator"),
        discriminator=discriminator,
    )


def _ends(network: Network) -> tuple[int, int]:
    numbers = numbered(network.tensors, r"main\.(\d+)\.weight$")
    if not numbers:
        raise ValueError("it has no layers main.0.weight, main.2.weight ..., as the example's networks have")
    return numbers[0], numbers[-1]


def _renamed(network: Network, player: str, last: int | None = None) -> dict[str, Tensor]:
    """Layers count as in the example, but in the discriminator a layer that sees the batch stands before the last."""
    shifted = {f"main.{last}.weight": f"layers.{last + 1}.weight"} if last is not None else {}
    ours = {name: shifted.get(name, name.replace("main.", "layers.", 1)) for name in network.tensors}
    return {f"{player}.{ours[name]}": as_float(tensor) for name, tensor in network.tensors.items()}


DCGAN_EXAMPLE = Importer("PyTorch's DCGAN example (netG and netD state dicts)", detect, read)
"""The importer."""
