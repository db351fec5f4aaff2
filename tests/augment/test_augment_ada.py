"""ADA's transformations: the paper's strengths and probabilities."""

from math import log, pi

import pytest
import torch
from torch import Tensor

from zerosum.augment import ada

NUM = 20_000
HALF, SURE = torch.tensor(0.5), torch.tensor(1.0)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_happens_at_probability_zero(channels: int) -> None:
    images = torch.randn(5, channels, 14, 14)
    assert torch.allclose(ada.augment(images, torch.tensor(0.0)), images, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_is_a_function_of_the_seed_and_differentiable_twice(channels: int) -> None:
    images = torch.randn(2, channels, 5, 5, dtype=torch.float64, requires_grad=True)

    def seeded(images: Tensor) -> Tensor:
        torch.manual_seed(4)
        return ada.augment(images, SURE)

    assert torch.equal(seeded(images), seeded(images))
    assert not torch.equal(seeded(images), ada.augment(images, SURE))
    assert torch.autograd.gradcheck(seeded, images)
    assert torch.autograd.gradgradcheck(lambda images: seeded(images) ** 2, images, fast_mode=True)


def test_maps_have_the_papers_strengths() -> None:
    maps = ada.draw_maps(NUM, 32, 64, SURE)
    determinant = torch.linalg.det(maps)
    assert abs((determinant < 0).float().mean() - 0.5) < 0.02, "flipped: half of them"
    # Only isotropic scaling changes areas, by s^2 with s = 2^(0.2 n).
    assert abs(determinant.abs().log().std() - 2 * 0.2 * log(2)) < 0.01
    assert abs(determinant.abs().log().mean()) < 0.01
    # Anisotropic scaling by s and 1 / s: the singular values' ratio is s^2.
    ratio = torch.linalg.svdvals(maps[:, :2, :2]).log()
    assert abs((ratio[:, 0] - ratio[:, 1]).square().mean().sqrt() - 2 * 0.2 * log(2)) < 0.01
    angle = torch.atan2(maps[:, 1, 0], maps[:, 0, 0])
    assert torch.histc(angle, 8, -pi, pi).min() > 0.9 * NUM / 8, "every direction equally often"


def test_translation_is_relative_to_the_size() -> None:
    maps = ada.draw_maps(NUM, 32, 64, torch.tensor(0.1))
    straight = maps[((maps[:, :2, :2] - torch.eye(2)).abs() < 1e-6).all(2).all(1)][:, :2, 2]
    whole = (straight == straight.round()).all(1)
    integer, fractional = straight[whole & (straight != 0).any(1)], straight[~whole]
    assert abs(len(fractional) / len(straight) - 0.1) < 0.015
    assert abs(len(integer) / len(straight) - 0.1 * 0.9) < 0.015, "both or none of the axes"
    assert integer.abs().amax(0).tolist() == [8, 4], "an eighth of width and height"
    assert torch.allclose(fractional.std(0), torch.tensor([8.0, 4.0]), rtol=0.1)


def test_each_happens_with_probability_p_and_any_free_rotation_as_well() -> None:
    maps = ada.draw_maps(NUM, 32, 32, HALF)
    assert abs((torch.linalg.det(maps) < 0).float().mean() - 0.25) < 0.015
    squares = maps[:, :2, :2] @ maps[:, :2, :2].mT
    stretched = (squares[:, 0, 0] - squares[:, 1, 1]).abs() + squares[:, 0, 1].abs() > 1e-4
    assert abs(stretched.float().mean() - 0.5) < 0.015
    scaled = (torch.linalg.det(maps).abs() - 1).abs() > 1e-4
    assert abs(scaled.float().mean() - 0.5) < 0.015
    # Axes go to axes unless one of the two free rotations happened, which has probability p.
    oblique = (maps[:, 0, 0] * maps[:, 0, 1]).abs() > 1e-5
    assert abs(oblique.float().mean() - 0.5) < 0.015
    upright = maps[~oblique][:, 0, 0].abs() > 1e-4
    assert abs(upright.float().mean() - 0.75) < 0.015, "half of the quarter turns lie on their side"


def test_grey_images_get_brightness_contrast_and_luma_flip() -> None:
    factor, offset = ada.draw_colours(NUM, 1, SURE)
    assert factor.shape == (NUM, 1, 1)
    assert abs((factor < 0).float().mean() - 0.5) < 0.02
    assert abs(factor.abs().log2().std() - 0.5) < 0.01
    assert abs(offset.std() - 0.2) < 0.005
    assert abs((ada.draw_colours(NUM, 1, HALF)[1] == 0).float().mean() - 0.5) < 0.02


def test_colours_keep_the_grey_axis_and_turn_the_plane_around_it() -> None:
    factor, _ = ada.draw_colours(NUM, 3, SURE)
    grey = (factor @ torch.ones(3, 1))[..., 0]
    assert torch.allclose(grey, grey.mean(1, keepdim=True).expand(-1, 3), atol=1e-4), "grey stays grey"
    assert abs((grey[:, 0] < 0).float().mean() - 0.5) < 0.02, "luma flip"
    assert abs(grey[:, 0].abs().log2().std() - 0.5) < 0.01, "contrast"
    colour = (factor @ torch.tensor([[1.0], [-1.0], [0.0]]))[..., 0]
    assert (colour.sum(1).abs() / colour.norm(dim=1)).max() < 1e-4, "the plane stays the plane"
    length = (colour.norm(dim=1) / 2**0.5 / grey[:, 0].abs()).log2()
    assert abs(length.std() - 1) < 0.02, "saturation"
    hue = torch.atan2(colour @ torch.tensor([1.0, 1, -2]) / 6**0.5, colour @ torch.tensor([1.0, -1, 0]) / 2**0.5)
    assert torch.histc(hue, 8, -pi, pi).min() > 0.9 * NUM / 8, "every hue equally often"
