"""Euclidean distances between many feature vectors, a block of rows at a time: memory stays bounded, whatever N is."""

from collections.abc import Iterator

import numpy as np

from zerosum.evaluate.arrays import Floats, Rows

BLOCK = 1 << 20
"""Distances held at once: 8 MB, which a processor's cache can still serve."""
ROUNDING = 1e-13
"""|x - y|^2 below this share of |x|^2 + |y|^2 is rounding: the two are equal as far as float32 features can tell."""


def squared_distances(rows: Floats, columns: Floats) -> Iterator[tuple[slice, Rows]]:
    """Slices of the rows and their squared distances to all columns, `[B, M]`, in float64; equal vectors are at exactly 0.

    Args:
        rows: `[N, D]`.
        columns: `[M, D]`.
    """
    targets = columns.astype(np.float64, copy=False)
    target_squares = np.einsum("md,md->m", targets, targets)
    step = max(1, BLOCK // max(1, len(targets)))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64, copy=False)
        squares = np.einsum("nd,nd->n", block, block)[:, None] + target_squares
        distances = block @ targets.T
        distances *= -2
        distances += squares
        squares *= ROUNDING
        distances[distances < squares] = 0
        yield slice(start, start + len(block)), distances


def nearest(rows: Floats, columns: Floats) -> Rows:
    """The distance of every row `[N, D]` to the nearest column `[M, D]`: `[N]`."""
    return np.concatenate([np.sqrt(distances.min(axis=1)) for _, distances in squared_distances(rows, columns)])


def squared_radii(features: Floats, ranks: tuple[int, ...]) -> Rows:
    """The squared distance of every feature vector `[N, D]` to its k-th nearest other, for each rank k: `[len(ranks), N]`."""
    radii = np.empty((len(ranks), len(features)))
    positions = [rank - 1 for rank in ranks]
    for part, distances in squared_distances(features, features):
        numbers = np.arange(part.start, part.stop)
        distances[numbers - part.start, numbers] = np.inf
        distances.partition(positions, axis=1)
        radii[:, part] = distances[:, positions].T
    return radii
