"""How sure is a figure, and how small can it get: standard errors by subsets, bootstrap, and real against real."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t for 1 to 9 degrees of freedom."""

Values = dict[str, float]
Positions = NDArray[np.int64]
Measure = Callable[[Positions, Positions], Values]
"""Figures by name, from the positions of the examples to use: (of the first side, of the second side)."""


def standard_errors(
    measure: Measure, num_real: int, num_fake: int, share: float = 0.5, num_subsets: int = 20, seed: int = 0
) -> Values:
    """Standard errors of figures at full size, from random subsets of both sides without replacement (delete-d jackknife).

    SE^2 = s / (1 - s) * Var(figure on subsets of the share s) (Shao & Wu 1989; Politis & Romano 1994). A bootstrap would draw
    examples twice, to which distances and nearest neighbours are not indifferent. Only the spread is used, so a bias that
    depends on N does no harm. For distances between nearly equal distributions the error is overstated, by up to 1.6.

    Args:
        share: size of a subset, in (0, 1); small ones are faster where the cost is quadratic.

    Raises:
        ValueError: a share outside (0, 1), or fewer than 2 subsets.
    """
    if not 0 < share < 1 or num_subsets < 2:
        raise ValueError(f"share must be in (0, 1) and num_subsets at least 2, not {share} and {num_subsets}")
    stream = np.random.default_rng(seed)

    def draw(count: int) -> Positions:
        return stream.permutation(count)[: round(share * count)]

    draws = [measure(draw(num_real), draw(num_fake)) for _ in range(num_subsets)]
    factor = np.sqrt(share / (1 - share))
    return {name: float(factor * np.std([values[name] for values in draws], ddof=1)) for name in draws[0]}


def real_floor(measure: Measure, num_real: int, num_fake: int, seed: int = 0) -> tuple[Values, int]:
    """Figures of held-out real examples in place of generated ones, against all other real examples: the best to be hoped for.

    As many are held out as there are generated ones, but at most half.

    Returns:
        The figures, and how many examples were held out: where they are fewer than `num_fake`, distances are larger by bias.
    """
    order = np.random.default_rng(seed).permutation(num_real)
    held_out = min(num_fake, num_real // 2)
    return measure(order[held_out:], order[:held_out]), held_out


def bootstrap_interval(
    values: Sequence[float] | NDArray[np.floating], num_draws: int = 2000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of independent values `[N]` (Efron 1979), such as scores of single samples.

    Raises:
        ValueError: fewer than 2 values, or a confidence outside (0, 1).
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2 or not 0 < confidence < 1:
        raise ValueError(f"an interval needs at least 2 values and a confidence in (0, 1), not {array.shape} and {confidence}")
    stream = np.random.default_rng(seed)
    means = [array[stream.integers(len(array), size=len(array))].mean() for _ in range(num_draws)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % confidence interval of the mean of a few independent values, such as one for each seed (Student 1908).

    Raises:
        ValueError: fewer than 2 or more than 10 values.
    """
    if not 2 <= len(values) <= len(STUDENT) + 1:
        raise ValueError(f"the interval is for 2 to {len(STUDENT) + 1} values, not {len(values)}")
    reach = STUDENT[len(values) - 2] * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach


def share_interval(share: float, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share that was counted in `count` independent examples (Wilson 1927)."""
    z = 1.96
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))
