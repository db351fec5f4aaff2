"""What every importer answers, and what they read off the shapes of tensors."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from zerosum.export.networks import Checkpoint, Network


@dataclass(frozen=True)
class Imported:
    """A checkpoint in our words."""

    family: str
    """Name of the GAN."""
    recipe: str
    """Its recipe that optimisers and lengths are taken from, should it be trained further."""
    gan: dict[str, Any]
    """The family's settings that differ from that recipe's."""
    image: tuple[int, int, int]
    """Channels, height and width."""
    average: dict[str, Tensor]
    """Weights of the networks that sampling needs, by our names."""
    generator: dict[str, Tensor]
    """The same as they were trained."""
    discriminator: dict[str, Tensor] | None = None
    """None: the file has none."""
    inputs: int = 0
    """Channels of the pictures that pairs, or two kinds of pictures, begin with; 0: there are none."""
    data: dict[str, Any] = field(default_factory=dict)
    """Settings of the data that differ from that recipe's, beside resolution and colour."""
    num_classes: int = 0
    """Classes of a conditional generator; 0: it has none."""
    ignored: dict[str, str] = field(default_factory=dict)
    """What was left out, and why."""
    remarks: tuple[str, ...] = ()
    """What the user should know."""


@dataclass(frozen=True)
class Importer:
    """One origin of checkpoints."""

    about: str
    """Whose checkpoints, in a few words."""
    detect: Callable[[Collection[str]], bool]
    """Whether tensors of these names are a generator of this origin."""
    read: Callable[[Checkpoint], Imported]
    """The checkpoint in our words.

    Raises:
        ValueError: it has something that the family here has not.
    """


def as_float(tensor: Tensor) -> Tensor:
    """A copy of a tensor of its own, as float32 where it holds fractions."""
    return tensor.float().clone() if tensor.is_floating_point() else tensor.clone()


def refuse_leftovers(network: Network, used: Collection[str], where: str) -> None:
    """Refuse a network with tensors that ours has no place for.

    Raises:
        ValueError: naming some.
    """
    if rest := sorted(set(network.tensors) - set(used)):
        raise ValueError(f"{where} has {len(rest)} tensors that ours has no place for, such as {', '.join(rest[:3])}")


def numbered(names: Collection[str], pattern: str) -> list[int]:
    """The numbers that stand in the group of a pattern in names, ascending."""
    return sorted({int(match[1]) for name in names if (match := re.match(pattern, name))})
