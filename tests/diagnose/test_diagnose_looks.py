"""The space of looks, and its clusters."""

import torch

from zerosum.data import open_data
from zerosum.data.feed import to_float
from zerosum.diagnose.looks import COMPONENTS, SIDE, Looks, find_clusters, flatten, shares
from zerosum.recipe import Data


def blobs(centres: torch.Tensor, each: int, spread: float = 0.05) -> torch.Tensor:
    """Gaussians around centres `[K, D]`, `[K * each, D]`."""
    noise = torch.randn(len(centres) * each, centres.shape[1], generator=torch.Generator().manual_seed(1))
    return centres.repeat_interleave(each, 0) + spread * noise


def test_distances_of_data_with_few_dimensions_are_kept() -> None:
    stream = torch.Generator().manual_seed(0)
    basis = torch.randn(COMPONENTS - 4, SIDE * SIDE, generator=stream)
    weights = torch.randn(200, COMPONENTS - 4, generator=stream)
    images = (weights @ basis).reshape(200, 1, SIDE, SIDE)
    there = Looks.of(images)(images)
    assert there.shape == (200, COMPONENTS)
    torch.testing.assert_close(torch.pdist(there), torch.pdist(images.flatten(1)), rtol=1e-4, atol=1e-3)


def test_looks_of_real_images_are_never_farther_apart_than_the_images() -> None:
    dataset = open_data(Data(resolution=32))
    images = to_float(dataset.batch(torch.arange(300).numpy())["image"])
    small = flatten(images)
    assert small.shape == (300, SIDE * SIDE)
    there = Looks.of(images)(images)
    assert (torch.pdist(there) <= torch.pdist(small) + 1e-3).all()
    kept = (there - there.mean(0)).square().sum() / (small - small.mean(0)).square().sum()
    assert kept > 0.75, "a few components hold most of what there is to see"


def test_points_stay_where_they_are_and_small_images_keep_their_size() -> None:
    points = torch.randn(9, 2)
    assert torch.equal(Looks.of(points)(points), points)
    assert flatten(torch.zeros(3, 3, 8, 20)).shape == (3, 3 * 8 * SIDE)


def test_fewer_examples_than_components() -> None:
    images = torch.randn(5, 3, 8, 8)
    there = Looks.of(images)(images)
    assert there.shape == (5, 5)
    torch.testing.assert_close(torch.pdist(there), torch.pdist(images.flatten(1)), rtol=1e-4, atol=1e-3)


def test_planted_clusters_are_found_every_time_the_same() -> None:
    planted = torch.tensor([[x, y] for x in (-4.0, 0.0, 4.0) for y in (-4.0, 4.0)])
    points = blobs(planted, 50)
    mixed = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(2))]
    centres = find_clusters(mixed, 6)
    assert torch.equal(centres, find_clusters(mixed, 6))
    distances = torch.cdist(planted, centres)
    assert sorted(distances.argmin(1).tolist()) == list(range(6))
    assert distances.amin(1).max() < 0.05
    assert torch.allclose(shares(mixed, centres), torch.full((6,), 1 / 6))


def test_looking_for_clusters_leaves_the_random_stream_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    find_clusters(torch.randn(40, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.rand(3), expected)


def test_clusters_are_at_most_a_tenth_of_the_points_and_no_more_than_there_are_places() -> None:
    points = torch.arange(35.0)[:, None]
    assert len(find_clusters(points)) == 3
    assert len(find_clusters(torch.ones(100, 2))) == 1
    assert len(find_clusters(points[:4])) == 1


def test_shares_of_centres() -> None:
    centres = torch.tensor([[0.0], [10.0], [20.0]])
    assert shares(torch.tensor([[1.0], [-1.0], [9.0], [2.0]]), centres).tolist() == [0.75, 0.25, 0.0]


def test_sounds_are_compared_by_their_spectrograms() -> None:
    time = torch.arange(4_096) / 16_000
    tones = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (400, 410, 3_000)])[:, None]
    looks = Looks.of(torch.cat([tones, 0.1 * torch.randn(20, 1, 4_096)]))
    low, near, high = looks(tones)
    assert torch.dist(low, near) < 0.3 * torch.dist(low, high)
    assert len(looks(tones[:0])) == 0
    assert flatten(torch.zeros(2, 2, 1_024)).shape == (2, 256)
