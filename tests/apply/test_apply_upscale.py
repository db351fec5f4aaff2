from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.latent_gans import flat

from zerosum.apply.upscale import Enlarger, Photo, enlarge_file, read_photo, save_photo, targets_of
from zerosum.datacard import DataCard
from zerosum.gans import esrgan
from zerosum.sampling import Sampler


def sampler(scale: int = 4, channels: int = 3) -> Sampler:
    """A generator that has learnt nothing yet, so that it gives about the source enlarged."""
    torch.manual_seed(0)
    shapes = {"source": (channels, 32 // scale, 32 // scale), "target": (channels, 32, 32)}
    gan = esrgan.ESRGAN(esrgan.Config(width=4, growth=4, blocks=1, skip="bicubic"), shapes)
    gan.generator.conv_last.weight.data.mul_(0.05)
    gan.generator.conv_last.bias.data.zero_()  # type: ignore[union-attr]
    return Sampler(gan.for_sampling(), DataCard(1, "", shapes), name="test")


def colours(height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [255 * y / height, 255 * x / width, 128 + 0 * x][:channels]
    return np.rint(np.stack(planes, axis=-1)).astype(np.uint8)


def test_pixels_tiled_are_the_pixels_at_once() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    for scale in (1, 2, 4):
        small, large = Enlarger(sampler(scale), tile=16), Enlarger(sampler(scale), tile=500)
        one, other = small.enlarge(pixels), large.enlarge(pixels)
        assert one.shape == (50 * scale, 70 * scale, 3)
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1
        source = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        if scale == 4:
            whole = ((small(source)[0] + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
            assert np.abs(whole - one).max() <= 1


def test_grey_pictures_stay_grey_and_colours_need_a_generator_of_colours() -> None:
    made = Enlarger(sampler()).enlarge(colours(channels=1))
    assert made.shape == (80, 120, 1)
    assert Enlarger(sampler(channels=1)).enlarge(colours(channels=1)).shape == (80, 120, 1)
    with pytest.raises(ValueError, match="grey pictures and takes no colours"):
        Enlarger(sampler(channels=1)).enlarge(colours())


def test_a_generator_that_takes_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="train esrgan, or import one"):
        Enlarger(flat())
    with pytest.raises(ValueError, match="not 0 and 4"):
        Enlarger(sampler(), tile=0, overlap=4)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112], data[0x010F] = orientation, "a camera"
    return data


def test_orientation_is_applied_once_and_the_rest_of_exif_and_profile_are_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jpg", tmp_path / "out.jpg"
    Image.fromarray(colours()).save(source, exif=exif(6), icc_profile=b"a profile", quality=95)
    assert enlarge_file(Enlarger(sampler()), source, target) == (80, 120)
    with Image.open(target) as image:
        assert image.size == (80, 120)
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "a camera"
        assert image.info["icc_profile"] == b"a profile"
        found = np.asarray(image).astype(float)
    wanted = np.rot90(colours(), -1).repeat(4, 0).repeat(4, 1)
    assert np.abs(found - wanted)[8:-8, 8:-8].mean() < 8


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK"])
def test_modes(tmp_path: Path, mode: str) -> None:
    pixels = Image.fromarray(colours())
    opacity = Image.fromarray(colours()[..., 1])
    extra: dict[str, Any] = {}
    if mode == "I;16":
        image = Image.fromarray(colours()[..., 0].astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):
        image = pixels.convert(mode)
        image.putalpha(opacity)
    else:
        image = pixels.convert(mode)
        extra = {"transparency": 3} if mode == "P" else {}
    source = tmp_path / f"in.{'jpg' if mode == 'CMYK' else 'png'}"
    image.save(source, **extra)
    photo = read_photo(source)
    assert photo.pixels.shape == (20, 30, 1 if mode in ("L", "1", "I;16") else 3)
    assert (photo.alpha is not None) == (mode in ("RGBA", "LA", "P"))
    if mode == "I;16":
        assert np.array_equal(photo.pixels[..., 0], colours()[..., 0])
    target = tmp_path / "out.png"
    enlarge_file(Enlarger(sampler()), source, target)
    made = read_photo(target)
    assert made.pixels.shape[:2] == (80, 120)
    if mode in ("RGBA", "LA"):
        assert made.alpha is not None
        assert np.abs(made.alpha[8:-8, 8:-8].astype(float) - colours()[..., 1].repeat(4, 0).repeat(4, 1)[8:-8, 8:-8]).mean() < 6


def test_animations_pages_and_what_is_no_picture_are_refused_in_words(tmp_path: Path) -> None:
    frames = [Image.fromarray(colours()), Image.fromarray(colours()[::-1])]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "still.gif")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("moving.gif", "pages.tif"):
        with pytest.raises(ValueError, match=f"{name} holds 2 pictures, not one"):
            read_photo(tmp_path / name)
    for name, reason in (("text.png", "not an image"), ("empty.png", "the file is empty")):
        with pytest.raises(ValueError, match=reason):
            read_photo(tmp_path / name)
    assert read_photo(tmp_path / "still.gif").pixels.shape == (20, 30, 3)


def test_a_format_that_cannot_hold_the_size_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    wide = Photo(np.zeros((2, 17_000, 3), np.uint8))
    with pytest.raises(ValueError, match="WEBP cannot hold 17000 x 2 pixels"):
        save_photo(wide, tmp_path / "wide.webp")
    assert not list(tmp_path.iterdir())
    save_photo(replace(wide, pixels=wide.pixels[:, :9]), tmp_path / "narrow.webp")
    assert [path.name for path in tmp_path.iterdir()] == ["narrow.webp"]


def test_where_pictures_go(tmp_path: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    files = [inputs / "a.jpg", inputs / "b.gif"]
    assert targets_of(files, out) == {files[0]: out / "a.jpg", files[1]: out / "b.png"}
    with pytest.raises(ValueError, match="lies there and is to be read"):
        targets_of(files, inputs)
    with pytest.raises(ValueError, match="lies there and is to be read"):
        targets_of(files, inputs, overwrite=True)
    with pytest.raises(ValueError, match="two files would become"):
        targets_of([*files, inputs / "b.bmp"], out)
    out.mkdir()
    (out / "a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="a.jpg is there already: name another --out, or say --overwrite"):
        targets_of(files, out)
    assert targets_of(files, out, overwrite=True)
