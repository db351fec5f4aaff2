import logging

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from zerosum.apply.tiles import TOLERANCE, Area, needed_overlap, run_window, windows
from zerosum.gans import esrgan
from zerosum.noise import FreshNoise


def generator(scale: int, blocks: int = 1, gain: float = 1.0) -> esrgan.ESRGAN:
    """Random weights, larger than at the start of training, so that far pixels do matter."""
    torch.manual_seed(0)
    shapes = {"source": (3, 32 // scale, 32 // scale), "target": (3, 32, 32)}
    gan = esrgan.ESRGAN(esrgan.Config(width=6, growth=4, blocks=blocks, skip="bicubic"), shapes).eval().requires_grad_(False)
    for name, weight in gan.named_parameters():
        weight.mul_(gain * 5 if ".rdb" in name else 1)
    return gan


def made(gan: esrgan.ESRGAN, source: Tensor) -> Tensor:
    return gan.sample({"source": source}, FreshNoise(1))


def tiled(gan: esrgan.ESRGAN, source: Tensor, tile: int, overlap: int) -> Tensor:
    """All windows put together; every place must be written exactly once."""
    height, width = source.shape[2:]
    out = torch.full((1, 3, height * gan.scale, width * gan.scale), torch.nan)

    def read(area: Area) -> Tensor:
        assert area[0].stop <= height
        assert area[1].stop <= width
        return source[:, :, area[0], area[1]]

    for window in windows(height, width, tile, overlap, gan.multiple):
        rows, columns = (slice(side.start * gan.scale, side.stop * gan.scale) for side in window.kept)
        assert out[:, :, rows, columns].isnan().all()
        out[:, :, rows, columns] = run_window(lambda part: made(gan, part), read, window, (height, width), gan.scale)
    return out


def whole(gan: esrgan.ESRGAN, source: Tensor) -> Tensor:
    """All at once, with the last pixels repeated where sides are no multiple."""
    height, width = source.shape[2:]
    padded = pad(source, (0, -width % gan.multiple, 0, -height % gan.multiple), "replicate")
    return made(gan, padded)[:, :, : height * gan.scale, : width * gan.scale]


@pytest.mark.parametrize(("scale", "height", "width"), [(4, 61, 83), (2, 71, 90), (1, 101, 143), (4, 3, 50), (1, 5, 2)])
def test_tiles_with_the_reach_around_them_give_the_whole_picture(scale: int, height: int, width: int) -> None:
    gan = generator(scale)
    source = torch.rand(1, 3, height, width) * 2 - 1
    for tile in (16, 37):
        torch.testing.assert_close(tiled(gan, source, tile, gan.reach), whole(gan, source), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_overlap_that_is_measured_leaves_no_seam(scale: int) -> None:
    gan = generator(scale, blocks=2)
    overlap = needed_overlap(lambda part: made(gan, part), 3, scale, gan.reach, gan.multiple)
    assert 0 < overlap < gan.reach
    for source in (torch.rand(1, 3, 70, 90) * 2 - 1, torch.linspace(-1, 1, 90).expand(1, 3, 70, 90)):
        torch.testing.assert_close(tiled(gan, source, 24, overlap), whole(gan, source), rtol=0, atol=TOLERANCE)
    far = tiled(gan, torch.rand(1, 3, 70, 90) * 2 - 1, 24, 0)
    assert (far - whole(gan, torch.rand(1, 3, 70, 90) * 2 - 1)).abs().max() > TOLERANCE, "without an overlap there are seams"


def test_the_overlap_is_no_more_than_the_reach_and_as_much_where_all_of_it_counts() -> None:
    def blur(part: Tensor) -> Tensor:
        return avg_pool2d(part, 21, 1, 10)  # every pixel within 10 counts alike

    assert needed_overlap(blur, 3, 1, 10) == 10
    assert needed_overlap(lambda part: part, 3, 1, 10) == 4


def test_an_overlap_that_is_too_large_to_be_measured_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def mean(part: Tensor) -> Tensor:
        return part + part.mean()

    with caplog.at_level(logging.WARNING):
        assert needed_overlap(mean, 3, 1, 100_000) == 256
    assert "may leave differences" in caplog.text


def test_windows_cover_a_picture_once_and_fit_the_multiple() -> None:
    for height, width, tile, overlap in ((1, 1, 8, 3), (50, 33, 8, 3), (64, 64, 64, 16)):
        seen = torch.zeros(height, width)
        for window in windows(height, width, tile, overlap, 4):
            assert all(side.start % 4 == 0 and side.stop % 4 == 0 for side in window.seen)
            seen[window.kept] += 1
        assert (seen == 1).all()


def test_impossible_tiles_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="at least 1 and the overlap at least 0 pixels, not 0 and 4"):
        list(windows(8, 8, 0, 4))
