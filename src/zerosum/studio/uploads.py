"""What a browser sends, before anything decodes it: bounded in bytes and pixels, one picture, of a format without programs.

A file is refused by its first bytes or by the size that its header claims; only then is it decoded, and only by those of
Pillow's decoders that `data.images.FORMATS` names. SVG is none of them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.images import FORMATS, UnreadableError, naming_damage, opaque, open_image, quiet_decoders, upright

Pixels = NDArray[np.uint8]

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 40_000_000
"""Of what a header claims: about 160 MB when decoded."""


def read_upload(path: Path) -> Pixels:
    """The picture in an uploaded file, upright and opaque, uint8 `[H, W, C]` with C 1 or 3.

    Raises:
        ValueError: it is too large, no picture, several in one, or broken; in words for a user.
    """
    check_upload(path)
    try:
        with quiet_decoders():
            pixels = np.asarray(opaque(upright(open_image(path.read_bytes()))))
    except UnreadableError as problem:
        raise ValueError(f"this picture cannot be read: {problem}. Save it anew as PNG or JPEG") from None
    except MemoryError:
        raise ValueError("there is not enough memory for this picture: make it smaller") from None
    return pixels.reshape(*pixels.shape[:2], -1)


def check_upload(path: Path) -> None:
    """Look at a file's size and header without decoding it.

    Raises:
        ValueError: it is too large, empty, no picture of a known format, or several in one.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"the file has {size / 2**20:.0f} MB, at most {MAX_BYTES // 2**20} are taken: make the picture smaller"
        )
    if not size:
        raise ValueError("the file is empty")
    with path.open("rb") as stream:
        head = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype")):
        raise ValueError("this is SVG or another kind of XML, a program rather than pixels: save the picture as PNG or JPEG")
    Image.init()
    try:
        with (
            quiet_decoders(),
            naming_damage(),
            Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as image,
        ):
            width, height = image.size
            # What a phone adds to a JPEG are no pictures of their own; and nothing is counted in what is too large anyway.
            single = image.format == "MPO" or width * height > MAX_PIXELS
            frames = 1 if single else getattr(image, "n_frames", 1)
    except UnreadableError as problem:
        raise ValueError(f"this is no picture that can be read: {problem}. PNG, JPEG, WebP and others can") from None
    if width * height > MAX_PIXELS:
        million = MAX_PIXELS / 1e6
        raise ValueError(f"the picture has {width} x {height} pixels, at most {million:g} million are taken: make it smaller")
    if frames > 1:
        raise ValueError(f"the file holds {frames} pictures: save the one that is meant by itself")


def within(pixels: Pixels, side: int) -> Pixels:
    """The picture, reduced where its longer side has more pixels than `side`."""
    height, width = pixels.shape[:2]
    if max(height, width) <= side:
        return pixels
    scale = side / max(height, width)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    smaller = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS)
    return np.asarray(smaller).reshape(smaller.height, smaller.width, -1)
