from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.latent_gans import flat
from torch import Tensor

from zerosum.apply.inpaint import Inpainter, box_hole, check_hole, enlarged, fill_file, largest_square, read_mask, reduced
from zerosum.apply.upscale import Enlarger, Photo, read_photo
from zerosum.data.holes import draw_holes
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.gans import inpainting
from zerosum.noise import Noise
from zerosum.sampling import Sampler


def sampler(channels: int = 3, side: int = 32) -> Sampler:
    torch.manual_seed(0)
    shapes = {"source": (channels + 1, side, side), "target": (channels, side, side)}
    config = inpainting.Config(width=4, dilations=(2,), discriminator_width=4, layers=2)
    return Sampler(inpainting.Inpainting(config, shapes).for_sampling(), DataCard(1, "", shapes), name="test")


def watched(
    make: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch, side: int = 32
) -> tuple[Inpainter, list[Tensor]]:
    """An inpainter that makes what `make` says, and what it is shown."""
    found, shown = sampler(side=side), list[Tensor]()

    def sample(given: Batch, noise: Noise) -> Tensor:
        shown.append(given["source"])
        return make(given["source"])

    monkeypatch.setattr(found.gan, "sample", sample)
    return Inpainter(found), shown


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("size", [(5, 9), (37, 64), (130, 75)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("tile", [None, 16])
def test_known_pixels_are_kept_bit_for_bit(size: tuple[int, int], channels: int, tile: int | None) -> None:
    inpainter = Inpainter(sampler(), tile)
    for seed in range(3):
        pixels, hole = picture(*size, channels, seed), draw_holes(*size, 30, "mixed", np.random.default_rng(seed))
        before = pixels.copy()
        filled = inpainter.fill(pixels, hole)
        assert filled.shape == pixels.shape
        assert np.array_equal(filled[~hole], pixels[~hole])
        assert np.array_equal(pixels, before)


@pytest.mark.parametrize("side", [16, 64])
def test_every_pixel_of_every_hole_is_filled(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    inpainter, shown = watched(lambda source: torch.ones_like(source[:, :3]), monkeypatch, side)
    for seed in range(3):
        hole = draw_holes(300, 200, 50, "mixed", np.random.default_rng(seed))
        hole[100:190, 20:180] = True
        filled = inpainter.fill(np.where(hole, 0, 255).astype(np.uint8)[..., None].repeat(3, 2), hole)
        assert (filled == 255).all()
    assert max(max(source.shape[2:]) for source in shown) <= inpainter.tile + 2 * inpainter.context + 4


def test_a_small_hole_is_seen_with_what_is_around_it_at_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    inpainter, shown = watched(lambda source: source[:, :3] * 0, monkeypatch)
    pixels, hole = picture(500, 400), np.zeros((500, 400), np.bool_)
    hole[203:210, 101:109] = True
    inpainter.fill(pixels, hole)
    (source,) = shown
    top, left = 200 - 16, 96 - 16
    height, width = 16 + 16 + 16, 16 + 16 + 16
    assert source.shape == (1, 4, height, width)
    known = source[0, 3] > 0
    assert int((~known).sum()) == 56
    seen = ((source[0, :3] + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.array_equal(seen[known.numpy()], pixels[top : top + height, left : left + width][known.numpy()])


def test_what_has_been_filled_is_known_to_the_next_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    inpainter, shown = watched(lambda source: torch.ones_like(source[:, :3]), monkeypatch)
    hole = np.zeros((40, 600), np.bool_)
    hole[18:21, 4:590] = True
    inpainter.fill(np.zeros((40, 600, 3), np.uint8), hole)
    assert len(shown) == 3
    second = shown[1][0]
    assert (second[:3, 18:21, : inpainter.context] == 1).all()
    assert (second[3, 18:21, : inpainter.context] > 0).all()


def test_a_thick_hole_is_filled_in_a_smaller_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    inpainter, shown = watched(lambda source: source[:, :3] * 0 + 0.5, monkeypatch)
    hole = np.zeros((400, 400), np.bool_)
    hole[100:300, 100:300] = True
    filled = inpainter.fill(picture(400, 400), hole)
    assert all(max(source.shape[2:]) < 64 for source in shown)
    assert (filled[140:260, 140:260] == 191).all()
    assert (filled[hole] > 0).all()


def test_sizes_of_holes() -> None:
    hole = np.zeros((64, 70), np.bool_)
    assert largest_square(hole) == 0
    hole[3, 60] = True
    assert largest_square(hole) == 1
    hole[16:33, 16:33] = True
    assert largest_square(hole) == 16


def test_smaller_pictures_hold_the_means_of_what_is_known() -> None:
    pixels, unknown = np.full((10, 13, 3), 200, np.uint8), np.zeros((10, 13), np.bool_)
    pixels[:4, :4], unknown[:4, :3] = 7, True
    pixels[4:, :] = 100
    small, hole = reduced(pixels, unknown, 4)
    assert small.shape == (3, 4, 3)
    assert hole.tolist() == [[True, False, False, False], [False] * 4, [False] * 4]
    assert (small[0, 1:] == 200).all()
    assert (small[1:] == 100).all()
    assert enlarged(small[1:], (6, 13, 3), 4).shape == (6, 13, 3)
    assert (enlarged(small[1:], (6, 13, 3), 4) == 100).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_masks_of_any_mode_are_white_where_to_fill(tmp_path: Path, mode: str) -> None:
    white = np.zeros((20, 30), np.bool_)
    white[5:15, 10:20] = True
    grey = Image.fromarray(np.where(white, 255, 0).astype(np.uint8))
    image = (
        Image.fromarray(np.where(white, 65535, 0).astype(np.uint16)) if mode == "I;16" else grey.convert("RGB").convert(mode)
    )
    path = tmp_path / ("mask.tif" if mode == "CMYK" else "mask.png")
    image.save(path)
    assert np.array_equal(read_mask(path), white)
    if mode == "RGBA":
        drawn = Image.new("RGBA", (30, 20), (255, 255, 255, 0))
        drawn.paste((255, 255, 255, 255), (10, 5, 20, 15))
        drawn.save(path)
        assert np.array_equal(read_mask(path), white), "what is transparent is not to be filled"


def test_holes_that_do_not_fit_are_refused_in_words() -> None:
    photo = Photo(picture(20, 30))
    with pytest.raises(ValueError, match="m.png is 20 x 30, the picture 30 x 20: make a mask of the picture's size"):
        check_hole(np.ones((30, 20), np.bool_), photo, "m.png")
    with pytest.raises(ValueError, match="m.png has no white: nothing is to be filled"):
        check_hole(np.zeros((20, 30), np.bool_), photo, "m.png")
    with pytest.raises(ValueError, match="m.png is all white: nothing of the picture is known"):
        check_hole(np.ones((20, 30), np.bool_), photo, "m.png")
    for box in ((25, 0, 6, 4), (0, 18, 4, 3), (-1, 0, 4, 4), (0, 0, 0, 4)):
        with pytest.raises(ValueError, match="must lie in the picture, which is 30 x 20"):
            box_hole(box, 20, 30)
    assert box_hole((25, 17, 5, 3), 20, 30).sum() == 15


def test_generators_that_do_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fill holes: train inpainting"):
        Inpainter(flat())
    with pytest.raises(ValueError, match="fills holes in pictures: use zerosum inpaint"):
        Enlarger(sampler())
    with pytest.raises(ValueError, match="takes no colours"):
        Inpainter(sampler(1)).fill(picture(20, 20), box_hole((4, 4, 4, 4), 20, 20))
    with pytest.raises(ValueError, match="the tile must be at least 1 pixel, not 0"):
        Inpainter(sampler(), 0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "CMYK"])
def test_files_keep_all_but_the_hole(tmp_path: Path, mode: str) -> None:
    colours, alpha = Image.fromarray(picture(20, 30)), Image.fromarray(picture(20, 30, 1)[..., 0])
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    image = Image.fromarray(picture(20, 30, 1)[..., 0].astype(np.uint16) * 257) if mode == "I;16" else colours.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(alpha)
    source, target = tmp_path / f"in.{'jpg' if mode == 'CMYK' else 'png'}", tmp_path / "out.png"
    image.save(source, exif=exif)
    raw = source.read_bytes()
    before = read_photo(source)
    assert fill_file(Inpainter(sampler()), source, (3, 4, 5, 6), target) == (20, 30, 30 / 600)
    after, hole = read_photo(target), box_hole((3, 4, 5, 6), 30, 20)
    assert np.array_equal(np.broadcast_to(after.pixels, (30, 20, 3))[~hole], np.broadcast_to(before.pixels, (30, 20, 3))[~hole])
    assert not np.array_equal(after.pixels[hole], before.pixels[hole])
    assert (before.alpha is None and after.alpha is None) or np.array_equal(after.alpha, before.alpha)  # type: ignore[arg-type]
    with Image.open(target) as made:
        assert made.getexif()[0x010F] == "a camera"
        assert made.getexif().get(0x0112, 1) == 1
    assert source.read_bytes() == raw
