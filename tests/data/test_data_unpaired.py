from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data import Unpaired, open_data
from zerosum.data.feed import Feed
from zerosum.recipe import Data


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Five dark pictures and twelve bright ones, each of a colour of its own."""
    for name, count, first in (("A", 5, 0), ("B", 12, 100)):
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.new("RGB", (12, 12), (first + number,) * 3).save(tmp_path / name / f"{number:02}.png")
    return tmp_path


def settings(path: Path, **others: object) -> Data:
    return replace(Data(path=str(path), kind="unpaired", resolution=12, held_out=0, colour="rgb"), **others)  # type: ignore[arg-type]


def test_sides_of_different_lengths(folders: Path) -> None:
    dataset = open_data(settings(folders))
    assert isinstance(dataset, Unpaired)
    assert len(dataset) == 12
    assert dataset.card.shapes == {"a": (3, 12, 12), "b": (3, 12, 12)}
    batch = dataset.batch(np.arange(12))
    assert batch["a"][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert batch["b"][:, 0, 0, 0].tolist() == list(range(100, 112))


def test_partners_are_drawn_at_random_and_by_the_seed(folders: Path) -> None:
    dataset = open_data(settings(folders, jitter=2, resolution=10))
    feeds = [Feed(dataset, batch=12, seed=seed, mirror=True) for seed in (1, 1, 2)]
    drawn = [torch.cat([feed.draw(number)[0]["a"] for number in range(10)]) for feed in feeds]
    assert drawn[0].shape == (120, 3, 10, 10)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert len(drawn[0].unique()) == 5
    seen = feeds[0].draw(0)[0]["b"][:, 0, 0, 0]
    assert len(seen.unique()) == 12, "the longer side is gone through in whole passes"
    for feed in feeds:
        feed.close()


def test_classes_of_labelled_data_are_sides_too() -> None:
    dataset = open_data(Data(path="emoji", kind="unpaired", resolution=32, held_out=0, sides=("animals-nature", "food-drink")))
    batch = dataset.batch(np.arange(4))
    assert set(batch) == {"a", "b"}


def test_animations_and_cmyk_pictures_are_read_and_broken_ones_left_out(
    folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Image.new("RGB", (12, 12), (value,) * 3) for value in (40, 220)]
    frames[0].save(folders / "A" / "05.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (12, 12), (0, 0, 0, 155)).save(folders / "B" / "12.jpg", quality=100)
    (folders / "A" / "06.png").write_bytes(b"nothing")
    dataset = open_data(settings(folders))
    batch = dataset.batch(np.arange(13))
    assert batch["a"][:6, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 40]
    assert abs(int(batch["b"][12, 0, 0, 0]) - 100) <= 2
    assert "06.png" in caplog.text


def test_what_is_wrong_is_said(folders: Path) -> None:
    with pytest.raises(ValueError, match="no sub-folders trainA and trainB, but only A, B: name the two"):
        open_data(settings(folders, sides=("trainA", "trainB")))
    for file in (folders / "A").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="A is empty"):
        open_data(settings(folders))
    with pytest.raises(ValueError, match="held_out must be 0 for unpaired data"):
        settings(folders, held_out=10)
