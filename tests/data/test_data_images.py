"""Every kind of image becomes the right pixels, or a reason."""

import io

import numpy as np
import pytest
from PIL import Image

from zerosum.data import images
from zerosum.data.images import UnreadableError, open_image, prepare


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(raw: bytes | np.ndarray, resolution: int = 8, fit: str = "crop", colour: str = "auto") -> np.ndarray:
    with images.quiet_decoders():
        return prepare(raw, resolution, fit, colour)  # type: ignore[arg-type]


@pytest.fixture
def ramp() -> np.ndarray:
    return (np.arange(64).reshape(8, 8) * 4).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_modes_that_hold_the_same_grey_give_the_same_pixels(mode: str, ramp: np.ndarray) -> None:
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(ramp).convert(mode))), ramp[None])


def test_one_bit() -> None:
    chess = (np.indices((8, 8)).sum(0) % 2).astype(bool)
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(chess))), 255 * chess[None].astype(np.uint8))


def test_16_bit_png_is_scaled_not_clipped(ramp: np.ndarray) -> None:
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(ramp.astype(np.uint16) * 257))), ramp[None])


def test_16_bit_and_float_tiff(ramp: np.ndarray) -> None:
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(ramp.astype(np.uint16) * 257), "TIFF")), ramp[None])
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(ramp.astype(np.float32) / 255), "TIFF")), ramp[None])
    with pytest.raises(UnreadableError, match=r"^pixels from -3 to 249: expected 0 to 1 or 0 to 255$"):
        pixels(encode(Image.fromarray(ramp.astype(np.float32) - 3), "TIFF"))


def test_cmyk_jpeg() -> None:
    red = Image.new("RGB", (16, 16), (250, 10, 10))
    made = pixels(encode(red.convert("CMYK"), "JPEG", quality=95))
    np.testing.assert_allclose(made, np.broadcast_to(np.array([250, 10, 10])[:, None, None], (3, 8, 8)), atol=3)


def test_transparency_is_composed_on_white() -> None:
    half = Image.new("RGBA", (8, 8), (0, 100, 200, 128))
    expected = np.array([(255 * 127 + value * 128) / 255 for value in (0, 100, 200)])
    np.testing.assert_allclose(pixels(encode(half))[:, 0, 0], expected, atol=1)


def test_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (0, 0, 8, 4))
    made = pixels(encode(image, transparency=0))
    assert made[:, 0, 0].tolist() == [0, 0, 200]
    assert made[:, 7, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    upright = np.zeros((16, 16), dtype=np.uint8)
    upright[:8] = 200
    upright[:8, :8] = 100
    undo = {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_90",
        7: "TRANSVERSE",
        8: "ROTATE_270",
    }
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[undo[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = pixels(encode(stored, "PNG", exif=exif), resolution=16)
    np.testing.assert_array_equal(made[0], upright)


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    assert pixels(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))[:, 0, 0].tolist() == [255, 0, 0]


def test_reduction_is_antialiased() -> None:
    lines = np.zeros((256, 256), dtype=np.uint8)
    lines[:, ::2] = 255
    assert abs(pixels(lines, 16).astype(int) - 127).max() <= 4


def test_large_jpeg_is_as_good_as_exact(emoji: list[np.ndarray]) -> None:
    large = Image.fromarray(emoji[100]).resize((1500, 1500), Image.Resampling.BICUBIC)
    raw = encode(large, "JPEG", quality=95)
    exact = Image.open(io.BytesIO(raw)).resize((32, 32), Image.Resampling.LANCZOS)
    assert abs(pixels(raw, 32).astype(int) - np.asarray(exact).transpose(2, 0, 1)).mean() < 1.5


def test_crop_keeps_the_centre_and_letterbox_keeps_everything() -> None:
    wide = np.zeros((10, 30), dtype=np.uint8)
    wide[:, 10:20] = 80
    assert (pixels(wide, 10) == 80).all()
    boxed = pixels(wide, 30, fit="letterbox")[0]
    np.testing.assert_array_equal(boxed[10:20], wide)
    assert (boxed[:10] == 255).all()
    assert (boxed[20:] == 255).all()


@pytest.mark.parametrize(("colour", "channels"), [("grey", 1), ("rgb", 3), ("auto", 3)])
def test_colour(colour: str, channels: int, emoji: list[np.ndarray]) -> None:
    assert pixels(emoji[0], 32, colour=colour).shape == (channels, 32, 32)


def test_extreme_shapes_survive() -> None:
    assert pixels(np.full((1, 900), 7, np.uint8), 8).shape == (1, 8, 8)
    assert pixels(np.full((900, 1), 7, np.uint8), 8, fit="letterbox").shape == (1, 8, 8)


def bomb() -> bytes:
    """A PNG of a few bytes whose header promises 20,000 x 20,000 pixels."""
    raw = bytearray(encode(Image.new("L", (1, 1))))
    raw[16:24] = (20_000).to_bytes(4, "big") * 2
    import zlib

    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    return bytes(raw)


def test_every_damage_has_its_reason(ramp: np.ndarray) -> None:
    whole = encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)))
    for raw, reason in {
        b"": "the file is empty",
        b"hello, I am a text": "not an image in a known format",
        whole[: len(whole) // 2]: "truncated|incomplete|broken",
        bomb(): "a decompression bomb: more than 178,956,970 pixels",
    }.items():
        with images.quiet_decoders(), pytest.raises(UnreadableError, match=reason):
            open_image(raw)


def test_large_images_are_legal_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert pixels(encode(Image.new("L", (40, 40)))).shape == (1, 8, 8)
    with pytest.raises(UnreadableError, match="more than 2,000 pixels"):
        pixels(encode(Image.new("L", (50, 50))))
