"""Prepared once, kept whole, shared safely; broken files are left out or refused."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.caches import cache_folder
from zerosum.data import Images, cache, open_data
from zerosum.recipe import Data


def load(path: Path | str, **settings: object) -> Images:
    dataset = open_data(Data(path=str(path), **{"resolution": 16, **settings}))  # type: ignore[arg-type]
    assert isinstance(dataset, Images)
    return dataset


def caches(own_cache: Path) -> list[str]:
    return sorted(path.name for path in own_cache.iterdir())


def test_second_open_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(folder)
    monkeypatch.setattr(cache, "open_source", None)
    assert load(folder).card == first.card


def test_content_is_that_of_the_data_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert load(tmp_path / "copy").card == load(folder).card


def test_changes_prepare_anew(folder: Path, own_cache: Path) -> None:
    before = load(folder)
    Image.new("RGB", (9, 9), "teal").save(folder / "cat" / "0.png")
    after = load(folder)
    assert after.card.content != before.card.content
    assert len(caches(own_cache)) == 2
    for number, change in enumerate(({"resolution": 8}, {"fit": "letterbox"}, {"colour": "grey"}), start=3):
        load(folder, **change)
        assert len(caches(own_cache)) == number
    load(folder, mirror=True, broken="refuse")
    assert len(caches(own_cache)) == 5


@pytest.mark.parametrize("file", ["images.npy", "card.json", "labels.npy", "skipped.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "garbage"])
def test_a_damaged_cache_is_rebuilt(folder: Path, own_cache: Path, file: str, damage: str) -> None:
    content = load(folder).card.content
    path = own_cache / caches(own_cache)[0] / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-7] if damage == "cut" else b"garbage")
    again = load(folder)
    assert again.card.content == content
    assert cache.content_hash(again.images, again.card.labels, again.labels) == content
    assert len(caches(own_cache)) == 1


def test_two_processes_may_prepare_the_same(own_cache: Path) -> None:
    code = "from zerosum.data import open_data; from zerosum.recipe import Data; print(open_data(Data()).card.content)"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    contents = {process.communicate(timeout=60)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert contents == {open_data(Data()).card.content + "\n"}
    assert len(caches(own_cache)) == 1


def test_what_a_killed_process_left_is_swept_after_a_day(folder: Path, own_cache: Path) -> None:
    old, new, foreign = f".zerosum-{24 * 'a'}-x", f".zerosum-{24 * 'b'}-x", ".config-x"
    for name, age in ((old, 90_000), (new, 60), (foreign, 90_000)):
        (own_cache / name).mkdir(parents=True)
        now = (own_cache / name).stat().st_mtime
        os.utime(own_cache / name, (now - age, now - age))
    load(folder)
    assert [name for name in caches(own_cache) if name.startswith(".")] == [foreign, new]


def test_grey_until_the_last_image(tmp_path: Path) -> None:
    for index in range(20):
        Image.new("L", (8, 8), index).save(tmp_path / f"{index:02}.png")
    grey = load(tmp_path)
    assert grey.card.shapes["image"] == (1, 16, 16)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "99.png")
    colour = load(tmp_path)
    np.testing.assert_array_equal(colour.images[:20], np.repeat(grey.images, 3, axis=1))
    assert colour.images[20, :, 0, 0].tolist() == [1, 2, 3]


def test_mixed_modes_and_sizes(tmp_path: Path) -> None:
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]
    for index, mode in enumerate(modes):
        Image.new(mode, (10 + index, 20 - index), (9, 0, 0) if mode == "RGB" else 0).save(tmp_path / f"{index}.png")
    Image.new("CMYK", (40, 30)).save(tmp_path / "c.jpg")
    assert load(tmp_path).images.shape == (8, 3, 16, 16)


@pytest.fixture
def damaged(folder: Path) -> Path:
    whole = (folder / "cat" / "0.png").read_bytes()
    (folder / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "3.png").write_bytes(b"")
    (folder / "dog" / "4.png").write_text("hello")
    return folder


def test_broken_files_are_left_out_and_said_once(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "zerosum.data"):
        dataset = load(damaged)
    assert len(dataset) == 3
    assert dataset.batch(np.arange(3))["label"].argmax(1).tolist() == [0, 0, 1]
    (record,) = caplog.records
    assert "left out 3 of 6 images" in record.getMessage()
    assert "dog/3.png (the file is empty), dog/4.png (not an image in a known format)" in record.getMessage()


def test_broken_files_are_refused_from_the_cache_too(damaged: Path) -> None:
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"3 of 6 images in .* cannot be read:\n  cat/0.png: .*\n  dog/3.png: the file is empty"
        ):
            load(damaged, broken="refuse")
    assert len(load(damaged)) == 3


def test_a_class_without_readable_images_vanishes(damaged: Path) -> None:
    (damaged / "dog" / "5.png").write_bytes(b"")
    assert load(damaged).card.labels.classes == ("cat",)


def test_nothing_readable(tmp_path: Path, own_cache: Path) -> None:
    for index in range(12):
        (tmp_path / f"{index:02}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)12 of 12 images .*\n  ... and 2 more\nNothing is left to train on"):
        load(tmp_path)
    assert caches(own_cache) == []


def test_a_cache_that_cannot_be_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file" / "cache"))
    message = r"cannot write prepared images to .*file.cache.*: .*ZEROSUM_CACHE to another folder"
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_leaves_nothing_behind(own_cache: Path) -> None:
    code = """
import resource, signal
from zerosum.data import open_data
from zerosum.recipe import Data
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    open_data(Data())
except ValueError as problem:
    print(problem)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "cannot write prepared images to" in result.stdout
    assert "File too large" in result.stdout
    assert caches(own_cache) == []


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    assert cache_folder() == own_cache
    monkeypatch.delenv("ZEROSUM_CACHE")
    assert cache_folder().is_absolute()
    assert "zerosum" in cache_folder().parts


def test_the_skipped_list_is_kept(damaged: Path) -> None:
    assert [name for name, _ in load(damaged).skipped] == ["cat/0.png", "dog/3.png", "dog/4.png"]
