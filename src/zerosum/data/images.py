"""One encoded image, or one array, to the pixels that networks see."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Fit = Literal["crop", "letterbox"]
Colour = Literal["auto", "grey", "rgb"]

FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".mpo",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    "ICO": (".ico",),
    "QOI": (".qoi",),
    "PCX": (".pcx",),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
}
"""What is read, by content, and the file names that count as images. Formats that run programs (EPS) are left out."""
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
WHITE = 255
"""Behind transparent pixels, and the bars of a letterbox."""
GAP = 3.0
"""A JPEG that is more than this many times the size wanted is reduced by its decoder to no less: as good as exact."""


class UnreadableError(Exception):
    """This image cannot be read; the text says why, in a few words."""


@contextmanager
def naming_damage() -> Iterator[None]:
    """Turn whatever a decoder raises into an UnreadableError: damage is answered with anything from OSError to IndexError."""
    try:
        yield
    except (UnreadableError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UnreadableError("not an image in a known format") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"a decompression bomb: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels") from None
    except Exception as problem:
        raise UnreadableError(str(problem).splitlines()[0] if str(problem) else type(problem).__name__) from problem


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silence Pillow's warnings (odd metadata, large but legal images) in all threads while preparing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        yield


def open_image(raw: bytes | np.ndarray, least: int | None = None) -> Image.Image:
    """The decoded image in its own mode; of an animation, the first frame.

    Args:
        raw: an encoded file, or uint8 pixels `[H, W]` or `[H, W, C]` with 1 (grey), 2 (and alpha), 3 or 4 channels.
        least: a JPEG may be decoded at a reduced size whose sides are at least this long.

    Raises:
        UnreadableError: not an image, broken, or a decompression bomb (above twice `PIL.Image.MAX_IMAGE_PIXELS`).
    """
    if isinstance(raw, np.ndarray):
        return Image.fromarray(raw.squeeze(2) if raw.ndim == 3 and raw.shape[2] == 1 else raw)
    if not raw:
        raise UnreadableError("the file is empty")
    Image.init()
    with naming_damage():
        image = Image.open(io.BytesIO(raw), formats=[name for name in FORMATS if name in Image.OPEN])
        if least:
            image.draft(None, (least, least))
        image.load()
        return image


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says.

    Raises:
        UnreadableError: broken EXIF data.
    """
    with naming_damage():
        return ImageOps.exif_transpose(image)


def to_8_bit(pixels: np.ndarray) -> np.ndarray:
    """Grey pixels of more than 8 bits, `[H, W]`, as uint8: integers on the scale 0 to 65535, floats on 0 to 1 or 0 to 255.

    Raises:
        UnreadableError: values outside these ranges.
    """
    low, high = float(pixels.min()), float(pixels.max())
    is_float = pixels.dtype.kind == "f"
    full = (1.0 if high <= 1 else 255.0) if is_float else 65535.0
    if not (low >= 0 and high <= full):
        raise UnreadableError(f"pixels from {low:g} to {high:g}: expected {'0 to 1 or 0 to 255' if is_float else '0 to 65535'}")
    return np.rint(pixels * (255.0 / full)).astype(np.uint8)


def opaque(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB: transparency composed on white, deeper greys scaled to 8 bits, no colour management.

    Raises:
        UnreadableError: pixel values whose scale is not clear.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(to_8_bit(np.asarray(image)))
    with naming_damage():
        if image.has_transparency_data:
            ground = Image.new("RGBA", image.size, (WHITE,) * 4)
            return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
        return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def fitted(image: Image.Image, resolution: int, fit: Fit) -> Image.Image:
    """The image (L or RGB) at resolution x resolution, antialiased (Lanczos); `fit` says how it becomes square."""
    width, height = image.size
    if fit == "crop" or width == height:
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return image.resize((resolution, resolution), Image.Resampling.LANCZOS, box)
    scale = resolution / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = Image.new(image.mode, (resolution, resolution), (WHITE,) * len(image.getbands()))
    corner = ((resolution - size[0]) // 2, (resolution - size[1]) // 2)
    square.paste(image.resize(size, Image.Resampling.LANCZOS), corner)
    return square


def prepare(raw: bytes | np.ndarray, resolution: int, fit: Fit, colour: Colour) -> np.ndarray:
    """The image as networks see it: uint8 `[C, resolution, resolution]`.

    C is 1 for colour "grey" and 3 for "rgb". For "auto" it is 1 if the image is grey, whatever its mode: if red, green and
    blue are equal everywhere.

    Raises:
        UnreadableError: see `open_image`, `opaque`.
    """
    image = opaque(upright(open_image(raw, least=round(GAP * resolution))))
    if colour != "auto":
        image = image.convert("L" if colour == "grey" else "RGB")
    pixels = np.asarray(fitted(image, resolution, fit))
    if pixels.ndim == 2:
        return pixels[None]
    is_grey = colour == "auto" and bool((pixels == pixels[:, :, :1]).all())
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[: 1 if is_grey else 3])
