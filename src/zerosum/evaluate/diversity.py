"""How different samples are from each other: features, class predictions, structural similarity, duplicates."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from zerosum.evaluate.arrays import Features, Floats, Labels, Rows, checked, checked_labels
from zerosum.evaluate.neighbours import squared_distances, squared_radii

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of MS-SSIM's scales, the finest first (Wang et al. 2003, sec. 4)."""
WINDOW, SIGMA = 11, 1.5
"""Width and standard deviation of SSIM's Gaussian window, in pixels (Wang et al. 2004, sec. III.C)."""
BATCH = 64
"""Pairs of images compared at once."""


def inception_score(logits: Features, num_splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """exp E KL(p(y|x) || p(y)): mean and standard deviation over random splits (Salimans et al. 2016, sec. 4).

    Args:
        logits: of a classifier, `[N, K]`.

    Raises:
        ValueError: fewer than 2 samples in a split, or NaN.
    """
    array = torch.from_numpy(checked(logits, "logits", least=max(2, 2 * num_splits)))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(array)))
    scores = [_split_score(part) for part in array.double().log_softmax(dim=1)[order].tensor_split(num_splits)]
    return float(np.mean(scores)), float(np.std(scores))


def _split_score(log_p: Tensor) -> float:
    marginal = log_p.exp().mean(dim=0)
    return float((log_p.exp() * (log_p - marginal.clamp(min=1e-300).log())).sum(dim=1).mean().exp())


def mean_distance(features: Features) -> float:
    """The mean Euclidean distance between two different examples of `[N, D]`, over all pairs.

    Raises:
        ValueError: fewer than 2 examples, or NaN.
    """
    array = checked(features, "features")
    total = sum(float(np.sqrt(distances).sum()) for _, distances in squared_distances(array, array))
    return total / (len(array) * (len(array) - 1))


@dataclass(frozen=True)
class ClassDiversity:
    """Mean Euclidean distances between the features of two different examples."""

    within: float
    """Of the same class."""
    across: float
    """Of different classes."""


def class_diversity(features: Features, labels: Labels) -> ClassDiversity:
    """Diversity within and across classes; a conditional generator that ignores its noise has none within.

    Args:
        features: `[N, D]`.
        labels: class numbers `[N]`.

    Raises:
        ValueError: NaN, labels that do not fit, or no two examples of the same class or of different ones.
    """
    array = checked(features, "features")
    classes = checked_labels(labels, len(array), "given")
    sums, counts = np.zeros(2), np.zeros(2)
    for part, distances in squared_distances(array, array):
        is_same = classes[part, None] == classes
        roots = np.sqrt(distances)
        same = float(roots[is_same].sum())
        sums += same, float(roots.sum()) - same
        counts += is_same.sum(), (~is_same).sum()
    counts[0] -= len(array)
    if not counts.all():
        raise ValueError("diversity within and across classes needs two examples of one class, and two classes")
    within, across = (sums / counts).tolist()
    return ClassDiversity(within, across)


def nearest_distances(features: Features) -> Rows:
    """The Euclidean distance of every example of `[N, D]` to its nearest other: `[N]`."""
    nearest: Rows = np.sqrt(squared_radii(checked(features, "features"), (1,))[0])
    return nearest


def duplicates(features: Features, radius: float = 0.0) -> float:
    """Share of examples `[N, D]` that have another within the radius; 0: equal features, up to rounding.

    The natural radius is a low quantile of `nearest_distances` of as many real examples.

    Raises:
        ValueError: fewer than 2 examples, or NaN.
    """
    return float((nearest_distances(features) <= radius).mean())


