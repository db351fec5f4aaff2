"""Diversity agrees with other people's arithmetic and with definitions written as loops."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from zerosum.evaluate.diversity import (
    SCALE_WEIGHTS,
    class_diversity,
    duplicates,
    inception_score,
    mean_distance,
    ms_ssim,
    ms_ssim_between,
    nearest_distances,
    num_scales,
)


def test_inception_score_closed_forms() -> None:
    sure = np.eye(10)[np.arange(100) % 10] * 200.0
    assert inception_score(sure, num_splits=1) == pytest.approx((10, 0), abs=1e-9), "every class equally often, and sure of it"
    many = np.repeat(sure, 50, axis=0)
    assert inception_score(many)[0] == pytest.approx(10, rel=0.02), "order does not matter"
    assert inception_score(many[np.argsort(many.argmax(1), kind="stable")])[0] == pytest.approx(10, rel=0.02)
    assert inception_score(np.zeros((100, 10))) == pytest.approx((1, 0)), "never sure"
    assert inception_score(np.repeat(sure[:1], 40, axis=0)) == pytest.approx((1, 0)), "one class"


def test_inception_score_by_definition() -> None:
    logits = np.random.default_rng(0).normal(scale=3, size=(60, 7))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    parts = np.array_split(p[np.random.default_rng(4).permutation(60)], 3)
    scores = [np.exp(np.mean([(q * np.log(q / part.mean(0))).sum() for q in part])) for part in parts]
    assert inception_score(logits, num_splits=3, seed=4) == pytest.approx((np.mean(scores), np.std(scores)))
    with pytest.raises(ValueError, match="logits of 60 examples, but at least 62 are needed"):
        inception_score(logits, num_splits=31)


def test_distances_by_definition() -> None:
    features, labels = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 4
    pairs = [(i, j) for i in range(30) for j in range(30) if i != j]
    gaps = {pair: np.linalg.norm(features[pair[0]] - features[pair[1]]) for pair in pairs}
    assert mean_distance(features) == pytest.approx(np.mean(list(gaps.values())))
    found = class_diversity(features, labels)
    assert found.within == pytest.approx(np.mean([gap for (i, j), gap in gaps.items() if labels[i] == labels[j]]))
    assert found.across == pytest.approx(np.mean([gap for (i, j), gap in gaps.items() if labels[i] != labels[j]]))
    assert nearest_distances(features)[4] == pytest.approx(min(gap for (i, _), gap in gaps.items() if i == 4))
    with pytest.raises(ValueError, match="two examples of one class, and two classes"):
        class_diversity(features, np.zeros(30, dtype=int))


def test_duplicates() -> None:
    features = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    assert duplicates(features) == 0
    features[[3, 7, 9]] = features[0]
    assert duplicates(features) == 0.2
    assert duplicates(features, radius=100) == 1


def picture(num: int, size: int, seed: int) -> np.ndarray:
    """Smooth random images, uint8 `[num, 3, size, size]`."""
    coarse = torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, size=(num, 3, size // 8, size // 8)))
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear").round().to(torch.uint8).numpy()


def by_wang(first: np.ndarray, second: np.ndarray, scales: int) -> float:
    """MS-SSIM of two images `[C, H, W]` with scipy's Gaussian, cut where the window leaves the image."""
    a, b, product = first.astype(float), second.astype(float), 1.0
    for scale in range(scales):
        blur = lambda x: np.stack([gaussian_filter(c, 1.5, truncate=3.5)[5:-5, 5:-5] for c in x])  # noqa: E731
        structure = (2 * (blur(a * b) - blur(a) * blur(b)) + 58.5225) / (
            blur(a * a) - blur(a) ** 2 + blur(b * b) - blur(b) ** 2 + 58.5225
        )
        if scale == scales - 1:
            structure *= (2 * blur(a) * blur(b) + 6.5025) / (blur(a) ** 2 + blur(b) ** 2 + 6.5025)
        product *= max(0, structure.mean()) ** (SCALE_WEIGHTS[scale] / sum(SCALE_WEIGHTS[:scales]))
        side = a.shape[1] // 2
        a, b = (x[:, : 2 * side, : 2 * side].reshape(len(x), side, 2, side, 2).mean((2, 4)) for x in (a, b))
    return product


@pytest.mark.parametrize(("size", "scales"), [(176, 5), (96, 4), (64, 3), (32, 2), (16, 1)])
def test_ms_ssim_agrees_with_scipy(size: int, scales: int) -> None:
    assert num_scales(size, size) == scales
    first = picture(3, size, 0)
    noise = np.random.default_rng(1).normal(scale=20, size=first.shape)
    second = np.concatenate([(first[:2] + noise[:2]).clip(0, 255).astype(np.uint8), picture(1, size, 2)])
    expected = [by_wang(a, b, scales) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(ms_ssim(first, second), expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(ms_ssim(first, first), 1, rtol=1e-9)


def test_ms_ssim_falls_with_noise_and_between_different_images() -> None:
    images = picture(8, 32, 0)
    stream = np.random.default_rng(0)
    levels = [(images + stream.normal(scale=s, size=images.shape)).clip(0, 255).astype(np.uint8) for s in (2, 8, 30, 80)]
    means = [ms_ssim(images, level).mean() for level in levels]
    assert means == sorted(means, reverse=True)
    same, different = np.repeat(images[:1], 8, axis=0), ms_ssim_between(images, 40)
    assert ms_ssim_between(same, 3).tolist() == pytest.approx([1, 1, 1])
    assert different.shape == (4,), "no image twice"
    assert different.max() < 1 - 1e-6, "never an image with itself"
    np.testing.assert_array_equal(ms_ssim_between(torch.from_numpy(images), 40), different)


def test_images_are_refused_in_words() -> None:
    images = picture(2, 32, 0)
    with pytest.raises(ValueError, match="uint8 arrays"):
        ms_ssim(images, images / 255)
    with pytest.raises(ValueError, match="of one shape"):
        ms_ssim(images, images[:, :1])
    with pytest.raises(ValueError, match="at least 11 x 11 pixels, not 8 x 8"):
        ms_ssim(images[:, :, :8, :8], images[:, :, :8, :8])
    with pytest.raises(ValueError, match="at least 2 images"):
        ms_ssim_between(images[:1])
