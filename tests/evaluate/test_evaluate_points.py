"""Modes are counted, and the reverse KL is the textbook's."""

import math

import numpy as np
import pytest
from scipy.stats import entropy

from zerosum.data import Images, modes, open_data
from zerosum.evaluate.labelled import stacked_figures
from zerosum.evaluate.points import POINT_METRICS, class_coverage, point_coverage, point_figures, stacked_coverage
from zerosum.recipe import Data


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_real_points_and_dropped_modes(name: str) -> None:
    points = open_data(Data(path=name)).batch(np.arange(20_000))["point"]
    found = point_coverage(points, name)
    assert found.modes_found == found.num_modes == len(modes(name))
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    assert found.reverse_kl < 0.002
    nearest = np.linalg.norm(points.numpy()[:, None] - modes(name), axis=2).argmin(1)
    series = [point_coverage(points[nearest < kept], name) for kept in (len(modes(name)), 6, 3, 1)]
    assert [coverage.modes_found for coverage in series] == [len(modes(name)), 6, 3, 1]
    divergences = [coverage.reverse_kl for coverage in series]
    assert divergences == sorted(divergences)
    assert divergences[-1] == pytest.approx(math.log(len(modes(name))))


def test_classes() -> None:
    real = np.array([5, 1, 4, 0])
    classes = np.array([0, 0, 1, 2, 2, 2])
    found = class_coverage(classes, 4, real)
    assert (found.modes_found, found.num_modes, found.high_quality) == (3, 4, None)
    assert found.reverse_kl == pytest.approx(entropy([2, 1, 3, 0], real))
    assert class_coverage(np.arange(1000), 1000).reverse_kl == 0
    assert class_coverage(np.zeros(9, dtype=int), 1000).reverse_kl == pytest.approx(math.log(1000))
    assert class_coverage(np.array([3]), 4, real).reverse_kl == math.inf


def test_figures_of_points_beside_real_ones() -> None:
    data = open_data(Data(path="ring"))
    real, points = (data.batch(part)["point"].numpy() for part in (np.arange(4000), np.arange(4000, 6000)))
    points = points[points[:, 0] > 0]
    figures = dict(zip(POINT_METRICS, point_figures(points, real, "ring", split="train", seed=3), strict=True))
    assert (figures["modes"].value, figures["modes"].floor, figures["modes"].note) == (5, 8, "of 8")
    coverage = point_coverage(points, "ring")
    assert (figures["high-quality"].value, figures["reverse-kl"].value) == (coverage.high_quality, coverage.reverse_kl)
    for name in ("high-quality", "reverse-kl"):
        assert figures[name].interval[0] < figures[name].value < figures[name].interval[1], name
        assert figures[name].interval[1] - figures[name].interval[0] < 0.1, name
    assert figures["reverse-kl"].floor < 0.002
    assert {(f.num_real, f.num_fake, f.split, f.seed) for f in figures.values()} == {(4000, len(points), "train", 3)}
    assert [figure.name for figure in point_figures(points, real, "ring", ["reverse-kl"], split="train")] == ["reverse-kl"]
    with pytest.raises(ValueError, match="the modes of mine.npy are not known: points can be judged for ring and grid only"):
        point_figures(points, real, "mine.npy", split="train")


def stacked(images: np.ndarray, labels: np.ndarray, num: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random triples of grey images `[M, 1, H, W]` of the first classes: RGB `[num, 3, H, W]` and modes `[num]`."""
    triples = np.random.default_rng(seed).choice(np.flatnonzero(labels < classes), (num, 3))
    return images[triples, 0], labels[triples] @ (100, 10, 1)


def test_stacked_digits() -> None:
    """The class is written into the first pixel, so that the classifier is perfect and the counts are known."""
    labels = np.arange(500) % 10
    images = np.zeros((500, 1, 8, 8), np.uint8)
    images[:, 0, 0, 0] = labels
    found = []
    for classes in (10, 7, 3):
        rgb, kinds = stacked(images, labels, 8000, classes, seed=0)
        coverage = stacked_coverage(rgb, lambda grey: grey[:, 0, 0, 0].astype(int))
        assert (coverage.modes_found, coverage.num_modes) == (len(np.unique(kinds)), 1000)
        assert coverage.reverse_kl == pytest.approx(entropy(np.bincount(kinds, minlength=1000), np.ones(1000)))
        found.append(coverage.modes_found)
    assert found == [1000, 343, 27]
    with pytest.raises(ValueError, match="stacked digits are RGB images"):
        stacked_coverage(images, lambda grey: grey[:, 0, 0, 0].astype(int))
    with pytest.raises(ValueError, match="classes from 0 to 4, not 0 to 9"):
        stacked_coverage(rgb.repeat(1, 0), lambda _: labels.repeat(16), num_classes=5)


def test_stacked_garments_by_the_small_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    garments = open_data(Data(path="fashion", resolution=8))
    assert isinstance(garments, Images)
    assert garments.labels is not None
    monkeypatch.setattr("zerosum.evaluate.labelled.DIGIT_STEPS", 250)
    images = np.array(garments.images)
    real, part = (stacked(images, garments.labels, 9000, classes, seed)[0] for classes, seed in ((10, 0), (5, 1)))
    modes_, divergence = stacked_figures(part, real, garments, split="train")
    assert modes_.floor > 990
    assert modes_.value < 600
    assert modes_.note.startswith("of 1,000; the classifier names 0.")
    assert divergence.value > math.log(8) / 2 > 5 * divergence.floor
    whole = stacked_figures(real, real, garments, ["modes"], split="train")[0]
    assert (whole.value, whole.num_real, whole.num_fake) == (whole.floor, 9000, 9000)
    with pytest.raises(ValueError, match="--stacked-from needs grey images of 16 x 16 pixels in two or more classes"):
        stacked_figures(np.zeros((9, 3, 16, 16), np.uint8), real, garments, split="train")


def test_refusals() -> None:
    with pytest.raises(ValueError, match="unknown mixture 'star'"):
        point_coverage(np.zeros((3, 2)), "star")
    with pytest.raises(ValueError, match=r"points must be \[N, 2\]"):
        point_coverage(np.zeros((3, 3)), "ring")
    with pytest.raises(ValueError, match="points are NaN or infinite for 1 of 3"):
        point_coverage(np.array([[0, 0], [np.nan, 0], [0, 0]]), "ring")
    with pytest.raises(ValueError, match="from 0 to 9"):
        class_coverage(np.array([10]), 10)
    with pytest.raises(ValueError, match="real_counts must be 3 counts"):
        class_coverage(np.array([1]), 3, [0, 0, 0])
