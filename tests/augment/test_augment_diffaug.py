"""DiffAugment: the paper's ranges, its shapes, its gradients."""

import pytest
import torch

from zerosum.augment import diffaug


@pytest.mark.parametrize("channels", [1, 3])
def test_is_a_function_of_the_seed_and_differentiable_twice(channels: int) -> None:
    images = torch.randn(2, channels, 8, 8, dtype=torch.float64, requires_grad=True)

    def seeded(images: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(4)
        return diffaug.augment(images)

    assert torch.equal(seeded(images), seeded(images))
    assert not torch.equal(seeded(images), diffaug.augment(images))
    assert torch.autograd.gradcheck(seeded, images)
    assert torch.autograd.gradgradcheck(lambda images: seeded(images) ** 2, images, fast_mode=True)


def test_brightness_and_contrast_have_the_papers_ranges() -> None:
    images = torch.rand(4000, 1, 4, 4) * 2 - 1
    changed = diffaug.colour(images)
    shift = changed.mean((1, 2, 3)) - images.mean((1, 2, 3))
    factor = changed.std((1, 2, 3)) / images.std((1, 2, 3))
    for values, low, high in ((shift, -0.5, 0.5), (factor, 0.5, 1.5)):
        assert low - 1e-5 <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high + 1e-5
        assert abs(values.mean() - (low + high) / 2) < 0.02


def test_saturation_goes_from_grey_to_twice_the_colour() -> None:
    images = torch.rand(4000, 3, 4, 4) * 2 - 1
    factor = diffaug.colour(images).std(1).mean((1, 2)) / images.std(1).mean((1, 2))
    assert factor.min() < 0.02
    assert 2.5 < factor.max() <= 3 + 1e-4, "saturation up to 2 times contrast up to 1.5"
    assert abs(factor.mean() - 1) < 0.04


def test_translation_is_up_to_an_eighth_in_whole_pixels_each_equally_often() -> None:
    images = torch.zeros(5000, 1, 16, 24)
    images[..., 8, 12] = 1
    places = diffaug.translate(images).nonzero()[:, 2:]
    assert len(places) == 5000, "moved, not spread"
    for axis, size in enumerate((16, 24)):
        counts = torch.bincount(places[:, axis] - size // 2 + size // 8)
        assert len(counts) == 2 * (size // 8) + 1
        assert counts.min() > 0.85 * counts.float().mean()


@pytest.mark.parametrize("size", [12, 15, 16])
def test_cutout_is_a_square_of_half_the_size_centred_anywhere(size: int) -> None:
    holes = diffaug.cut_out(torch.ones(3000, 1, size, size)) == 0
    heights, widths = holes.any(3).sum(2).flatten(), holes.any(2).sum(2).flatten()
    assert torch.equal(holes.sum((1, 2, 3)), heights * widths), "a rectangle"
    side = round(size / 2)
    assert heights.max() == widths.max() == side
    assert heights.min() == widths.min() == side // 2, "at least half of each side is inside"
    often = holes.float().mean(0)[0]
    assert often[size // 2, size // 2] > 0.18, "the middle is cut out about a quarter of the time"
    assert often[0, 0] > 0.04
