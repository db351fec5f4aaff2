"""Mode collapse where the modes are known: mixtures of Gaussians in the plane, and classes of (stacked) digits."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data import modes, modes_found
from zerosum.data.sources import MIXTURES
from zerosum.evaluate.arrays import Floats, Labels, checked, checked_labels
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import Measure, Positions, Values, share_interval, standard_errors
from zerosum.evaluate.neighbours import squared_distances

POINT_METRICS = ("modes", "high-quality", "reverse-kl")
CHANNELS = 3
"""Digits in a stacked one."""


@dataclass(frozen=True)
class ModeCoverage:
    """What a generator makes of known modes."""

    modes_found: int
    num_modes: int
    reverse_kl: float
    """KL(generated || real) over the modes, in nats: 0 if they are met in the right shares, infinite where reality has none."""
    high_quality: float | None = None
    """Share of points within three standard deviations of a mode; None for classes."""


def point_coverage(points: NDArray[np.float32] | Tensor, name: str, least_share: float = 0.0) -> ModeCoverage:
    """Modes found, high-quality share and reverse KL of points `[N, 2]` from the mixture `name` of `zerosum.data.modes`.

    For the reverse KL every point counts for its nearest mode (Lin et al. 2018, PacGAN, sec. 4.1); the modes are equally
    likely.

    Raises:
        ValueError: an unknown mixture, no points, NaN, or not points in the plane.
    """
    centres, array = modes(name), checked(points, "points", least=1)
    if array.shape[1] != 2:
        raise ValueError(f"points must be [N, 2], not {list(array.shape)}")
    found, high_quality = modes_found(array, name, least_share)
    classes = np.concatenate([distances.argmin(axis=1) for _, distances in squared_distances(array, centres)])
    return ModeCoverage(found, len(centres), class_coverage(classes, len(centres)).reverse_kl, high_quality)


def class_coverage(
    classes: Labels | Tensor, num_classes: int, real_counts: Sequence[float] | NDArray[np.floating] | None = None
) -> ModeCoverage:
    """Classes found and reverse KL of generated samples that a classifier has named (stacked digits: 1,000 classes of three
    digits; Metz et al. 2017; Srivastava et al. 2017).

    Args:
        classes: class numbers `[N]` in [0, num_classes).
        real_counts: how often each class occurs in reality, `[num_classes]`; None: all equally often.

    Raises:
        ValueError: no samples, a class out of range, or counts that do not fit.
    """
    array = checked_labels(np.asarray(classes), len(classes), "generated")
    if not len(array) or array.min() < 0 or array.max() >= num_classes:
        raise ValueError(f"classes must be at least one number from 0 to {num_classes - 1}")
    real = np.ones(num_classes) if real_counts is None else np.asarray(real_counts, dtype=np.float64)
    if real.shape != (num_classes,) or not np.isfinite(real).all() or real.min() < 0 or real.sum() == 0:
        raise ValueError(f"real_counts must be {num_classes} counts that are not all zero, not of shape {list(real.shape)}")
    counts = np.bincount(array, minlength=num_classes)
    generated, expected = counts / counts.sum(), real / real.sum()
    is_met = generated > 0
    with np.errstate(divide="ignore"):
        divergence = (generated[is_met] * np.log(generated[is_met] / expected[is_met])).sum()
    return ModeCoverage(int(is_met.sum()), num_classes, max(0.0, float(divergence)))


def stacked_coverage(
    images: NDArray[np.uint8], classify: Callable[[NDArray[np.uint8]], Labels], num_classes: int = 10
) -> ModeCoverage:
    """Modes found and reverse KL of stacked digits: grey digits in the red, green and blue channel, 10^3 modes.

    Metz et al. 2017, sec. 3.3.1; Lin et al. 2018 (PacGAN), sec. 4.1: a mode is found if one sample is of its three classes. All
    modes are taken as equally likely. Even a perfect generator misses some in a few samples: of 1,000 modes it finds about 78 %
    in 1,500 samples, nearly all in 10,000.

    Args:
        images: uint8 `[N, 3, H, W]`.
        classify: grey images uint8 `[N, 1, H, W]` to classes `[N]` in [0, num_classes).

    Raises:
        ValueError: not RGB images, or a class out of range.
    """
    return class_coverage(stacked_classes(images, classify, num_classes), num_classes**CHANNELS)


def stacked_classes(
    images: NDArray[np.uint8], classify: Callable[[NDArray[np.uint8]], Labels], num_classes: int = 10
) -> Positions:
    """The modes `[N]` of stacked digits uint8 `[N, 3, H, W]`: red * K^2 + green * K + blue.

    Raises:
        ValueError: as `stacked_coverage`.
    """
    if images.ndim != 4 or images.shape[1] != CHANNELS:
        raise ValueError(f"stacked digits are RGB images [N, 3, H, W], one digit in each channel, not {list(images.shape)}")
    named = [checked_labels(classify(images[:, c : c + 1]), len(images), "classified") for c in range(CHANNELS)]
    if len(images) and not 0 <= np.min(named) <= np.max(named) < num_classes:
        raise ValueError(f"classify must give classes from 0 to {num_classes - 1}, not {np.min(named)} to {np.max(named)}")
    red, green, blue = named
    return (red * num_classes + green) * num_classes + blue


def point_figures(
    points: Floats,
    real: Floats,
    name: str,
    metrics: Sequence[str] = POINT_METRICS,
    *,
    split: str,
    generator: str = "",
    seed: int = 0,
) -> list[Figure]:
    """Modes found, high-quality share and reverse KL of generated points, beside as many real ones.

    Args:
        points: generated, `[N, 2]`.
        real: `[N, 2]`.
        name: of the mixture.
        metrics: out of `POINT_METRICS`.
        split: of the real points.
        generator: what made the generated ones, in words.
        seed: of the subsets that the interval of the reverse KL is estimated from.

    Raises:
        ValueError: the mixture's modes are not known, or as `point_coverage`.
    """
    check_known(name)
    found, floor = (described(point_coverage(side, name)) for side in (points, real))

    def measure(_: Positions, chosen: Positions) -> Values:
        return {"reverse-kl": point_coverage(points[chosen], name).reverse_kl}

    known = Figure(
        "modes",
        found["modes"],
        interval=None,
        floor=floor["modes"],
        judge=f"the modes of {name}",
        judge_hash=hashlib.sha256(modes(name).tobytes()).hexdigest(),
        resize="points as they are",
        num_real=len(real),
        num_fake=len(points),
        split=split,
        seed=seed,
        note=f"of {len(modes(name))}",
        generator=generator,
    )
    return mode_figures(known, found, floor, metrics, measure)


def check_known(name: str) -> None:
    """Refuse points of which nobody knows the modes.

    Raises:
        ValueError: naming the mixtures that are known.
    """
    if name not in MIXTURES:
        raise ValueError(f"the modes of {name} are not known: points can be judged for {' and '.join(MIXTURES)} only")


def described(coverage: ModeCoverage) -> Values:
    """Figures by name."""
    found = {"modes": float(coverage.modes_found), "reverse-kl": coverage.reverse_kl}
    return found if coverage.high_quality is None else {**found, "high-quality": coverage.high_quality}


def mode_figures(known: Figure, found: Values, floor: Values, metrics: Sequence[str], measure: Measure) -> list[Figure]:
    """The figures asked for.

    Args:
        known: that of the modes found.
        found, floor: figures by name, of generated and of real examples.
        measure: the reverse KL by positions, for its interval.
    """
    figures = []
    for name in metrics:
        value, interval, note = found[name], None, known.note
        if name == "reverse-kl":
            error = standard_errors(measure, 1, known.num_fake, seed=known.seed)[name]
            interval, note = (max(0.0, value - 1.96 * error), value + 1.96 * error), "in nats"
        elif name == "high-quality":
            interval, note = share_interval(value, known.num_fake), "within 3 standard deviations of a mode"
        figures.append(replace(known, name=name, value=value, interval=interval, floor=floor[name], note=note))
    return figures
