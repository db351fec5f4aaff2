"""Resampling: exact where pixels meet pixels, linear, with derivatives of every order."""

from math import pi

import pytest
import torch

from zerosum.augment.resample import Interpolation, Outside, rotation, scaling, translation, warp

SETTINGS: list[tuple[Interpolation, Outside]] = [("bicubic", "reflection"), ("nearest", "zeros")]


def some_maps(num: int) -> torch.Tensor:
    torch.manual_seed(1)
    angle, move = torch.rand(num) * 6, torch.randn(2, num)
    return rotation(angle) @ scaling(torch.rand(num) + 0.5, torch.rand(num) + 0.5) @ translation(*move)


@pytest.mark.parametrize(("mode", "outside"), SETTINGS)
def test_quarter_turns_flips_and_whole_pixels_are_exact(mode: Interpolation, outside: Outside) -> None:
    images, one = torch.rand(2, 3, 12, 12), torch.ones(2)
    flipped = warp(images, scaling(-one, one), mode, outside)
    assert torch.allclose(flipped, images.flip(3), atol=1e-5)
    turned = warp(images, rotation(one * pi / 2), mode, outside)
    assert torch.allclose(turned, images.rot90(1, (2, 3)), atol=1e-5)
    moved = warp(images, translation(3 * one, -2 * one), mode, outside)
    assert torch.allclose(moved[:, :, 2:, :9], images[:, :, :10, 3:], atol=1e-5)
    beyond = images[:, :, :2].flip(2)[..., 3:] if outside == "reflection" else torch.zeros(2, 3, 2, 9)
    assert torch.allclose(moved[:, :, :2, :9], beyond, atol=1e-5)


def test_images_that_are_not_square_keep_their_angles() -> None:
    images = torch.zeros(1, 1, 8, 16)
    images[..., 4, 10] = 1
    turned = warp(images, rotation(torch.full((1,), pi / 2)), "nearest", "zeros")
    # The pixel lies at (2.5, 0.5) from the centre, and (0.5, -2.5) is what a quarter turn takes there.
    assert turned.nonzero().tolist() == [[0, 0, 1, 8]]


@pytest.mark.parametrize(("mode", "outside"), SETTINGS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_of_first_and_second_order(mode: Interpolation, outside: Outside, channels_last: bool) -> None:
    images, maps = torch.randn(2, 2, 5, 5, dtype=torch.float64), some_maps(2)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    images.requires_grad_()

    def bent(images: torch.Tensor) -> torch.Tensor:
        return warp(images, maps, mode, outside) ** 3

    assert torch.autograd.gradcheck(bent, images)
    assert torch.autograd.gradgradcheck(bent, images)


def test_the_backward_pass_is_the_adjoint() -> None:
    maps, values = some_maps(3), torch.randn(3, 2, 6, 6)
    images = torch.randn(3, 2, 6, 6, requires_grad=True)
    inner = (warp(images, maps, "bicubic", "reflection") * values).sum()
    inner.backward()
    assert torch.allclose((images * images.grad).sum(), inner, rtol=1e-4)
