"""Mode collapse where the modes are known: mixtures of Gaussians in the plane, and classes of (stacked) digits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data import modes, modes_found
from zerosum.evaluate.arrays import Labels, checked, checked_labels
from zerosum.evaluate.neighbours import squared_distances


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