def num_scales(height: int, width: int) -> int:
    """How many of MS-SSIM's five scales an image has room for: five from 176 pixels up, two at 32.

    Raises:
        ValueError: the image is smaller than the window of 11 pixels.
    """
    side = min(height, width)
    if side < WINDOW:
        raise ValueError(f"MS-SSIM needs images of at least {WINDOW} x {WINDOW} pixels, not {height} x {width}")
    return min(len(SCALE_WEIGHTS), (side // WINDOW).bit_length())


def ms_ssim(first: NDArray[np.uint8] | Tensor, second: NDArray[np.uint8] | Tensor) -> Floats:
    """Multi-scale structural similarity of pairs of images: float64 `[N]` in [0, 1], 1 for equal images (Wang et al. 2003).

    Images with fewer than 176 pixels have room for fewer than five scales (`num_scales`); the weights of those that are used
    then add up to 1, and values of different resolutions cannot be compared. Negative similarity at a scale counts as 0.

    Args:
        first, second: uint8 `[N, C, H, W]`; SSIM is averaged over the channels.

    Raises:
        ValueError: not uint8 images of one shape, or smaller than 11 pixels.
    """
    images = [torch.as_tensor(side) for side in (first, second)]
    for side in images:
        if side.ndim != 4 or side.dtype != torch.uint8 or side.shape != images[0].shape:
            raise ValueError(f"images must be two uint8 arrays [N, C, H, W] of one shape, not {side.dtype} {list(side.shape)}")
    scales = num_scales(*images[0].shape[2:])
    pairs = zip(*(torch.split(side, BATCH) for side in images), strict=True)
    return np.concatenate([_ms_ssim(a.double(), b.double(), scales).numpy() for a, b in pairs])


def ms_ssim_between(images: NDArray[np.uint8] | Tensor, num_pairs: int = 1000, seed: int = 0) -> Floats:
    """MS-SSIM of random pairs of images; a high mean is low diversity (Odena et al. 2017, sec. 4.2).

    No image is in two pairs, so the values are independent; `[num_pairs]`, or `[N // 2]` where there are fewer images.

    Args:
        images: uint8 `[N, C, H, W]`, best of one class: between classes, low values come easily.

    Raises:
        ValueError: as `ms_ssim`, or fewer than 2 images.
    """
    if len(images) < 2:
        raise ValueError(f"pairs need at least 2 images, not {len(images)}")
    num_pairs = min(num_pairs, len(images) // 2)
    first, second = np.random.default_rng(seed).permutation(len(images))[: 2 * num_pairs].reshape(2, num_pairs)
    return ms_ssim(images[first], images[second])


def _ms_ssim(a: Tensor, b: Tensor, scales: int) -> Tensor:
    """Product over scales of contrast-structure, at the coarsest of full SSIM, to the power of the weights: `[N]`."""
    weights = np.asarray(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    product = torch.ones(len(a), dtype=torch.float64)
    for scale, weight in enumerate(weights.tolist(), 1):
        luminance, structure = _similarity(a, b)
        maps = luminance * structure if scale == scales else structure
        product *= maps.mean(dim=(1, 2, 3)).clamp(min=0) ** weight
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return product


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of luminance and of contrast times structure (Wang et al. 2004, eq. 6 and 13), pixels in [0, 255]."""
    luminance_floor, contrast_floor = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _blurred(a), _blurred(b)
    variances = _blurred(a * a) - mean_a.square() + _blurred(b * b) - mean_b.square()
    covariance = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + luminance_floor) / (mean_a.square() + mean_b.square() + luminance_floor)
    return luminance, (2 * covariance + contrast_floor) / (variances + contrast_floor)


def _blurred(images: Tensor) -> Tensor:
    """Under the Gaussian window, where it fits in: `[N, C, H - 10, W - 10]`, by two products with banded matrices."""
    height, width = images.shape[2:]
    return _band(height) @ images @ _band(width).T


def _band(size: int) -> Tensor:
    """The window at every place along an edge of `size` pixels: `[size - 10, size]`."""
    offsets = torch.arange(size, dtype=torch.float64) - torch.arange(size - WINDOW + 1)[:, None] - WINDOW // 2
    band = (-offsets.square() / (2 * SIGMA**2)).exp() * (offsets.abs() <= WINDOW // 2)
    return band / band.sum(dim=1, keepdim=True)
