"""Directions in a generator's latents along which its images change in one way: by its weights, by variance, by labels.

SeFa: Shen & Zhou 2021, "Closed-form factorization of latent semantics in GANs" (arXiv 2007.06600). GANSpace: Harkonen et al.
2020, "GANSpace: discovering interpretable GAN controls" (arXiv 2004.02546). Labels: Shen et al. 2020, "Interpreting the latent
space of GANs for semantic face editing" (InterFaceGAN, arXiv 1907.10786), by logistic or ridge regression where the paper has a
support vector machine.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zerosum.game import HasLatents
from zerosum.latents import LatentSpace
from zerosum.run import write
from zerosum.sampling import Label, Sampler

SAMPLES = 10_000
"""Random latents whose variance is looked at."""
AT_ONCE = 1_000
LEAST_LABELLED = 20
"""Labelled samples without which no direction is fitted."""
HELD_OUT = 5
"""Every fifth labelled sample tests the direction that the others give."""
PENALTY = 1e-3
"""Weight of the squared norm in logistic and ridge regression, on latents of variance about 1."""


@dataclass(frozen=True)
class Directions:
    """Directions of latents, with how far random latents are spread along each."""

    method: str
    names: tuple[str, ...]
    vectors: Tensor
    """`[D, L]`, or `[D, layers, L]` with zeros where a layer is not moved; of length 1 in every layer that is."""
    spreads: Tensor
    """Standard deviation of latents along each, `[D]`."""
    scores: Tensor
    """`[D]`: of SeFa the singular value, of GANSpace the share of variance, of labels how well they are told on samples held
    out: balanced accuracy for classes, R^2 for numbers."""

    def __len__(self) -> int:
        return len(self.vectors)

    def shift(self, number: int, strength: float, layers: range | None = None) -> Tensor:
        """What to add to latents: `strength` standard deviations along direction `number`, `[L]` or `[layers, L]`.

        Args:
            layers: move these only.

        Raises:
            ValueError: there is no such direction, or the strength is not finite.
        """
        if not 0 <= number < len(self):
            raise ValueError(f"there is no direction {number}: there are 0 to {len(self) - 1}")
        if not math.isfinite(strength):
            raise ValueError(f"a direction's strength must be a finite number of standard deviations, not {strength}")
        moved = strength * self.spreads[number] * self.vectors[number]
        if layers is None or moved.dim() == 1:
            return moved
        return torch.where(torch.tensor([layer in layers for layer in range(len(moved))])[:, None], moved, 0.0)

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        stream = io.BytesIO()
        np.savez(
            stream,
            method=np.array(self.method),
            names=np.array(self.names),
            vectors=self.vectors.numpy(),
            spreads=self.spreads.numpy(),
            scores=self.scores.numpy(),
        )
        write(path, stream.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Directions":
        """Read what `save` wrote; no code in it is run.

        Raises:
            FileNotFoundError: nothing lies there.
            ValueError: it is something else.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no directions at {path}: find some with `zerosum directions RUN --out FOLDER`")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = [torch.from_numpy(file[name]).float() for name in ("vectors", "spreads", "scores")]
                return cls(str(file["method"]), tuple(map(str, file["names"])), *arrays)
        except (KeyError, ValueError, OSError, EOFError, TypeError) as error:
            raise ValueError(f"{path} does not hold directions ({error}); `zerosum directions` writes them") from None


def sefa(sampler: Sampler, num: int, layers: range | None = None, *, seed: int = 0) -> Directions:
    """Eigenvectors of A^T A for the weights A that first take latents in (SeFa, eq. 4), the largest eigenvalues first.

    Args:
        layers: whose weights are stacked and which are moved; None: all.

    Raises:
        ValueError: a generator without latents, or more directions than a latent has values.
    """
    space, layers = checked(sampler, num, layers)
    assert isinstance(sampler.gan, HasLatents)
    weights = torch.cat([sampler.gan.latent_weights()[layer] for layer in layers]).detach().double().cpu()
    _, values, vectors = torch.linalg.svd(weights, full_matrices=False)
    latents = random_latents(sampler, layers, AT_ONCE, seed)
    return placed("sefa", signed(vectors[:num]), values[:num], latents, space, layers)


