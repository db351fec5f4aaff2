"""KID: the squared maximum mean discrepancy of features under a cubic kernel (Binkowski et al. 2018). Unbiased at any N.

k(x, y) = (x.y / D + 1)^3    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)    over pairs of different examples
"""

from dataclasses import dataclass

import numpy as np

from zerosum.evaluate.arrays import Features, Floats, Rows, checked_pair
from zerosum.evaluate.neighbours import BLOCK


@dataclass(frozen=True)
class KernelDistance:
    """The unbiased estimate from all pairs, which may fall below zero, and its standard error."""

    value: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval."""
        return self.value - 1.96 * self.standard_error, self.value + 1.96 * self.standard_error


@dataclass(frozen=True)
class SubsetDistances:
    """Mean and standard deviation over random subsets, as papers report them. Subsets overlap: `std` is no standard error."""

    mean: float
    std: float
    num_subsets: int
    subset_size: int


def kernel_distance(real: Features, fake: Features) -> KernelDistance:
    """KID from all pairs of examples.

    The standard error is that of the first-order (Hajek) projection of the U-statistic; where both distributions are equal
    it errs on the large side, by up to a half.

    Args:
        real: features `[M, D]`.
        fake: features `[N, D]`.

    Raises:
        ValueError: fewer than 2 examples, NaN, or different widths.
    """
    real, fake = (array.astype(np.float64, copy=False) for array in checked_pair(real, fake))
    to_fake, to_real = _mean_kernels(real, fake)
    within_real, within_fake = _mean_kernels_within(real), _mean_kernels_within(fake)
    value = within_real.mean() + within_fake.mean() - 2 * to_fake.mean()
    variance = (within_real - to_fake).var(ddof=1) / len(real) + (within_fake - to_real).var(ddof=1) / len(fake)
    return KernelDistance(float(value), float(2 * np.sqrt(variance)))


def kernel_distance_subsets(
    real: Features, fake: Features, num_subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> SubsetDistances:
    """KID as it is published: over random subsets of both sides, without replacement inside a subset.

    Raises:
        ValueError: as `kernel_distance`, or a subset larger than a side.
    """
    real, fake = checked_pair(real, fake)
    if not 2 <= subset_size <= min(len(real), len(fake)):
        sides = f"{len(real)} real and {len(fake)} generated examples"
        raise ValueError(f"subset_size must be between 2 and the smaller side of {sides}, not {subset_size}")
    stream = np.random.default_rng(seed)

    def draw(side: Floats) -> Floats:
        return side[stream.choice(len(side), subset_size, replace=False)]

    values = [kernel_distance(draw(real), draw(fake)).value for _ in range(num_subsets)]
    return SubsetDistances(float(np.mean(values)), float(np.std(values)), num_subsets, subset_size)


def _kernel(rows: Rows, columns: Rows) -> Rows:
    gram = rows @ columns.T
    gram /= rows.shape[1]
    gram += 1
    cube: Rows = gram * gram * gram
    return cube


def _mean_kernels(rows: Rows, columns: Rows) -> tuple[Rows, Rows]:
    """The mean of k(x, y) over y for every x, `[N]`, and over x for every y, `[M]`."""
    by_row, by_column = np.empty(len(rows)), np.zeros(len(columns))
    step = max(1, BLOCK // len(columns))
    for start in range(0, len(rows), step):
        kernel = _kernel(rows[start : start + step], columns)
        by_row[start : start + step] = kernel.mean(axis=1)
        by_column += kernel.sum(axis=0)
    return by_row, by_column / len(rows)


def _mean_kernels_within(rows: Rows) -> Rows:
    """The mean of k(x, x') over all others x' for every x, `[N]`."""
    own = (np.einsum("nd,nd->n", rows, rows) / rows.shape[1] + 1) ** 3
    means: Rows = (_mean_kernels(rows, rows)[0] * len(rows) - own) / (len(rows) - 1)
    return means
