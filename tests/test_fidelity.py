import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from zerosum.fidelity import luma, psnr, ssim


def pictures(channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(4, channels, 6, 7, generator=stream) * 2 - 1, [37, 41], mode="bilinear")
    return (smooth + 0.2 * torch.randn(smooth.shape, generator=stream)).clamp(-1, 1), smooth


def test_psnr_and_ssim_are_those_of_torchmetrics() -> None:
    images, targets = pictures()
    theirs = peak_signal_noise_ratio(images, targets, data_range=2.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(images, targets), theirs, rtol=1e-5, atol=1e-5)
    # Theirs also takes windows that lie half outside, over mirrored borders: those of its map are left out here.
    ours = [((side + 1) / 2).double() for side in (images, targets)]
    _, places = structural_similarity_index_measure(*ours, data_range=1.0, reduction="none", return_full_image=True)
    theirs = places[..., 5:-5, 5:-5].mean((1, 2, 3))
    torch.testing.assert_close(ssim(images.double(), targets.double()), theirs, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ssim(images, targets).double(), theirs, rtol=1e-4, atol=1e-4)


def test_what_is_equal_is_as_good_as_can_be_and_worse_is_worse() -> None:
    images, targets = pictures()
    assert ssim(targets, targets).min() > 0.99999
    assert psnr(targets, targets).min() > 100
    half = (images + targets) / 2
    assert (psnr(half, targets) > psnr(images, targets)).all()
    assert (ssim(half, targets) > ssim(images, targets)).all()
    # Half of the error is four times less power: 6.02 dB.
    torch.testing.assert_close(psnr(half, targets) - psnr(images, targets), torch.full((4,), 6.0206), rtol=1e-4, atol=1e-3)


def test_luma_of_black_white_and_green_is_that_of_the_standard() -> None:
    colours = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [-1, 1, -1]]).reshape(3, 3, 1, 1)
    levels = (luma(colours).flatten() + 1) * 127.5
    torch.testing.assert_close(levels, torch.tensor([16.0, 235.0, 144.553]), rtol=1e-5, atol=1e-3)
    assert luma(torch.zeros(2, 1, 5, 5)).shape == (2, 1, 5, 5)


def test_images_smaller_than_the_window_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="at least 11 pixels a side, not \\[10, 20\\]"):
        ssim(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))
