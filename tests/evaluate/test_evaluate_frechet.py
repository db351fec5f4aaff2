"""The Frechet distance agrees with other people's arithmetic and with closed forms, also where covariances are degenerate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import ortho_group
from torchmetrics.image.fid import _compute_fid

from zerosum.evaluate.frechet import Moments, frechet_distance, frechet_infinity, frechet_per_class


def by_sqrtm(real: np.ndarray, fake: np.ndarray) -> float:
    """The usual formulation."""
    (m1, s1), (m2, s2) = ((side.mean(0), np.cov(side, rowvar=False)) for side in (real, fake))
    return float(np.square(m1 - m2).sum() + s1.trace() + s2.trace() - 2 * sqrtm(s1 @ s2).real.trace())


def by_torchmetrics(real: np.ndarray, fake: np.ndarray) -> float:
    sides = [torch.from_numpy(side) for side in (real, fake)]
    return float(_compute_fid(*(part for side in sides for part in (side.mean(0), side.T.cov()))))


def draw(num: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Correlated features that are not Gaussian, as a network's are."""
    stream = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(width, width)) * np.geomspace(1, 0.05, width)
    return np.maximum(stream.normal(size=(num, width)) @ mix + shift, 0)


@pytest.mark.parametrize("sizes", [(600, 500), (600, 40), (40, 600), (50, 40), (64, 65)])
def test_agrees_with_independent_implementations(sizes: tuple[int, int]) -> None:
    real, fake = draw(sizes[0], 64, 0), draw(sizes[1], 64, 1, shift=0.3)
    ours = frechet_distance(real, fake)
    assert ours == pytest.approx(by_torchmetrics(real, fake), rel=1e-4)
    assert frechet_distance(Moments.of(real), Moments.of(fake)) == pytest.approx(ours, rel=1e-5)
    assert frechet_distance(Moments.of(real), fake) == pytest.approx(ours, rel=1e-5)
    if min(sizes) > 64:
        assert ours == pytest.approx(by_sqrtm(real, fake), rel=1e-6)


def test_known_gaussians() -> None:
    """d^2 = |m1 - m2|^2 + sum (s1 - s2)^2 for axes that commute, whatever the rotation."""
    turn = ortho_group(5, seed=0).rvs()
    spread1, spread2 = np.array([1.0, 2.0, 0.5, 3.0, 0.0]), np.array([2.0, 2.0, 0.1, 1.0, 0.0])
    first = Moments(turn @ np.ones(5), turn @ np.diag(spread1**2) @ turn.T, 100)
    second = Moments(turn @ np.zeros(5), turn @ np.diag(spread2**2) @ turn.T, 100)
    assert frechet_distance(first, second) == pytest.approx(5 + np.square(spread1 - spread2).sum(), rel=1e-7)


def test_degenerate_covariances() -> None:
    line, plane = np.zeros((30, 8)), np.zeros((40, 8))
    line[:, 0] = np.linspace(-1, 1, 30)
    plane[:, 1:3] = np.random.default_rng(0).normal(size=(40, 2))
    expected = np.square(plane.mean(0)).sum() + line.var(0, ddof=1).sum() + plane.var(0, ddof=1).sum()
    assert frechet_distance(line, plane) == pytest.approx(expected, rel=1e-9), "no common direction: the cross term is zero"
    assert frechet_distance(np.ones((10, 3)), np.zeros((10, 3))) == 3
    assert frechet_distance(np.ones((2, 9)), np.ones((2, 9))) == 0


@pytest.mark.parametrize("num", [30, 300])
def test_invariances(num: int) -> None:
    real, fake = draw(300, 32, 0), draw(num, 32, 1)
    distance = frechet_distance(real, fake)
    turn = ortho_group(32, seed=0).rvs()
    assert frechet_distance(real @ turn + 3, fake @ turn + 3) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(real[::-1], fake[np.random.default_rng(0).permutation(num)]) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(fake, real) == pytest.approx(distance, rel=1e-6)
    assert frechet_distance(torch.from_numpy(real).float(), fake.astype(np.float32)) == pytest.approx(distance, rel=1e-4)
    assert 0 <= frechet_distance(fake, fake) < 1e-5 * distance


def test_large_offsets_do_not_cancel() -> None:
    real, fake = draw(300, 16, 0), draw(300, 16, 1)
    assert frechet_distance(real + 1e4, fake + 1e4) == pytest.approx(frechet_distance(real, fake), rel=1e-6)


