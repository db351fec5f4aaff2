"""The doctor's figures: against direct sums, and on planted faults."""

import math

import pytest
import torch
from torch import Tensor

from zerosum.diagnose import signals


def normal(count: int, seed: int, dims: int = 3, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    return shift + scale * torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))


def mean_distance(one: Tensor, other: Tensor, same: bool = False) -> float:
    """Mean of |x - y| over all pairs, summed one by one; of one set, over pairs of different elements."""
    values = [
        math.dist(x, y) for i, x in enumerate(one.tolist()) for j, y in enumerate(other.tolist()) if not (same and i == j)
    ]
    return sum(values) / len(values)


def test_energy_is_its_double_sum() -> None:
    real, fake = normal(20, 0), normal(15, 1, shift=0.7, scale=0.5)
    between = mean_distance(real, fake)
    within_real, within_fake = mean_distance(real, real, True), mean_distance(fake, fake, True)
    coefficient, diversity = signals.energy(real, fake)
    assert coefficient == pytest.approx((2 * between - within_real - within_fake) / (2 * between), rel=1e-5)
    assert diversity == pytest.approx(within_fake / within_real, rel=1e-5)


def test_energy_is_zero_on_average_for_equal_distributions_and_rises_with_their_distance() -> None:
    equal = [signals.energy(normal(60, seed), normal(60, 1000 + seed))[0] for seed in range(400)]
    error = torch.tensor(equal).std() / math.sqrt(len(equal))
    assert abs(sum(equal) / len(equal)) < 4 * error
    assert min(equal) < 0 < max(equal), "an estimate without bias falls on both sides"
    shifted = [signals.energy(normal(200, 0), normal(200, 1, shift=shift))[0] for shift in (0, 0.5, 1, 2, 50)]
    assert shifted == sorted(shifted)
    assert shifted[0] < 0.02
    assert shifted[-1] == pytest.approx(1, abs=0.05)


def test_diversity_is_the_ratio_of_spreads() -> None:
    real = normal(300, 0)
    assert signals.energy(real, normal(300, 1))[1] == pytest.approx(1, abs=0.05)
    assert signals.energy(real, 0.25 * real)[1] == pytest.approx(0.25, rel=1e-4)
    assert signals.energy(real, real[:1].expand(50, -1))[1] == 0


def test_missing_is_what_samples_show_less_than_a_fifth_as_often() -> None:
    real, fake = torch.tensor([0.5, 0.3, 0.2, 0.0]), torch.tensor([0.09, 0.07, 0.0, 0.84])
    assert signals.missing(real, fake).tolist() == [True, False, True, False]


def test_planted_duplicates_are_counted_exactly() -> None:
    real, fake = normal(400, 0, dims=8), normal(200, 1, dims=8)
    without = signals.duplicates(real, fake)
    assert without <= 0.03
    planted = fake.clone()
    planted[100:150] = fake[:50] + 1e-4
    assert signals.duplicates(real, planted) == pytest.approx(0.5, abs=without)
    assert signals.duplicates(real, fake[:1].expand(200, -1)) == 1


def test_as_many_duplicates_as_in_real_examples_are_one_percent() -> None:
    real = normal(400, 0, dims=8)
    assert signals.duplicates(real, real) == pytest.approx(0.01, abs=0.005)


def test_planted_copies_are_near_zero_and_others_near_one() -> None:
    train, fresh = normal(400, 0, dims=8), normal(100, 1, dims=8)
    planted = fresh.clone()
    planted[:30] = train[:30] + 1e-3
    ratio = signals.copies(train, planted)
    assert ((ratio >= 0) & (ratio <= 1)).all()
    assert (ratio < 0.5).tolist() == [True] * 30 + [False] * 70
    assert signals.copies(train, train.mean(0, keepdim=True)).item() > 0.5, "a blur is near to many"


def test_nearest_passes_over_the_point_itself_only_if_told_to() -> None:
    points = torch.tensor([[0.0], [1.0], [3.0]])
    assert signals.nearest(points, points).tolist() == [[0, 1], [0, 1], [0, 2]]
    assert signals.nearest(points, points, skip_self=True).tolist() == [[1, 3], [1, 2], [2, 3]]


def test_label_agreement_counts_samples_among_their_own_class() -> None:
    centres = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    classes = torch.arange(3).repeat_interleave(20)
    real = centres[classes] + normal(60, 0, dims=2, scale=0.1)
    asked = torch.arange(3).repeat(10)
    assert signals.label_agreement(real, classes, centres[asked], asked) == 1
    assert signals.label_agreement(real, classes, centres[(asked + 1) % 3], asked) == 0
    half = torch.where(torch.arange(30) < 15, asked, (asked + 1) % 3)
    assert signals.label_agreement(real, classes, centres[half], asked) == 0.5


def test_saturated_is_the_share_of_black_and_white() -> None:
    images = torch.zeros(2, 1, 4, 4)
    images[0, 0, 0] = 1
    images[1, 0, 1, :2] = -1
    assert signals.saturated(images) == 6 / 32
    assert signals.saturated(torch.full((1, 1, 2, 2), 0.9)) == 0


@pytest.mark.parametrize("size", [16, 32])
def test_a_planted_checkerboard_is_seen(size: int) -> None:
    ramp = torch.linspace(-1, 1, size).expand(4, 1, size, size)
    board = 1 - 2 * ((torch.arange(size)[:, None] + torch.arange(size)) % 2).float()
    assert signals.checkerboard(board[None, None]) == pytest.approx(1)
    values = [signals.checkerboard(0.5 * ramp + strength * board) for strength in (0, 0.05, 0.2, 0.5)]
    assert values == sorted(values)
    assert values[0] < 0.02
    assert values[-1] > 0.5


def test_a_checkerboard_is_the_share_of_power_by_parseval() -> None:
    # A wave of amplitude a has power a^2 / 2, the board of amplitude b has b^2.
    wave = torch.cos(2 * math.pi * 2 * torch.arange(32) / 32).expand(1, 1, 32, 32)
    board = 1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float()
    assert signals.checkerboard(3 + 0.8 * wave + 0.3 * board) == pytest.approx(0.09 / (0.09 + 0.32), rel=1e-4)
    assert signals.checkerboard(torch.full((2, 3, 8, 8), 0.4)) == pytest.approx(0, abs=1e-3)
