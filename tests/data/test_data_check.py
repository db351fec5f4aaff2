"""The doctor finds what was planted."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from zerosum.data import Report, check, duplicates
from zerosum.recipe import Data


def printed(report: Report) -> str:
    stream = io.StringIO()
    report.render(Console(file=stream, width=200))
    return stream.getvalue()


def test_a_healthy_set(folder: Path, own_cache: Path) -> None:
    report = check(Data(path=str(folder), resolution=32))
    assert (report.num_readable, report.num_examples, report.has_problems) == (6, 6, False)
    assert report.classes == {"cat": 3, "dog": 3}
    assert report.sizes is not None
    assert report.sizes.median == (32, 32)
    assert not own_cache.exists()
    assert "6 of 6" in printed(report)


def test_planted_troubles(folder: Path, emoji: list[np.ndarray]) -> None:
    (folder / "cat" / "empty.png").write_bytes(b"")
    picture = Image.fromarray(emoji[7]).resize((200, 200), Image.Resampling.BICUBIC)
    picture.save(folder / "dog" / "whole.png")
    picture.save(folder / "dog" / "again.bmp")
    picture.resize((120, 120)).save(folder / "dog" / "jpeg.jpg", quality=60)
    Image.new("CMYK", (50, 20), (0, 90, 90, 20)).save(folder / "dog" / "ink.jpg")
    Image.new("RGBA", (8, 8)).save(folder / "dog" / "glass.png")
    report = check(Data(path=str(folder), resolution=64))
    assert report.unreadable == (("cat/empty.png", "the file is empty"),)
    assert report.exact_duplicates == (("dog/again.bmp", "dog/whole.png"),)
    assert report.near_duplicates == (("dog/again.bmp", "dog/jpeg.jpg"),)
    assert report.has_problems
    said = "\n".join([*report.effects, *report.advice])
    for words in (
        "1 unreadable images are left out (data.broken refuse: training does not start)",
        "1 transparent images are composed on white",
        "1 images in CMYK or other colours are converted to RGB",
        "1 images are not square: cropped to their centre",
        "8 images are smaller than 64x64: upscaled (blurred)",
        "3 images are larger than 64x64: reduced, antialiased",
        "only 11 images: below about 1,000 a GAN learns them by heart",
        "a data.resolution of 32 loses nothing",
        "1 images repeat others exactly",
    ):
        assert words in said
    assert json.loads(report.to_json())["unreadable"] == [["cat/empty.png", "the file is empty"]]
    assert "cat/empty.png" in printed(report)


def test_label_trouble_is_reported_not_raised(folder: Path) -> None:
    report = check(Data(path=str(folder), labels=("age",)))
    assert report.has_problems
    assert "has no column 'age'" in report.label_problem
    assert "labels cannot be used" in printed(report)


def test_one_class_and_balance(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "dog").iterdir():
        path.unlink()
    assert "there is only one class: conditional families need at least two" in check(Data(path=str(folder))).advice


@pytest.mark.parametrize("name", ["ring", "grid", "emoji"])
def test_every_embedded_set(name: str) -> None:
    report = check(Data(path=name))
    assert not report.has_problems
    assert printed(report)
    assert json.loads(report.to_json())["path"] == name


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    report = check(Data(path=str(tmp_path)))
    assert report.has_problems
    assert "0 of 1" in printed(report)


def test_near_pairs_equal_a_full_search() -> None:
    stream = np.random.default_rng(0)
    hashes = stream.integers(0, 1 << 64, size=400, dtype=np.uint64)
    for twin in range(100):
        flips = stream.choice(64, size=twin % 6, replace=False)
        hashes[twin + 200] = hashes[twin] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0))
    thumbnails = np.zeros((400, duplicates.THUMBNAIL, duplicates.THUMBNAIL, 3), dtype=np.uint8)
    thumbnails[200] = 50
    expected = [
        [first, second]
        for first in range(400)
        for second in range(first + 1, 400)
        if (int(hashes[first]) ^ int(hashes[second])).bit_count() <= duplicates.MAX_BITS and second != 200
    ]
    assert len(expected) > 50
    assert duplicates.near_pairs(hashes, thumbnails).tolist() == expected


def test_groups() -> None:
    assert duplicates.groups(np.array([[0, 5], [2, 3], [5, 9], [3, 2]])) == [[0, 5, 9], [2, 3]]
    assert duplicates.equal_groups([b"a", b"b", b"a"]) == [[0, 2]]
