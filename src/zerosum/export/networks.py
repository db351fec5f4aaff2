"""The networks in a checkpoint: named tensors, and what the file says of their layers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from torch import Tensor

from zerosum.export.unpickle import Described

MAX_DEPTH, MAX_LAYERS = 60, 100_000
"""Modules within modules, and all modules of a network."""

AVERAGE = ("G_ema", "g_ema", "Gen_ema", "netG_ema", "ema", "params_ema")
GENERATOR = ("G", "g", "Gen", "netG", "generator", "state_dict", "params", "")
DISCRIMINATOR = ("D", "d", "Dis", "netD", "discriminator")
"""What authors call a network in a file that holds several; one that stands alone is called ""."""


@dataclass(frozen=True)
class Network:
    """One network of a checkpoint."""

    tensors: dict[str, Tensor]
    """By the authors' names."""
    kind: str = ""
    """Its class, where the file says so."""
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Path of a layer -> its numbers and texts, where the file says so."""


@dataclass(frozen=True)
class Checkpoint:
    """What is to be imported: the generator, and what else the file has."""

    average: Network
    """The generator that is sampled: the averaged one where there is one."""
    generator: Network
    """The generator that was trained; the same where there is only one."""
    discriminator: Network | None = None
    back: Network | None = None
    """Of generators that go both ways: the other one."""
    unused: tuple[str, ...] = ()
    """Names of what else was in the file."""


def find_networks(value: Any, size: int) -> dict[str, Network]:
    """The networks in what a file holds, by the names they have there.

    Args:
        size: of the file in bytes: the tensors of a network cannot add up to more.

    Raises:
        ValueError: their tensors lie over each other.
    """
    networks = dict(_networks(value))
    for name, network in networks.items():
        if sum(tensor.nbytes for tensor in network.tensors.values()) > size:
            raise ValueError(f"the tensors of {name or 'the network'} add up to more than the size of the file")
    return networks


def _networks(value: Any) -> Iterator[tuple[str, Network]]:
    if (alone := as_network(value)) is not None:
        yield "", alone
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if isinstance(name, str) and (network := as_network(part)) is not None:
                yield name, network


def as_network(value: Any) -> Network | None:
    """A described module, or a mapping from names to tensors, as a network; None if it is neither."""
    if isinstance(value, Described) and "_modules" in value.state:
        layers = list(islice(_layers(value, "", 0), MAX_LAYERS + 1))
        if len(layers) > MAX_LAYERS:
            raise ValueError(f"it has more than {MAX_LAYERS:,} modules")
        tensors = {name: tensor for path, layer in layers for name, tensor in _tensors(path, layer)}
        return Network(tensors, value.kind, {path: _plain(layer) for path, layer in layers})
    if not isinstance(value, Mapping) or not value:
        return None
    if not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()):
        return None
    prefix = "module." if all(name.startswith("module.") for name in value) else ""
    return Network({name.removeprefix(prefix): tensor for name, tensor in value.items()})


def _layers(module: Described, path: str, depth: int) -> Iterator[tuple[str, Described]]:
    """A module and all in it, by their paths.

    Raises:
        ValueError: they are nested too deeply, perhaps without end.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"its modules are nested more than {MAX_DEPTH} deep")
    yield path, module
    for name, value in _items(module, "_modules"):
        if isinstance(value, Described):
            yield from _layers(value, f"{path}.{name}" if path else name, depth + 1)


def _tensors(path: str, layer: Described) -> Iterator[tuple[str, Tensor]]:
    """A layer's own parameters and saved buffers, by their paths."""
    unsaved = layer.state.get("_non_persistent_buffers_set") or ()
    for group in ("_parameters", "_buffers"):
        for name, value in _items(layer, group):
            if isinstance(value, Tensor) and name not in unsaved:
                yield f"{path}.{name}" if path else name, value


def _plain(layer: Described) -> dict[str, Any]:
    kinds = bool | int | float | str | None
    return {name: value for name, value in layer.state.items() if isinstance(value, kinds) and not str(name).startswith("_")}


def _items(module: Described, group: str) -> list[tuple[str, Any]]:
    members = module.state.get(group)
    return [(str(name), value) for name, value in members.items()] if isinstance(members, Mapping) else []


def choose(
    networks: Mapping[str, Network], discriminator: Mapping[str, Network], back: Mapping[str, Network] | None = None
) -> Checkpoint:
    """Generator and discriminator among the networks of one file, or of two.

    Args:
        discriminator: the networks of a second file with the discriminator alone; empty: there is none.
        back: those of a file with the generator of the other way; None: there is none.

    Raises:
        ValueError: no generator, or not one discriminator in the second file.
    """
    average = next((name for name in AVERAGE if name in networks), None)
    generator = next((name for name in GENERATOR if name in networks), average)
    if generator is None and len(networks) == 1 and not networks.keys() & {*DISCRIMINATOR}:
        generator = next(iter(networks))
    if generator is None:
        found, known = ", ".join(sorted(networks)) or "no network at all", ", ".join(filter(None, GENERATOR))
        raise ValueError(f"there is no generator in it: it has {found}; generators are called {known}")
    average = average or generator
    own = next((name for name in DISCRIMINATOR if name in networks), None)
    judges = [networks[own]] if own else []
    if discriminator:
        judges = [discriminator[name] for name in (*DISCRIMINATOR, "state_dict", "") if name in discriminator][:1]
        if not judges:
            raise ValueError(f"there is no discriminator in the second file: it has {', '.join(sorted(discriminator))}")
    unused = tuple(sorted(set(networks) - {average, generator, own}))
    other = choose(back, {}).average if back is not None else None
    return Checkpoint(networks[average], networks[generator], judges[0] if judges else None, other, unused)
