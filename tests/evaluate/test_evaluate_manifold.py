"""Precision, recall, density and coverage agree with their definitions, written as loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.evaluate.manifold import manifold
from zerosum.evaluate.neighbours import nearest, squared_radii


def by_definition(real: np.ndarray, fake: np.ndarray, k: int, wide: int) -> tuple[float, float, float, float]:
    def radius(points: np.ndarray, i: int, rank: int) -> float:
        return sorted(np.linalg.norm(points[i] - other) for j, other in enumerate(points) if j != i)[rank - 1]

    gap = np.linalg.norm(real[:, None] - fake[None], axis=2)
    real_k, real_wide = (np.array([radius(real, i, rank) for i in range(len(real))]) for rank in (k, wide))
    fake_k = np.array([radius(fake, j, k) for j in range(len(fake))])
    precision = np.mean([any(gap[i, j] <= real_k[i] for i in range(len(real))) for j in range(len(fake))])
    recall = np.mean([any(gap[i, j] <= fake_k[j] for j in range(len(fake))) for i in range(len(real))])
    density = sum(gap[i, j] <= real_wide[i] for i in range(len(real)) for j in range(len(fake))) / (wide * len(fake))
    coverage = np.mean([gap[i].min() <= real_wide[i] for i in range(len(real))])
    return float(precision), float(recall), float(density), float(coverage)


@pytest.mark.parametrize(
    ("num_real", "num_fake", "k", "wide", "shift"), [(60, 50, 3, 5, 0.3), (40, 70, 5, 2, 1.0), (30, 30, 1, 1, 0)]
)
def test_agrees_with_the_definition(num_real: int, num_fake: int, k: int, wide: int, shift: float) -> None:
    stream = np.random.default_rng(0)
    real, fake = stream.normal(size=(num_real, 4)), stream.normal(size=(num_fake, 4)) * 0.8 + shift
    ours = manifold(real, fake, k, wide)
    assert tuple(vars(ours).values()) == pytest.approx(by_definition(real, fake, k, wide), rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(0, 2))
def test_ties_and_duplicates(seed: int, decimals: int) -> None:
    """Points on a coarse lattice, far from the origin: equal distances and equal points abound."""
    stream = np.random.default_rng(seed)
    real, fake = (np.round(stream.normal(size=(num, 2)), decimals) + 100 for num in (20, 25))
    real, fake = np.round(real * 100), np.round(fake * 100)
    expected = by_definition(real, fake, 3, 5)
    assert tuple(vars(manifold(real, fake)).values()) == pytest.approx(expected, rel=1e-12)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = np.random.default_rng(0)
    real, fake = stream.normal(size=(70, 4)), stream.normal(size=(50, 4))
    whole = manifold(real, fake)
    monkeypatch.setattr("zerosum.evaluate.neighbours.BLOCK", 160)
    assert manifold(real, fake) == whole
    order = stream.permutation(70)
    assert manifold(torch.from_numpy(real[order]), fake[::-1]) == whole
    turn = np.linalg.qr(stream.normal(size=(4, 4)))[0]
    assert manifold(real @ turn + 2, fake @ turn + 2) == whole


def test_each_failure_moves_its_own_figure() -> None:
    stream = np.random.default_rng(0)
    centres, labels = stream.normal(scale=6, size=(10, 8)), np.arange(1000) % 10
    real, fake = (centres[labels] + stream.normal(size=(1000, 8)) for _ in range(2))
    healthy, collapsed = manifold(real, fake), manifold(real, fake[labels < 5])
    noisy = manifold(real, fake + 3 * stream.normal(size=fake.shape))
    assert min(healthy.precision, healthy.recall, healthy.coverage) > 0.8
    assert healthy.density == pytest.approx(1, abs=0.1)
    assert collapsed.precision > 0.8
    assert collapsed.recall == pytest.approx(0.45, abs=0.06)
    assert collapsed.coverage == pytest.approx(0.5, abs=0.06)
    assert noisy.precision < 0.3
    assert noisy.density < 0.3
    series = [manifold(real, fake[labels >= dropped]) for dropped in (0, 2, 5, 8)]
    assert [found.coverage for found in series] == sorted((found.coverage for found in series), reverse=True)
    assert [found.recall for found in series] == sorted((found.recall for found in series), reverse=True)


def test_distances_of_equal_vectors_are_zero() -> None:
    features = (np.random.default_rng(0).normal(size=(200, 64)) + 50).astype(np.float32)
    assert (nearest(features[:50], features) == 0).all()
    assert (squared_radii(np.concatenate([features, features]), (1,)) == 0).all()
    assert (squared_radii(features, (1,)) > 1).all()


def test_too_few_are_refused_in_words() -> None:
    features = np.zeros((6, 2))
    manifold(features, features)
    with pytest.raises(ValueError, match="generated features of 5 examples, but at least 6 are needed"):
        manifold(features, features[:5])
    with pytest.raises(ValueError, match="nearest neighbours must be at least 1"):
        manifold(features, features, k=0)
