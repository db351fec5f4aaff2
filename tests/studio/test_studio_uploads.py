"""Uploads: hostile files are refused in words, before anything decodes them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.studio import uploads
from zerosum.studio.uploads import MAX_BYTES, read_upload, within


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG file whose header claims a size, whatever it holds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def saved(kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(stream, kind, **settings)
    return stream.getvalue()


def animation() -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bomb.png", png(50_000, 50_000, zlib.compress(bytes(1_000))), "50000 x 50000 pixels|decompression bomb"),
        ("large.png", png(8_000, 8_000), "8000 x 8000 pixels"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "SVG"),
        ("drawing.png", b"\xef\xbb\xbf\n <?xml version='1.0'?><svg/>", "SVG"),
        ("page.png", b"<!DOCTYPE html><script>alert(1)</script>", "SVG or another kind of XML"),
        ("notes.txt", b"these are no pixels", "not an image in a known format"),
        ("program.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a known format"),
        ("empty.png", b"", "empty"),
        ("torn.jpg", saved("JPEG")[:-40], "cannot be read|can be read"),
        ("torn.png", saved("PNG")[:40], "cannot be read|can be read"),
        ("many.gif", animation(), "3 pictures"),
    ],
)
def test_hostile_files_are_refused_in_words(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_upload(file)


def test_a_huge_file_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "huge.png"
    with file.open("wb") as stream:
        stream.truncate(100 * 2**20)  # sparse: it takes no room
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match=rf"100 MB, at most {MAX_BYTES // 2**20}"):
        read_upload(file)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(png(9_000, 9_000, zlib.compress(bytes(9_000 * 100))))
    monkeypatch.setattr(uploads, "open_image", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match="9000 x 9000"):
        read_upload(file)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_pictures_are_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "picture").write_bytes(saved(kind))
    assert read_upload(tmp_path / "picture").shape == (4, 4, 3)


def test_turned_and_transparent_pictures_are_brought_to_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4), "red").save(tmp_path / "turned.png", exif=exif)
    assert read_upload(tmp_path / "turned.png").shape == (6, 4, 3)
    Image.new("RGBA", (2, 2), (9, 9, 9, 0)).save(tmp_path / "clear.png")
    assert (read_upload(tmp_path / "clear.png") == 255).all()
    Image.new("L", (5, 3), 7).save(tmp_path / "grey.png")
    assert read_upload(tmp_path / "grey.png").shape == (3, 5, 1)


def test_what_is_large_is_reduced_in_proportion() -> None:
    pixels = np.zeros((40, 100, 1), np.uint8)
    assert within(pixels, 100) is pixels
    assert within(pixels, 50).shape == (20, 50, 1)
    assert within(np.zeros((300, 1, 3), np.uint8), 30).shape == (30, 1, 3)