def ganspace(
    sampler: Sampler,
    num: int,
    layers: range | None = None,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    label: Label | None = None,
) -> Directions:
    """Principal components (GANSpace, sec. 2.1, 2.2), the largest variance first.

    Of latents mapped from noise, where w varies most. Of a latent z, which varies alike in all directions, where what the first
    layer makes of it varies most, brought back to z by least squares; of latents per layer drawn from noise, of the first of
    `layers` alone.

    Args:
        layers: which are moved; None: all.
        samples: random latents to look at.

    Raises:
        ValueError: a generator without latents, more directions than a latent has values, or fewer samples.
    """
    space, layers = checked(sampler, num, layers)
    if samples < space.shape[-1] + 1:
        raise ValueError(f"ganspace needs more samples than a latent has values: above {space.shape[-1]}, not {samples}")
    assert isinstance(sampler.gan, HasLatents)
    if space.distribution:
        layers = layers[:1]
    latents = random_latents(sampler, layers, samples, seed, label)
    centred = latents - latents.mean(0)
    if space.distribution is None:
        seen = centred
    else:
        # A z in coordinates of A's column space, in which distances are those of activations: PCA is the same there.
        weights = sampler.gan.latent_weights()[layers[0]].detach().double().cpu()
        _, values, right = torch.linalg.svd(weights, full_matrices=False)
        seen = centred @ right.T * values
    _, values, components = torch.linalg.svd(seen, full_matrices=False)
    coordinates = seen @ components[:num].T
    vectors = torch.linalg.lstsq(coordinates, centred).solution if space.distribution else components[:num]
    shares = values.square() / values.square().sum()
    return placed("ganspace", signed(vectors / vectors.norm(dim=1, keepdim=True)), shares[:num], latents, space, layers)


def labelled(
    sampler: Sampler, latents: Tensor, labels: Mapping[str, Sequence[str] | Sequence[float]], layers: range | None = None
) -> Directions:
    """Directions towards what labels say: one for each class of texts, or one for a column of numbers.

    A class is told from all others by logistic regression of latents, a number by ridge regression.

    Args:
        latents: of the labelled samples, `[N, L]` or `[N, layers, L]`.
        labels: for each kind of label, one text or number for each sample.
        layers: of latents mapped from noise, which are moved; None: all.

    Raises:
        ValueError: too few samples, labels that are all the same, or other than one for each sample.
    """
    space, layers = checked(sampler, 1, layers)
    latents = latents.detach().double().cpu()
    if len(latents) < LEAST_LABELLED:
        raise ValueError(f"directions by labels need at least {LEAST_LABELLED} labelled samples, not {len(latents)}")
    # Of latents drawn for each layer, all together tell the label; those mapped from noise are the same in all layers.
    together = space.distribution is not None and len(space.shape) == 2
    flat = latents.flatten(1) if together or latents.dim() == 2 else latents[:, list(layers)].mean(1)
    names, vectors, scores = [], [], []
    for kind, values in labels.items():
        if len(values) != len(latents):
            raise ValueError(f"label {kind!r}: {len(values)} values for {len(latents)} samples; there must be one for each")
        for name, goal, is_class in goals(kind, values):
            vector, score = fitted(flat, goal, is_class)
            names.append(name)
            vectors.append(vector)
            scores.append(score)
    found = torch.stack(vectors)
    if together:
        spreads = (flat @ found.T).std(0)
        return Directions(
            "labels", tuple(names), found.reshape(-1, *space.shape).float(), spreads.float(), torch.tensor(scores)
        )
    return placed("labels", found, torch.tensor(scores), flat, space, layers, tuple(names))


def goals(kind: str, values: Sequence[str] | Sequence[float]) -> list[tuple[str, Tensor, bool]]:
    """What a label asks for: name, `[N]`, and whether it is a class of 0 and 1.

    Raises:
        ValueError: all values are the same.
    """
    if len(set(values)) < 2:
        raise ValueError(f"label {kind!r} is {values[0]!r} for every sample: there is nothing to tell apart")
    if all(isinstance(value, int | float) for value in values):
        return [(kind, torch.tensor([float(value) for value in values], dtype=torch.float64), False)]
    distinct = sorted({str(value) for value in values})
    wanted = distinct[1:] if len(distinct) == 2 else distinct
    return [(f"{kind}={name}", torch.tensor([float(value == name) for value in values]).double(), True) for name in wanted]


