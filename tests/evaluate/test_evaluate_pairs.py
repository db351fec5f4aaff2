import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.evaluate.pairs import compared, do_nothing, judge_pair, pair_figures, perceptual_distance
from zerosum.features.perceptual import Perceptual, load_perceptual


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return load_perceptual()


def photograph(seed: int, height: int = 64, width: int = 96) -> Tensor:
    """Broad shapes and fine grain."""
    stream = torch.Generator().manual_seed(seed)
    broad = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 8, generator=stream), [height, width], mode="bilinear")
    return ((broad + 0.1 * torch.randn(1, 3, height, width, generator=stream)) * 2 - 1).clamp(-1, 1)


def reduced(images: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(images, 4)


def test_the_target_itself_beats_what_costs_nothing(perceptual: Perceptual) -> None:
    targets = [(photograph(seed) * 127.5).round() / 127.5 for seed in range(3)]
    by_source = {reduced(target).numpy().tobytes(): target for target in targets}
    figures = pair_figures(
        lambda source: by_source[source.numpy().tobytes()],
        [(reduced(target), target) for target in targets],
        perceptual,
        split="held out",
        generator="the truth",
    )
    found = {figure.name: figure for figure in figures}
    assert list(found) == [
        name + end for name in ("psnr", "psnr-y", "ssim", "ms-ssim", "perceptual") for end in ("", " (bicubic)")
    ]
    assert found["psnr"].value > found["psnr (bicubic)"].value + 10
    assert found["ssim"].value > 0.99 > found["ssim (bicubic)"].value
    assert found["ms-ssim"].value > 0.99 > found["ms-ssim (bicubic)"].value
    assert found["perceptual"].value < 0.05 < found["perceptual (bicubic)"].value
    assert "better than bicubic on 3 of 3" in found["perceptual"].note
    low, high = found["psnr (bicubic)"].interval or (0, 0)
    assert low <= found["psnr (bicubic)"].value <= high
    assert found["psnr"].generator == "the truth"
    assert found["psnr (bicubic)"].generator == ""


def test_at_the_same_size_the_source_itself_costs_nothing() -> None:
    source = photograph(0)
    assert do_nothing(source, [64, 96]) is source
    assert do_nothing(reduced(source), [64, 96]).shape == source.shape


def test_what_is_made_is_rounded_to_8_bits(perceptual: Perceptual) -> None:
    target = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32)).astype(np.float32)) / 127.5 - 1
    assert judge_pair(target + 0.3 / 127.5, target, perceptual)["psnr"] > 90


def test_perceptual_distance_is_the_mean_over_patches(perceptual: Perceptual) -> None:
    one, other = (torch.cat([photograph(seed, 128, 128), photograph(seed + 2, 128, 128)], 3) for seed in range(2))
    halves = [
        perceptual(perceptual.maps(one[..., part]), perceptual.maps(other[..., part])) for part in (slice(128), slice(128, 256))
    ]
    torch.testing.assert_close(perceptual_distance(one, other, perceptual), sum(halves) / 2)


def test_which_is_better_is_counted_pair_by_pair() -> None:
    assert compared([1, 2, 3], [0, 2, 4], True, "bicubic").endswith("better than bicubic on 1 of 3")
    assert compared([1, 2, 3], [0, 2, 4], False, "bicubic").startswith("lower is better")


def test_another_shape_is_refused_in_words(perceptual: Perceptual) -> None:
    with pytest.raises(ValueError, match="they must be alike"):
        judge_pair(photograph(0), photograph(0, 32), perceptual)
