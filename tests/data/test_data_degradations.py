import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from zerosum.data import degradations
from zerosum.data.degradations import degrade


def picture(side: int = 64, channels: int = 3) -> np.ndarray:
    """Broad colours with an edge."""
    y, x = np.mgrid[:side, :side] / side
    planes = [y, x, (x + y) / 2][:channels]
    pixels = np.rint(np.stack(planes, axis=-1) * 200 + 20).astype(np.uint8)
    pixels[side // 4 : side // 2, side // 4 : side // 2] = 250
    return pixels


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("kind", ["bicubic", "real", "old"])
def test_size_and_repetition(kind: degradations.Kind, scale: int, channels: int) -> None:
    pixels = picture(channels=channels)
    for seed in range(4):
        one, again = (degrade(pixels, scale, kind, stream(seed)) for _ in range(2))
        assert one.shape == (64 // scale, 64 // scale, channels)
        assert one.dtype == np.uint8
        assert np.array_equal(one, again)


@pytest.mark.parametrize("kind", ["real", "old"])
def test_seeds_differ_and_the_picture_stays_recognisable(kind: degradations.Kind) -> None:
    pixels = picture()
    made = np.stack([degrade(pixels, 1, kind, stream(seed)) for seed in range(20)]).astype(float)
    assert len({image.tobytes() for image in made}) == 20
    likeness = [np.corrcoef(image.mean(2).ravel(), pixels.mean(2).ravel())[0, 1] for image in made]
    assert np.median(likeness) > 0.8
    assert np.abs(made - pixels).mean() > 4, "something is lost"


def test_bicubic_is_the_antialiased_kernel_with_a_of_a_half() -> None:
    chance = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    theirs = interpolate(torch.from_numpy(chance).permute(2, 0, 1)[None].double(), [8, 8], mode="bicubic", antialias=True)
    ours = degrade(chance, 4, "bicubic", stream())
    assert np.abs(ours - theirs[0].permute(1, 2, 0).numpy().clip(0, 255)).max() <= 1, "rounding, twice"


def test_the_blur_is_a_convolution_with_mirrored_borders() -> None:
    chance, kernel = stream().random((20, 24, 3), np.float32), stream(1).random((7, 7)).astype(np.float32)
    padded = np.pad(chance, ((3, 3), (3, 3), (0, 0)), "reflect")
    weights = torch.from_numpy(kernel[::-1, ::-1].copy())[None, None]
    theirs = conv2d(torch.from_numpy(padded).permute(2, 0, 1)[:, None], weights)[:, 0].permute(1, 2, 0)
    torch.testing.assert_close(torch.from_numpy(degradations.filtered(chance, kernel)), theirs, rtol=1e-4, atol=1e-4)


def test_kernels_sum_to_one_and_are_symmetric_about_their_middle() -> None:
    for seed in range(60):
        kernel = degradations.drawn_kernel((0.2, 3.0), stream(seed))
        assert kernel.shape[0] == kernel.shape[1] in range(7, 22, 2)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


def test_a_normal_kernel_has_its_deviations() -> None:
    distance = degradations.squared_distance(41, 3.0, 1.5, 0.0)
    kernel = degradations.summing_to_one(np.exp(-0.5 * distance))
    y, x = np.mgrid[:41, :41] - 20
    assert (kernel * x**2).sum() == pytest.approx(9, rel=1e-2)
    assert (kernel * y**2).sum() == pytest.approx(2.25, rel=1e-2)


def test_the_sinc_filter_keeps_low_frequencies_and_stops_high_ones() -> None:
    spectrum = np.abs(np.fft.fft2(degradations.sinc_kernel(101, np.pi / 2), (256, 256)))
    frequency = np.abs(np.fft.fftfreq(256)) * 2 * np.pi
    radius = np.hypot(frequency[:, None], frequency[None])
    assert spectrum[radius < 0.9 * np.pi / 2].min() > 0.8
    assert spectrum[radius > 1.15 * np.pi / 2].max() < 0.1


def test_noise_has_its_deviation_and_grey_noise_is_equal_in_all_channels() -> None:
    grey = np.full((200, 200, 3), 0.5, np.float32)
    spreads, alike = [], []
    for seed in range(40):
        noise = degradations.noisy(grey, (20, 20.001), (1, 1.001), stream(seed)) - grey
        spreads.append(float(noise.std()))
        alike.append(bool(np.abs(noise - noise[..., :1]).max() < 1e-6))
    # Normal noise of 20 / 255; photons of 0.5 * 255 levels have sqrt(0.5 / 255).
    wanted = np.array([20 / 255, (0.5 / 255) ** 0.5])
    assert all(np.abs(spread / wanted - 1).min() < 0.05 for spread in spreads)
    assert 0 < sum(alike) < 40


def test_scratches_are_thin_and_fading_takes_contrast_and_colour() -> None:
    grey = np.full((96, 96, 3), 0.5, np.float32)
    shares = [float((np.abs(degradations.scratched(grey, stream(seed)) - 0.5) > 0.05).mean()) for seed in range(30)]
    assert max(shares) > 0.01
    assert np.median(shares) < 0.15
    bright = picture().astype(np.float32) / 255
    faded = [degradations.faded(bright, stream(seed)) for seed in range(20)]
    assert np.mean([image.std() for image in faded]) < 0.9 * bright.std()