def fitted(latents: Tensor, goal: Tensor, is_class: bool) -> tuple[Tensor, float]:
    """The direction `[L]` of length 1 along which a goal `[N]` rises, and how well it tells every fifth sample, held out."""
    held = torch.arange(len(latents)) % HELD_OUT == 0
    mean, deviation = latents.mean(0), (latents - latents.mean(0)).square().mean().sqrt()
    inputs = (latents - mean) / deviation
    if not is_class:
        goal = (goal - goal.mean()) / goal.std()
    weights, bias = (logistic if is_class else ridge)(inputs[~held], goal[~held])
    told, truth = inputs[held] @ weights + bias, goal[held]
    if is_class:
        hits = [((told > 0) == (truth > 0.5))[truth == side] for side in (0.0, 1.0)]
        score = sum(float(hit.double().mean()) for hit in hits if len(hit)) / max(1, sum(len(hit) > 0 for hit in hits))
    else:
        score = 1 - float((told - truth).square().sum() / (truth - truth.mean()).square().sum().clamp(min=1e-12))
    return weights / weights.norm().clamp(min=1e-12), score


def logistic(inputs: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `[L]` and bias of regularised logistic regression, both classes weighing the same, by L-BFGS from zero."""
    weights = torch.zeros(inputs.shape[1], dtype=inputs.dtype, requires_grad=True)
    bias = torch.zeros((), dtype=inputs.dtype, requires_grad=True)
    share = goal.mean().clamp(1e-6, 1 - 1e-6)
    balance = torch.where(goal > 0.5, 0.5 / share, 0.5 / (1 - share))
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        told = inputs @ weights + bias
        loss = torch.nn.functional.binary_cross_entropy_with_logits(told, goal, balance) + PENALTY * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()


def ridge(inputs: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `[L]` and bias of ridge regression: (X^T X + N p)^-1 X^T y, of centred X and y."""
    mean, centre = inputs.mean(0), goal.mean()
    centred = inputs - mean
    square = centred.T @ centred + PENALTY * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    weights = torch.linalg.solve(square, centred.T @ (goal - centre))
    return weights, centre - mean @ weights


def checked(sampler: Sampler, num: int, layers: range | None) -> tuple[LatentSpace, range]:
    """The generator's latents, and the layers meant.

    Raises:
        ValueError: it has no latents, no such layers, or fewer values in one latent.
    """
    space = sampler.latent_space()
    if not 1 <= num <= space.shape[-1]:
        raise ValueError(f"the number of directions must be from 1 to {space.shape[-1]}, the values of a latent, not {num}")
    if layers is not None and len(space.shape) == 1:
        raise ValueError("this generator takes one latent for all its layers: leave the layers out")
    if layers is not None and not (len(layers) and 0 <= layers[0] <= layers[-1] < space.num_layers):
        raise ValueError(f"layers {list(layers)} are out of range: this generator has layers 0-{space.num_layers - 1}")
    return space, range(space.num_layers) if layers is None else layers


def random_latents(sampler: Sampler, layers: range, n: int, seed: int, label: Label | None = None) -> Tensor:
    """`n` latents of one layer, `[n, L]`: those mapped from noise are alike in all, but for truncation; else the first."""
    if label is None and sampler.card.labels.columns and "label" in sampler.gan.given:
        label = {column.name: column.mean for column in sampler.card.labels.columns}
    parts, mapped = [], sampler.latent_space().distribution is None
    for first in range(0, n, AT_ONCE):
        latents = sampler.latents(range(seed + first, seed + min(first + AT_ONCE, n)), label).double().cpu()
        parts.append(latents if latents.dim() == 2 else latents[:, list(layers if mapped else layers[:1])].mean(1))
    return torch.cat(parts)


def placed(
    method: str,
    vectors: Tensor,
    scores: Tensor,
    latents: Tensor,
    space: LatentSpace,
    layers: range,
    names: tuple[str, ...] | None = None,
) -> Directions:
    """Vectors `[D, L]` in the layers that they move, with the spread of latents `[N, L]` along each."""
    spreads = (latents @ vectors.T).std(0)
    if len(space.shape) == 2:
        everywhere = torch.zeros(len(vectors), *space.shape, dtype=vectors.dtype)
        everywhere[:, list(layers)] = vectors[:, None]
        vectors = everywhere
    names = names or tuple(f"{method} {number}" for number in range(len(vectors)))
    return Directions(method, names, vectors.float(), spreads.float(), scores.float())


def signed(vectors: Tensor) -> Tensor:
    """Vectors `[D, L]` whose largest value is positive: without it their sign would be chance."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * largest.sign()
