"""A generator as one function of named tensors, so that it can leave torch: what is random in it is drawn by the caller.

    label, source ...  what the family must be given, under its own names
    latent             what is drawn for a sample's latent, `[N, A]`
    truncation         as `HasLatents.truncate` takes it, a single number for all samples
    shift              added to the latents after truncation, `[N, *shape]`: a direction, or the way to another latent
    noise              what else is drawn for a sample, draw after draw in one row, `[N, B]`

A family that does not show its latents has only noise, and one in which nothing is random has neither.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from zerosum.export.truncation import cut_off
from zerosum.game import GAN, Batch, HasLatents, HasReach, HasReverse
from zerosum.latents import LatentSpace, space_of
from zerosum.noise import Distribution, KeptNoise, Noise, SeededNoise, SilentNoise

NO_TRUNCATION = 1e6
"""Of a latent z: beyond every value. Of w it is 1."""
WORDS = {"caption": "words"}
"""What is given as whole numbers -> the shape that says how many numbers there are."""

Draw = tuple[Distribution, tuple[int, ...]]
"""The distribution and shape of one draw for one sample."""
Truncate = Callable[[Tensor, Tensor], Tensor]
"""(latents, truncation) -> latents."""


@dataclass(frozen=True)
class Input:
    """One input of an exported generator."""

    name: str
    shape: tuple[int | str, ...]
    """A text is a size that is free: N samples, H and W pixels."""
    about: str
    """What it means, its range and its law."""


class Graph(nn.Module):
    """What a generator computes, as a function of the tensors that `inputs` names, in that order.

    Args:
        gan: a sampling copy.
        reverse: of two kinds of pictures, make the first from the second.

    Raises:
        ValueError: the family does not go in reverse.
    """

    def __init__(self, gan: GAN, reverse: bool = False) -> None:
        super().__init__()
        if reverse and not isinstance(gan, HasReverse):
            raise ValueError(f"this generator ({type(gan).__name__}) goes one way: leave out --reverse")
        self.gan, self.is_reversed = gan, reverse
        self.space: LatentSpace | None = space_of(gan) if isinstance(gan, HasLatents) else None
        self.first, self.rest = self._draws()

    @property
    def is_mapped(self) -> bool:
        """Whether latents are mapped from what is drawn (w), and not themselves drawn (z)."""
        return self.space is not None and self.space.distribution is None

    @property
    def no_truncation(self) -> float:
        """The truncation that leaves latents as they are."""
        return 1.0 if self.is_mapped else NO_TRUNCATION

    def given_shape(self, key: str) -> tuple[int, ...]:
        """The shape of what one sample is given under this key."""
        sides = (self.gan.makes, self.gan.takes) if self.is_reversed else (self.gan.takes, self.gan.makes)
        return self.gan.shapes[sides[0] if key == "source" else key]

    def inputs(self) -> list[Input]:
        """What `forward` takes, in order."""
        found = [self._input(key) for key in sorted(self.gan.given)]
        if self.first:
            found.append(Input("latent", ("N", width(self.first)), law(self.first)))
        if self.space is not None:
            about = f"largest absolute value that a latent is squeezed to; {NO_TRUNCATION:g}: as it is"
            if self.is_mapped:
                about = "share of its way from the mean that a latent keeps; 1: as it is"
            found.append(Input("truncation", (), about))
            found.append(Input("shift", ("N", *self.space.shape), "added to the latent after truncation; zeros: nothing"))
        if self.rest:
            found.append(Input("noise", ("N", width(self.rest)), f"{law(self.rest)}; what is random besides the latent"))
        return found

    def outputs(self) -> list[str]:
        """What `forward` gives: samples and, where they are mapped, the latents before truncation, `[N, *shape]`."""
        made = self.gan.makes if len(self.gan.shapes[self.gan.makes]) != 3 else "image"
        return [made, "style"] if self.is_mapped else [made]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs for these inputs, by operations that a graph can hold."""
        space = self.space
        if space is not None and space.distribution is not None:
            distribution = space.distribution
            return self._run(tensors, lambda latents, truncation: cut_off(latents, distribution, truncation))
        return self._run(tensors, lambda latents, truncation: self._truncated(latents, cast(float, truncation)))

    @torch.no_grad()
    def expected(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs for these inputs as the family itself truncates."""
        return self._run(tensors, lambda latents, truncation: self._truncated(latents, float(truncation)))

    def _run(self, tensors: Sequence[Tensor], truncate: Truncate) -> tuple[Tensor, ...]:
        values = dict(zip((one.name for one in self.inputs()), tensors, strict=True))
        given: Batch = {key: values[key] for key in self.gan.given}
        noise = KeptNoise(SilentNoise(1))
        noise.drawn = [*cut(values.get("latent"), self.first), *cut(values.get("noise"), self.rest)]
        if self.space is None:
            return (self._make(given, noise),)
        assert isinstance(self.gan, HasLatents)
        latents = self.gan.latents(given, noise)
        changed = truncate(latents, values["truncation"]) + values["shift"]
        made = self.gan.synthesise(changed, given, noise)
        return (made, latents) if self.is_mapped else (made,)

    def _make(self, given: Batch, noise: Noise) -> Tensor:
        return cast(HasReverse, self.gan).reverse(given, noise) if self.is_reversed else self.gan.sample(given, noise)

    def _truncated(self, latents: Tensor, truncation: float) -> Tensor:
        return cast(HasLatents, self.gan).truncate(latents, truncation)

    @torch.no_grad()
    def _draws(self) -> tuple[list[Draw], list[Draw]]:
        """What is drawn for the latent of a sample, and what else."""
        given, noise = self.example_given(1, 0), KeptNoise(SeededNoise([0]))
        num = 0
        if isinstance(self.gan, HasLatents):
            latents = self.gan.latents(given, noise)
            num = len(noise.drawn)
            self.gan.synthesise(latents, given, noise)
        else:
            self._make(given, noise)
        draws: list[Draw] = [(kind, tuple(values.shape[1:])) for kind, values in noise.drawn]
        return draws[:num], draws[num:]

    def _input(self, key: str) -> Input:
        shape: tuple[int | str, ...] = self.given_shape(key)
        about = "as the data's own"
        if len(shape) == 3:
            about = "pictures in [-1, 1], channels first"
            if isinstance(self.gan, HasReach):
                shape = (shape[0], "H", "W")
                about += f"; H and W divisible by {self.gan.multiple}"
        elif key == "label":
            about = "1 at the class and 0 elsewhere, or the columns' scaled values"
        return Input(key, ("N", *shape), about)

    def example_given(self, n: int, seed: int, sides: tuple[int, int] | None = None) -> Batch:
        """Something that `n` samples may be made of.

        Args:
            sides: height and width of pictures where they are free; None: those of the data.
        """
        stream, given = torch.Generator().manual_seed(seed), Batch()
        for key in sorted(self.gan.given):
            shape = self.given_shape(key)
            if key in WORDS and WORDS[key] in self.gan.shapes:
                given[key] = torch.randint(self.gan.shapes[WORDS[key]][0], (n, *shape), generator=stream)
            elif key == "label":
                given[key] = torch.eye(shape[0])[torch.arange(seed, seed + n) % shape[0]]
            else:
                free = len(shape) == 3 and isinstance(self.gan, HasReach) and sides
                given[key] = torch.rand(n, *((shape[0], *sides) if free and sides else shape), generator=stream) * 2 - 1
        return given

    def example(self, n: int, seed: int, truncation: float, strength: float = 0.0, sides: Any = None) -> list[Tensor]:
        """Inputs for `n` samples: what is given, seeds from `seed` on, a truncation and random shifts of that strength."""
        values, noise = self.example_given(n, seed, sides), SeededNoise(range(seed, seed + n))
        for name, draws in (("latent", self.first), ("noise", self.rest)):
            rows = [noise.normal(*shape) if kind == "normal" else noise.uniform(*shape) for kind, shape in draws]
            values[name] = torch.cat([torch.zeros(n, 0), *(row.flatten(1) for row in rows)], 1)
        values["truncation"] = torch.tensor(truncation)
        if self.space is not None:
            values["shift"] = strength * torch.randn(n, *self.space.shape, generator=torch.Generator().manual_seed(seed))
        return [values[one.name] for one in self.inputs()]


def width(draws: Sequence[Draw]) -> int:
    """How many numbers these draws are for one sample."""
    return sum(prod(shape) for _, shape in draws)


def law(draws: Sequence[Draw]) -> str:
    """From what these draws come, in words."""
    words = {"normal": "standard normal", "uniform": "uniform in [-1, 1)"}
    return ", then ".join(words[kind] for kind in dict.fromkeys(kind for kind, _ in draws))


def cut(values: Tensor | None, draws: Sequence[Draw]) -> list[tuple[Distribution, Tensor]]:
    """Rows `[N, B]` as the draws that they hold, each `[N, *shape]`."""
    drawn, place = list[tuple[Distribution, Tensor]](), 0
    for kind, shape in draws:
        assert values is not None
        drawn.append((kind, values[:, place : place + prod(shape)].reshape(values.shape[0], *shape)))
        place += prod(shape)
    return drawn


def prepared(graph: Graph) -> Graph:
    """A copy of a graph without what only training needs: parametrizations become weights, counters plain numbers."""
    plain = copy.deepcopy(graph).float()
    for module in plain.modules():
        if is_parametrized(module):
            weights = {name: getattr(module, name) for name in cast(nn.ModuleDict, module.parametrizations)}
            del module.parametrizations
            # Back to the layer's own class: torch's remove_parametrizations changes the class that all copies share.
            module.__class__ = type(module).__bases__[0]
            for name, weight in weights.items():
                module.register_parameter(name, nn.Parameter(weight.detach().clone(), requires_grad=False))
        # What a network does may depend on how many images it has seen; a graph is of one stage.
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_floating_point() and not buffer.dim():
                delattr(module, name)
                setattr(module, name, buffer.item())
    return plain
