"""Fidelity and diversity apart: improved precision and recall, density and coverage, from balls around every example."""

from dataclasses import dataclass

import numpy as np

from zerosum.evaluate.arrays import Features, checked_pair
from zerosum.evaluate.neighbours import squared_distances, squared_radii


@dataclass(frozen=True)
class Manifold:
    """Shares in [0, 1], except the density, which may exceed 1."""

    precision: float
    """Share of generated samples inside a ball of a real one: is it realistic?"""
    recall: float
    """Share of real examples inside a ball of a generated one: can it make everything?"""
    density: float
    """Real balls around a generated sample, over k: as the precision, but not deceived by outliers among the real."""
    coverage: float
    """Share of real examples with a generated sample in their ball: as the recall, but not by outliers among the generated."""


def manifold(real: Features, fake: Features, k: int = 3, k_coverage: int = 5) -> Manifold:
    """Precision and recall (Kynkaanniemi et al. 2019, eq. 1-2), density and coverage (Naeem et al. 2020, sec. 3).

    A ball reaches to an example's k-th nearest neighbour among its own kind; its surface belongs to it.

    Args:
        real: features `[M, D]`.
        fake: features `[N, D]`; for recall comparable between generators, always the same N.
        k: nearest neighbours of precision and recall.
        k_coverage: nearest neighbours of density and coverage.

    Raises:
        ValueError: no more examples than nearest neighbours, NaN, or different widths.
    """
    if min(k, k_coverage) < 1:
        raise ValueError(f"nearest neighbours must be at least 1, not {min(k, k_coverage)}")
    real, fake = checked_pair(real, fake, least=max(k, k_coverage) + 1)
    real_radii, wide_radii = squared_radii(real, (k, k_coverage))[:, :, None]
    fake_radii = squared_radii(fake, (k,))
    is_precise, num_balls = np.zeros(len(fake), dtype=bool), 0
    is_recalled, is_covered = np.zeros(len(real), dtype=bool), np.zeros(len(real), dtype=bool)
    for part, distances in squared_distances(real, fake):
        is_precise |= (distances <= real_radii[part]).any(axis=0)
        is_recalled[part] = (distances <= fake_radii).any(axis=1)
        is_inside = distances <= wide_radii[part]
        num_balls += int(np.count_nonzero(is_inside))
        is_covered[part] = is_inside.any(axis=1)
    density = num_balls / (k_coverage * len(fake))
    return Manifold(float(is_precise.mean()), float(is_recalled.mean()), density, float(is_covered.mean()))
