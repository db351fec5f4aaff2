"""Standard errors are the spread over new draws; the floor holds out as many as there are generated samples."""

import numpy as np
import pytest
from scipy import stats

from zerosum.evaluate.frechet import frechet_distance
from zerosum.evaluate.intervals import (
    Positions,
    Values,
    bootstrap_interval,
    real_floor,
    share_interval,
    standard_errors,
    student_interval,
)
from zerosum.evaluate.manifold import manifold


def draw(num: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 6)) + shift


def figures(real: np.ndarray, fake: np.ndarray) -> Values:
    return {"frechet": frechet_distance(real, fake), "recall": manifold(real, fake).recall, "mean": float(fake.mean())}


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_standard_errors_match_the_spread_of_new_draws(share: float) -> None:
    draws = [figures(draw(300, 2 * s, 0.5), draw(200, 2 * s + 1)) for s in range(60)]
    estimates = []
    for s in range(6):
        real, fake = draw(300, 2 * s, 0.5), draw(200, 2 * s + 1)
        estimates.append(standard_errors(lambda r, f, real=real, fake=fake: figures(real[r], fake[f]), 300, 200, share))
    for name in draws[0]:
        ratio = np.mean([found[name] for found in estimates]) / np.std([found[name] for found in draws])
        assert 0.7 < ratio < 1.5, name


def test_subsets_are_drawn_by_seed() -> None:
    seen: list[tuple[Positions, Positions]] = []

    def measure(real: Positions, fake: Positions) -> Values:
        seen.append((real, fake))
        return {"x": float(fake.sum())}

    first = standard_errors(measure, 100, 40, num_subsets=5, seed=1)
    assert first == standard_errors(measure, 100, 40, num_subsets=5, seed=1)
    assert all(len(set(real.tolist())) == 50 and len(set(fake.tolist())) == 20 for real, fake in seen)
    with pytest.raises(ValueError, match="share must be in"):
        standard_errors(measure, 10, 10, share=1)


@pytest.mark.parametrize(("num_fake", "sizes"), [(30, (70, 30)), (50, (50, 50)), (400, (50, 50))])
def test_floor_holds_out_real_examples(num_fake: int, sizes: tuple[int, int]) -> None:
    seen: list[tuple[Positions, Positions]] = []

    def measure(real: Positions, fake: Positions) -> Values:
        seen.append((real, fake))
        return {"x": 1.0}

    assert real_floor(measure, 100, num_fake) == ({"x": 1.0}, sizes[1])
    assert tuple(map(len, seen[0])) == sizes
    assert sorted(np.concatenate(seen[0]).tolist()) == list(range(100))


def test_bootstrap_covers_the_mean() -> None:
    stream = np.random.default_rng(0)
    intervals = [bootstrap_interval(stream.exponential(size=60), 400, seed=s) for s in range(200)]
    assert 0.88 < np.mean([low <= 1 <= high for low, high in intervals]) < 0.99
    assert bootstrap_interval([0.2, 0.2, 0.2]) == pytest.approx((0.2, 0.2))
    with pytest.raises(ValueError, match="at least 2 values"):
        bootstrap_interval([1.0])


@pytest.mark.parametrize("num", [2, 3, 5, 10])
def test_a_few_seeds_have_students_interval(num: int) -> None:
    values = np.random.default_rng(num).normal(size=num).tolist()
    expected = stats.t.interval(0.95, num - 1, np.mean(values), stats.sem(values))
    assert student_interval(values) == pytest.approx(expected, rel=1e-3)


def test_a_share_has_wilsons_interval() -> None:
    for hits, count in ((0, 20), (7, 20), (999, 1000), (50, 50)):
        expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
        assert share_interval(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_a_single_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="2 to 10 values, not 1"):
        student_interval([0.5])
