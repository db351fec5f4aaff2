"""The contract between a GAN and everything else: players, their turns, and how to sample."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from zerosum.noise import Noise
from zerosum.spectra import Mel

Batch = dict[str, Tensor]
"""Named tensors of N examples: {"image": [N, C, H, W] in [-1, 1], "label": [N, L]}, {"point": [N, 2]},
{"wave": [N, C, T] in [-1, 1]} ..."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of one example under each key of a batch, N left out."""


@dataclass(frozen=True)
class Loss:
    """What a player lowers, and what is worth knowing about it."""

    terms: dict[str, Tensor]
    """Named scalar terms, weights already applied; their sum is back-propagated."""
    notes: dict[str, Tensor] = field(default_factory=dict)
    """Scalars worth logging, detached: scores, D(x), D(G(z)), gradient norms."""


@dataclass(frozen=True)
class Turn:
    """One move of the game: `player` lowers `loss` on a batch."""

    player: str
    loss: Callable[[Batch, float], Loss]
    """(batch, progress of the run in [0, 1]) -> Loss."""
    every: int = 1
    """Play on every n-th step. If the player also has a turn on every step, this one is a lazy regularisation: the engine
    multiplies its loss by n and corrects Adam (Karras et al. 2020, appendix B)."""
    repeat: int | Callable[[int], int] = 1
    """Plays in that step, each on a fresh batch (k discriminator steps), or a function of the step."""
    project: Callable[[int], None] | None = None
    """Called after each update with the images it took: brings the player's weights back into the set they must stay in
    (weight clipping), or adapts what depends on what was seen."""
    second_order: bool = False
    """Whether the loss differentiates a gradient (penalties): such a turn is never compiled."""


class GAN(nn.Module, ABC):
    """A family of generative adversarial networks. A family is final: none subclasses another.

    A family is built as `Family(config, shapes)` with its own config and the shapes of the data's examples.
    """

    needs: frozenset[str]
    """Keys a training batch must have."""
    given: frozenset[str] = frozenset()
    """Keys `sample` must be given (a condition, an input image); empty: noise alone."""
    needs_classes: bool = False
    """Whether labels must be classes, one-hot; else they may also be attributes or continuous values."""
    makes: str = "image"
    """The batch key whose distribution is learned."""
    rate: int | None = None
    """Of a family whose networks or losses depend on the rate of sounds: samples in a second; None: it does not matter."""
    takes: str = "source"
    """Of a family that is given a "source": the batch key that has sources."""
    sampler: ClassVar[tuple[str, ...]] = ("generator",)
    """Submodules that sampling needs."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.shapes = dict(shapes)

    @abstractmethod
    def players(self) -> dict[str, nn.Module]:
        """The networks that take turns, by name."""

    @abstractmethod
    def turns(self) -> list[Turn]:
        """One step of the game, in order."""

    @abstractmethod
    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """`len(noise)` samples, differentiable: images `[N, C, H, W]` in [-1, 1], or what the family makes."""

    def for_sampling(self) -> Self:
        """A frozen copy in evaluation mode that holds only the `sampler` networks."""
        twin = copy.copy(self)
        twin._modules = {name: copy.deepcopy(module) for name, module in self._modules.items() if name in self.sampler}
        return twin.eval().requires_grad_(False)

    def settle(self, truncation: float | None = None) -> None:
        """Bring up to date what depends on all weights together, such as batch statistics.

        Called on the averaged sampling copy before it is looked at; the same weights must give the same result. Most families
        have nothing to do.

        Args:
            truncation: of the latents that will be sampled, see `HasLatents.truncate`; None: not truncated.
        """

    def check(self, batch: Mapping[str, Any]) -> None:
        """Refuse a batch that this family cannot train on.

        Raises:
            ValueError: a key is missing, or an example has another shape than the networks were built for.
        """
        for key in sorted(self.needs):
            if key not in batch:
                raise ValueError(f"a training batch needs {sorted(self.needs)}, but {key!r} is missing: got {sorted(batch)}")
            shape, expected = tuple(batch[key].shape[1:]), self.shapes[key]
            if shape != expected:
                raise ValueError(f"{key!r} has examples of shape {list(shape)}, the networks were built for {list(expected)}")


@runtime_checkable
class HasLatents(Protocol):
    """A GAN whose samples are functions of a latent that can be seen and changed: truncated, mixed, moved, projected to.

    `sample(given, noise)` is `synthesise(latents(given, noise), given, noise)`.
    """

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """`len(noise)` latents `[N, L]`, or `[N, layers, L]` where each layer of the generator takes one of its own (w+)."""

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Samples of these latents, differentiable; what else is random in them comes from `noise`."""

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents nearer to the middle of their distribution: better samples, less variety.

        Args:
            truncation: of a latent z its largest absolute value; of w the share of the way from the mean w, 1 for all of it.
            layers: of `[N, layers, L]`, how many of the first are truncated; None: all.
        """

    def latent_weights(self) -> list[Tensor]:
        """For each layer of the latents (one for `[N, L]`), the weights `[outputs, L]` that first take it in."""


@runtime_checkable
class HasReach(Protocol):
    """A GAN that makes a picture from a picture of any size; in tiles, if each pixel is made from those nearby."""

    scale: int
    """Pixels a side that a pixel of the source becomes."""
    reach: int | None
    """How far away, in pixels of the source, a pixel of the source can change the result; None: everywhere, for statistics of
    the whole picture go into all of it."""
    multiple: int
    """What the sides of a source must be divisible by."""


@runtime_checkable
class HasVocoder(Protocol):
    """A GAN that makes sounds from their log-mel features."""

    mel: Mel
    """What the features are."""

    def vocode(self, features: Tensor) -> Tensor:
        """Sounds `[N, 1, F * hop]` in [-1, 1] from features `[N, bands, F]`."""


@runtime_checkable
class HasReverse(Protocol):
    """A GAN that makes pictures of one kind from another, and also the other way round."""

    def reverse(self, given: Batch, noise: Noise) -> Tensor:
        """Pictures of the kind of `takes` from sources of the kind of `makes`, `[N, C, H, W]` in [-1, 1]."""


@runtime_checkable
class HasPrompts(Protocol):
    """A GAN that makes samples of texts. What `understand` makes of them may be given in their place, as "understood"."""

    reads: str
    """The batch key that has texts: "caption", or "sentence" where a sentence encoder has read them."""

    def understand(self, given: Batch) -> Tensor:
        """Texts as vectors `[N, L]`, between which there is a way."""