def test_grows_with_noise_shrinkage_and_dropped_clusters() -> None:
    stream = np.random.default_rng(0)
    centres = stream.normal(scale=4, size=(10, 16))
    labels = np.arange(2000) % 10
    real, fake = (centres[labels] + stream.normal(size=(2000, 16)) for _ in range(2))
    noise = stream.normal(size=fake.shape)
    for series in (
        [fake + amount * noise for amount in (0, 0.5, 1, 2, 4)],
        [fake * (1 - amount) for amount in (0, 0.1, 0.3, 0.6)],
        [fake[labels >= dropped] for dropped in (0, 1, 3, 5, 9)],
    ):
        distances = [frechet_distance(real, degraded) for degraded in series]
        assert distances == sorted(distances)
        assert distances[1] > 1.5 * distances[0]


def test_moments_survive_the_disk(tmp_path: Path) -> None:
    moments = Moments.of(draw(50, 6, 0).astype(np.float32))
    moments.save(tmp_path / "moments.npz")
    loaded = Moments.load(tmp_path / "moments.npz")
    np.testing.assert_array_equal(loaded.mean, moments.mean)
    np.testing.assert_array_equal(loaded.covariance, moments.covariance)
    assert loaded.count == 50
    assert moments.covariance == pytest.approx(np.cov(draw(50, 6, 0), rowvar=False), rel=1e-4)


def test_moments_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    features = draw(50, 6, 0)
    monkeypatch.setattr("zerosum.evaluate.frechet.BLOCK", 7)
    np.testing.assert_allclose(Moments.of(features).covariance, np.cov(features, rowvar=False), rtol=1e-12)


def test_damaged_moments_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "moments.npz"
    with pytest.raises(FileNotFoundError):
        Moments.load(path)
    np.savez(path, mean=np.zeros(3))
    with pytest.raises(ValueError, match="does not hold moments"):
        Moments.load(path)
    np.savez(path, mean=np.array([object()]), covariance=np.zeros((1, 1)), count=3)
    with pytest.raises(ValueError, match="does not hold moments"):
        Moments.load(path)
    np.savez(path, mean=np.zeros(3), covariance=np.full((3, 3), np.nan), count=3)
    with pytest.raises(ValueError, match="damaged moments"):
        Moments.load(path)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(ValueError, match="does not hold moments"):
        Moments.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="does not hold moments"):
        Moments.load(path)


def test_per_class() -> None:
    real, fake = draw(120, 8, 0), draw(90, 8, 1)
    real_labels, fake_labels = np.arange(120) % 4, np.arange(90) % 3
    distances = frechet_per_class(real, real_labels, fake, fake_labels)
    assert list(distances) == [0, 1, 2, 3]
    assert distances[3] is None
    assert distances[1] == pytest.approx(by_sqrtm(real[real_labels == 1], fake[fake_labels == 1]), rel=1e-5)
    with pytest.raises(ValueError, match="real labels must be 120 class numbers"):
        frechet_per_class(real, real_labels[:-1], fake, fake_labels)


def test_infinity_removes_the_bias_of_few_samples() -> None:
    """Samples of the very distribution whose moments are known: the true distance is 0, any finite sample's is above."""
    width = 32
    truth = Moments(np.zeros(width), np.eye(width), 10**9)
    plain, extrapolated = [], []
    for seed in range(5):
        fake = np.random.default_rng(seed).normal(size=(2000, width))
        plain.append(frechet_distance(truth, fake))
        extrapolated.append(frechet_infinity(truth, fake, seed=seed).value)
    assert np.mean(plain) > 0.1
    assert abs(np.mean(extrapolated)) < 0.1 * np.mean(plain)


def test_infinity_is_a_function_of_the_seed() -> None:
    real, fake = draw(300, 8, 0), draw(200, 8, 1)
    first = frechet_infinity(real, fake, num_sizes=5, seed=3)
    assert first == frechet_infinity(real, fake, num_sizes=5, seed=3)
    assert first.sizes == (100, 125, 150, 175, 200)
    assert first.distances[-1] == pytest.approx(frechet_distance(real, fake))
    with pytest.raises(ValueError, match="num_sizes must be at least 2"):
        frechet_infinity(real, fake, num_sizes=1)


def test_bad_features_are_refused_in_words() -> None:
    good = draw(20, 4, 0)
    broken = good.copy()
    broken[7, 2] = np.nan
    for real, fake, words in (
        (good, broken, "generated features are NaN or infinite for 1 of 20 examples, the first is number 7"),
        (good, good[:, :3], "real features have 4 dimensions, generated ones 3: both must come from one feature network"),
        (good[:1], good, "real features of 1 examples, but at least 2 are needed"),
        (good, good[0], r"generated features must be \[N, D\]"),
        (good.astype(int), good, "must be float32 or float64, not int64"),
    ):
        with pytest.raises(ValueError, match=words):
            frechet_distance(real, fake)
