"""The Frechet distance between Gaussians fitted to features: FID where the features are Inception's (Heusel et al. 2017).

d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)    (Dowson & Landau 1982; Heusel et al. 2017, eq. 6)

With S1 = R^T R the matrix R S2 R^T is symmetric and has the non-zero eigenvalues of S1 S2, so the last trace is a sum of roots
of real, non-negative numbers. R is the centred features where these are fewer than the dimensions, else a Cholesky factor.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zerosum.evaluate.arrays import Features, Labels, Rows, checked, checked_labels, checked_pair, same_width
from zerosum.run import write

BLOCK = 4096
"""Rows converted to float64 at once."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean float64 `[D]` and unbiased covariance float64 `[D, D]` of `count` feature vectors."""

    mean: Rows
    covariance: Rows
    count: int

    @staticmethod
    def of(features: Features) -> "Moments":
        """The moments of features `[N, D]`, summed in float64."""
        array = checked(features, "features")
        mean = array.mean(axis=0, dtype=np.float64)
        scatter = np.zeros((array.shape[1], array.shape[1]))
        for start in range(0, len(array), BLOCK):
            centred = array[start : start + BLOCK] - mean
            scatter += centred.T @ centred
        return Moments(mean, scatter / (len(array) - 1), len(array))

    def save(self, path: Path) -> None:
        """Write an .npz file of three arrays, whole or not at all."""
        stream = io.BytesIO()
        np.savez(stream, mean=self.mean, covariance=self.covariance, count=np.int64(self.count))
        write(path, stream.getvalue())

    @staticmethod
    def load(path: Path) -> "Moments":
        """Read what `save` wrote; nothing in the file can run code.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file holds no moments, or damaged ones.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                mean, covariance, count = file["mean"], file["covariance"], int(file["count"])
        except (KeyError, EOFError, TypeError, ValueError, IndexError, AttributeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} does not hold moments (mean, covariance, count): {error}; delete it, make it anew"
            ) from error
        finite = np.isfinite(mean).all() and np.isfinite(covariance).all()
        if mean.ndim != 1 or covariance.shape != (*mean.shape, *mean.shape) or count < 2 or not finite:
            raise ValueError(f"{path} holds damaged moments; delete the file, and it is made anew")
        return Moments(mean.astype(np.float64), covariance.astype(np.float64), count)


@dataclass(frozen=True, eq=False)
class _Gaussian:
    """Mean `[D]`, and the covariance S: `spread` is S itself `[D, D]`, or rows R `[N, D]` with S = R^T R."""

    mean: Rows
    spread: Rows
    is_rows: bool

    def trace(self) -> float:
        return float(np.square(self.spread).sum() if self.is_rows else self.spread.trace())

    def rows(self) -> Rows:
        return self.spread if self.is_rows else _factor(self.spread)


def _gaussian(source: Features | Moments, name: str) -> _Gaussian:
    if not isinstance(source, Moments):
        array = checked(source, f"{name} features")
        if len(array) <= array.shape[1]:
            mean = array.mean(axis=0, dtype=np.float64)
            return _Gaussian(mean, (array - mean) / np.sqrt(len(array) - 1), is_rows=True)
        source = Moments.of(array)
    return _Gaussian(source.mean, source.covariance, is_rows=False)


def frechet_distance(real: Features | Moments, fake: Features | Moments) -> float:
    """The squared Frechet (2-Wasserstein) distance d^2 between Gaussians fitted to both: FID's formula. Not below zero.

    Args:
        real: features `[M, D]`, or their moments (features are faster and more accurate where M < D).
        fake: the same for generated examples, `[N, D]`.

    Raises:
        ValueError: fewer than 2 examples, NaN, or different widths.
    """
    first, second = _gaussian(real, "real"), _gaussian(fake, "generated")
    same_width(len(first.mean), len(second.mean))
    gap = float(np.square(first.mean - second.mean).sum())
    return max(0.0, gap + first.trace() + second.trace() - 2 * _trace_of_root(first, second))


def _trace_of_root(first: _Gaussian, second: _Gaussian) -> float:
    """tr (S1 S2)^(1/2), from the side with fewer rows."""
    first, second = sorted((first, second), key=lambda side: len(side.spread) if side.is_rows else np.inf)
    rows = first.rows()
    if second.is_rows:
        half = rows @ second.spread.T
        gram = half @ half.T
    else:
        gram = rows @ second.spread @ rows.T
    return float(np.sqrt(np.linalg.eigvalsh(gram).clip(min=0)).sum())


def _factor(covariance: Rows) -> Rows:
    """R with R^T R = S: Cholesky's, or where S is degenerate its eigenvectors, scaled."""
    try:
        return np.asarray(np.linalg.cholesky(covariance).T, dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        rounding = values[-1] * len(values) * np.finfo(np.float64).eps
        kept = values > max(rounding, 0.0)
        factor: Rows = (vectors[:, kept] * np.sqrt(values[kept])).T
        return factor


def frechet_per_class(real: Features, real_labels: Labels, fake: Features, fake_labels: Labels) -> dict[int, float | None]:
    """The Frechet distance within each class of the real examples; None where a class has fewer than 2 on either side.

    Args:
        real_labels, fake_labels: class numbers `[M]`, `[N]`.

    Raises:
        ValueError: as `frechet_distance`, or labels that do not fit.
    """
    real, fake = checked_pair(real, fake)
    real_labels, fake_labels = (
        checked_labels(real_labels, len(real), "real"),
        checked_labels(fake_labels, len(fake), "generated"),
    )
    distances: dict[int, float | None] = {}
    for label in np.unique(real_labels).tolist():
        ours, theirs = real[real_labels == label], fake[fake_labels == label]
        distances[label] = frechet_distance(ours, theirs) if min(len(ours), len(theirs)) > 1 else None
    return distances


@dataclass(frozen=True)
class Extrapolation:
    """A line through distances over 1 / N: `value` at N = infinity, and what it was fitted to."""

    value: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_infinity(real: Features | Moments, fake: Features, num_sizes: int = 15, seed: int = 0) -> Extrapolation:
    """The Frechet distance extrapolated to infinitely many generated samples (Chong & Forsyth 2020: FID-infinity).

    Distances of random subsets of N generated samples are fitted by a + b / N; a is the answer. Sizes are evenly spaced from
    5,000, or from half of the samples where there are fewer than 10,000. The bias from the number of real examples stays.
    Being an extrapolation, the value may fall slightly below zero.

    Raises:
        ValueError: as `frechet_distance`, or fewer than 4 generated samples, or than 2 sizes.
    """
    array = checked(fake, "generated features", least=4)
    if num_sizes < 2:
        raise ValueError(f"num_sizes must be at least 2 to fit a line, not {num_sizes}")
    if not isinstance(real, Moments):
        real = checked(real, "real features")
        real = Moments.of(real) if len(real) > real.shape[1] else real
    stream = np.random.default_rng(seed)
    sizes = np.unique(np.linspace(min(5000, len(array) // 2), len(array), num_sizes).astype(int))
    distances = [frechet_distance(real, array[stream.permutation(len(array))[:size]]) for size in sizes]
    slope, value = np.polyfit(1 / sizes, distances, 1)
    return Extrapolation(float(value), float(slope), tuple(sizes.tolist()), tuple(distances))
