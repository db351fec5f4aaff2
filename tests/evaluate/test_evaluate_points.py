"""Modes are counted, and the reverse KL is the textbook's."""

import math

import numpy as np
import pytest
from scipy.stats import entropy

from zerosum.data import modes, open_data
from zerosum.evaluate.points import class_coverage, point_coverage
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
