import pytest
import torch
from feature_inputs import random_pixels
from torch.nn.functional import interpolate

from zerosum.features.resize import antialiased_bilinear, resize, tensorflow_bilinear


@pytest.mark.parametrize("size", [(28, 28), (96, 96), (200, 150), (7, 300)])
def test_antialiased_is_that_of_torch(size: tuple[int, int]) -> None:
    pixels = random_pixels(2, 3, *size)
    expected = interpolate(pixels.double(), (96, 96), mode="bilinear", antialias=True)
    torch.testing.assert_close(resize(pixels, 96, antialiased_bilinear).double(), expected, rtol=0, atol=1e-3)


def test_tensorflow_rule_in_closed_form() -> None:
    row = torch.tensor([[[[0, 10]]]], dtype=torch.uint8)
    doubled = resize(row, 4, tensorflow_bilinear)[0, 0, 0]
    assert doubled.tolist() == [0, 5, 10, 10]
    thirds = resize(torch.arange(0, 60, 10, dtype=torch.uint8).reshape(1, 1, 1, 6), 2, tensorflow_bilinear)[0, 0, 0]
    assert thirds.tolist() == [0, 30], "no antialiasing: every other pixel is left out"


def test_tensorflow_rule_against_a_loop() -> None:
    pixels = random_pixels(1, 1, 5, 9)
    image, out = pixels[0, 0].tolist(), resize(pixels, 13, tensorflow_bilinear)[0, 0]
    for row in range(13):
        for column in range(13):
            y, x = row * 5 / 13, column * 9 / 13
            top, left = int(y), int(x)
            bottom, right = min(top + 1, 4), min(left + 1, 8)
            upper = image[top][left] * (1 - (x - left)) + image[top][right] * (x - left)
            lower = image[bottom][left] * (1 - (x - left)) + image[bottom][right] * (x - left)
            assert abs(upper * (1 - (y - top)) + lower * (y - top) - out[row, column].item()) < 1e-3


@pytest.mark.parametrize("rule", [antialiased_bilinear, tensorflow_bilinear])
def test_constant_images_and_the_same_size_stay_as_they_are(rule) -> None:
    grey = torch.full((1, 1, 40, 30), 77, dtype=torch.uint8)
    torch.testing.assert_close(resize(grey, 64, rule), torch.full((1, 1, 64, 64), 77.0))
    pixels = random_pixels(1, 3, 48, 48)
    assert torch.equal(resize(pixels, 48, rule), pixels.float())
