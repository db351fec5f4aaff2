"""KID agrees with torchmetrics and with a double loop, is unbiased, and knows its standard error."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from zerosum.evaluate.kernel import kernel_distance, kernel_distance_subsets


def draw(num: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(num, width)) + shift)


def test_agrees_with_torchmetrics() -> None:
    real, fake = draw(300, 48, 0), draw(300, 48, 1, shift=0.2)
    theirs = float(poly_mmd(torch.from_numpy(real), torch.from_numpy(fake)))
    assert kernel_distance(real, fake).value == pytest.approx(theirs, rel=1e-8)


class Passing(torch.nn.Module):
    """A judge that takes features for images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).double()


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_subsets_agree_with_torchmetrics_metric() -> None:
    real, fake = draw(200, 16, 0).astype(np.float32), draw(200, 16, 1, shift=0.3).astype(np.float32)
    metric = KernelInceptionDistance(feature=Passing(), subsets=2, subset_size=200)
    features = {True: real, False: fake}
    for is_real, side in features.items():
        metric.update(torch.from_numpy(side)[:, :, None, None], real=is_real)
    mean, std = metric.compute()
    ours = kernel_distance_subsets(real, fake, num_subsets=2, subset_size=200)
    assert ours.mean == pytest.approx(float(mean), rel=1e-4)
    assert ours.std == pytest.approx(0, abs=1e-9)
    assert float(std) == pytest.approx(0, abs=1e-6)


def test_agrees_with_a_double_loop_of_unequal_sizes() -> None:
    real, fake = draw(9, 3, 0), draw(7, 3, 1)

    def mean(left: np.ndarray, right: np.ndarray, skip: bool) -> float:
        pairs = [(x, y) for i, x in enumerate(left) for j, y in enumerate(right) if not skip or i != j]
        return float(np.mean([(x @ y / 3 + 1) ** 3 for x, y in pairs]))

    expected = mean(real, real, True) + mean(fake, fake, True) - 2 * mean(real, fake, False)
    assert kernel_distance(real, fake).value == pytest.approx(expected, rel=1e-10)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = draw(50, 8, 0), draw(40, 8, 1)
    whole = kernel_distance(real, fake)
    monkeypatch.setattr("zerosum.evaluate.kernel.BLOCK", 130)
    parts = kernel_distance(real, fake)
    assert (parts.value, parts.standard_error) == pytest.approx((whole.value, whole.standard_error), rel=1e-10)
    turned = kernel_distance(real[::-1], fake[::-1])
    assert (turned.value, turned.standard_error) == pytest.approx((whole.value, whole.standard_error), rel=1e-10)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.9, 2.0), (0.4, 0.8, 1.25)])
def test_unbiased_with_an_honest_standard_error(shift: float, low: float, high: float) -> None:
    """Over many draws: the spread is what the standard error says, and the mean does not depend on N."""
    draws = [kernel_distance(draw(80, 8, 2 * s), draw(100, 8, 2 * s + 1, shift)) for s in range(300)]
    spread = np.std([estimate.value for estimate in draws])
    assert low < np.mean([estimate.standard_error for estimate in draws]) / spread < high
    truth = np.mean([kernel_distance(draw(1500, 8, 10**6 + s), draw(1500, 8, 10**7 + s, shift)).value for s in range(4)])
    assert abs(np.mean([estimate.value for estimate in draws]) - truth) < 4 * spread / np.sqrt(300)
    covered = np.mean([estimate.interval[0] <= truth <= estimate.interval[1] for estimate in draws])
    assert covered > 0.9


def test_grows_with_noise_and_dropped_clusters() -> None:
    stream = np.random.default_rng(0)
    centres, labels = stream.normal(scale=2, size=(8, 16)), np.arange(800) % 8
    real, fake = (centres[labels] + stream.normal(size=(800, 16)) for _ in range(2))
    noise = stream.normal(size=fake.shape)
    for series in ([fake + a * noise for a in (0, 1, 2, 4)], [fake[labels >= dropped] for dropped in (0, 2, 4, 7)]):
        values = [kernel_distance(real, degraded).value for degraded in series]
        assert values == sorted(values)


def test_subsets_are_drawn_by_seed() -> None:
    real, fake = draw(90, 4, 0), draw(70, 4, 1, shift=0.5)
    first = kernel_distance_subsets(real, fake, 10, 50, seed=1)
    assert first == kernel_distance_subsets(real, fake, 10, 50, seed=1)
    assert first != kernel_distance_subsets(real, fake, 10, 50, seed=2)
    assert first.mean == pytest.approx(kernel_distance(real, fake).value, abs=3 * first.std)
    with pytest.raises(ValueError, match="subset_size must be between 2 and the smaller side of 90 real and 70 generated"):
        kernel_distance_subsets(real, fake)
    with pytest.raises(ValueError, match="NaN or infinite"):
        kernel_distance(real, np.full((5, 4), np.inf))
