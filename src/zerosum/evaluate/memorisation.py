"""Has the generator learned the distribution or the training images? Nearest neighbours tell, beside held-out examples."""

from dataclasses import dataclass

import numpy as np

from zerosum.evaluate.arrays import Features, Floats, Rows, checked_pair
from zerosum.evaluate.neighbours import nearest

STRICTNESS = 0.01
"""Share of held-out examples that lie as close to a training example as what is called a copy."""
THRESHOLD = 0.1
"""tau of MiFID: cosine distance below which memorisation is penalised."""
EPSILON = 1e-14
"""Added to s, so that exact copies give a huge number and not infinity."""


@dataclass(frozen=True)
class Memorisation:
    """Distances of generated samples to their nearest training examples, compared with those of held-out examples."""

    copied: float
    """Share of samples closer to a training example than 1 % of the held-out ones are: 0.01 is what honesty gives."""
    closer: float
    """Chance that a sample lies closer to the training set than a held-out example does: 1/2 if it is as fresh as those, near 1
    for copies, below 1/2 for samples that lie off the data (Mann & Whitney 1947; Meehan et al. 2020)."""


def memorisation(train: Features, held_out: Features, fake: Features) -> Memorisation:
    """The nearest-neighbour test for memorised training examples.

    Args:
        train: features `[T, D]` of what the generator was trained on.
        held_out: features `[H, D]` of real examples it never saw; 100 or more, for the threshold to mean something.
        fake: features `[N, D]`.

    Raises:
        ValueError: fewer than 2 examples, NaN, or different widths.
    """
    return compare_distances(training_distances(train, held_out), training_distances(train, fake))


def training_distances(train: Features, examples: Features) -> Rows:
    """The Euclidean distance of each of `[N, D]` examples to the nearest of `[T, D]` training examples: `[N]`."""
    columns, rows = checked_pair(train, examples)
    return nearest(rows, columns)


def compare_distances(held_out: Rows, fake: Rows) -> Memorisation:
    """The test, from `training_distances` of held-out examples `[H]` and of generated ones `[N]`."""
    ranked = np.sort(held_out)
    copied = float((fake <= copy_distance(ranked)).mean())
    num_closer = np.searchsorted(ranked, fake, "left") / 2 + np.searchsorted(ranked, fake, "right") / 2
    return Memorisation(copied, 1 - float(num_closer.mean()) / len(ranked))


def copy_distance(held_out: Rows) -> float:
    """The distance up to which a sample is called a copy, from `training_distances` of held-out examples `[H]`."""
    return float(np.quantile(held_out, STRICTNESS))


def training_angles(train: Features, fake: Features) -> Rows:
    """The least cosine distance 1 - |cos| of each generated sample `[N, D]` to a training example `[T, D]`: `[N]` in [0, 1].

    Raises:
        ValueError: fewer than 2 examples, NaN, different widths, or features that are all zero, which have no direction.
    """
    train, fake = checked_pair(train, fake)
    directions = _directions(train, "training")
    both_ways = np.concatenate([directions, -directions])
    angles: Rows = np.square(nearest(_directions(fake, "generated"), both_ways)) / 2  # |u - v|^2 = 2 (1 - cos)
    return angles


def mifid(distance: float, angles: Rows, threshold: float = THRESHOLD) -> float:
    """MiFID: the Frechet distance, divided by the mean least angle where that is below the threshold (Bai et al. 2021, as in
    Kaggle's Generative Dog Images).

    Args:
        distance: `frechet_distance` of the generated samples; Kaggle's real examples are the training examples.
        angles: `training_angles` of the same samples, `[N]`.
        threshold: tau; Kaggle's is 0.1, for Inception features.
    """
    s = float(angles.mean())
    return distance / (s + EPSILON) if s < threshold else distance


def _directions(features: Floats, name: str) -> Rows:
    """Features `[N, D]`, each of length 1."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(
            f"{name} example {int(lengths.argmin())} has features that are all zero: cosine distances need a direction"
        )
    directions: Rows = features / lengths
    return directions
