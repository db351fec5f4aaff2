"""Samples that pass checks, and the data set that they become: it is read as what it was written as."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zerosum.apply.augmentation import Harvest, Layout, harvest, layout_of, write_images
from zerosum.data import Images, open_data
from zerosum.data.sources import open_source
from zerosum.datacard import DataCard, Labels
from zerosum.recipe import Data


@dataclass
class Painter:
    """Stands for a sampler: an image of the class's brightness, but for the seed in its first pixel."""

    card: DataCard = DataCard(2, "", {"image": (1, 8, 8)}, Labels(classes=("dark", "light")))
    asked: list[tuple[int, range]] = field(default_factory=list)

    def sample(self, n: int, *, seed: int, label: int) -> np.ndarray:
        self.asked.append((label, range(seed, seed + n)))
        images = np.full((n, 8, 8, 1), 200 * label, np.uint8)
        images[:, 0, 0, 0] = np.arange(seed, seed + n) % 256
        return images


def is_even(images: np.ndarray, label: int) -> np.ndarray:
    return images[:, 0, 0, 0] % 2 == 0


def test_draws_until_enough_have_passed_and_no_seed_twice() -> None:
    painter: Any = Painter()
    found = harvest(painter, [0, 1], 90, {"odd": is_even}, tries=10)
    assert np.bincount(found.labels).tolist() == [90, 90]
    assert (found.images[:, 0, 0, 0] % 2 == 0).all()
    assert (found.images[:, 0, 4, 4] == 200 * found.labels).all()
    assert found.num_drawn == sum(len(seeds) for _, seeds in painter.asked)
    assert found.refused["odd"] == found.num_drawn // 2
    drawn = [seed for _, seeds in painter.asked for seed in seeds]
    assert len(drawn) == len(set(drawn))


def test_gives_up_after_so_many_tries_and_says_so_where_nothing_passes() -> None:
    painter: Any = Painter()
    found = harvest(painter, [1], 100, {"small": lambda images, label: images[:, 0, 0, 0] < 5}, seed=-700, tries=7)
    assert 0 < len(found.labels) < 100
    assert found.num_drawn == 700
    with pytest.raises(ValueError, match=r"none of 20 samples of class 'dark' passed the checks: .*--confidence"):
        harvest(painter, [0], 10, {"all": lambda images, label: np.zeros(len(images), bool)}, tries=2)


def test_later_checks_see_what_earlier_ones_let_through() -> None:
    painter: Any = Painter()
    never = lambda images, label: images[:, 0, 0, 0] % 2 == 1  # noqa: E731
    with pytest.raises(ValueError, match="none of"):
        harvest(painter, [0], 4, {"odd": is_even, "even": never}, tries=1)


HARVEST = Harvest(np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), np.uint8), np.array([1, 0, 1, 2, 0]), 9, {})


@pytest.mark.parametrize(
    ("layout", "file", "classes"),
    [
        ("folders", "", ("10", "9 to, 5", "Bär")),
        ("metadata.jsonl", "", ("a/b", "..", "Bär, weiß")),
        ("metadata.csv", "", ("a/b", '"', "Bär, weiß")),
        ("npz", "images.npz", ("0", "3", "7")),
        ("idx", "images-idx3-ubyte.gz", ("0", "3", "7")),
    ],
)
def test_what_is_written_is_read_again(layout: Layout, file: str, classes: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "new" / "made"
    write_images(out, HARVEST, classes, layout, "label", {"metrics.json": "{}"})
    assert (out / "metrics.json").read_text() == "{}"
    data = open_data(Data(path=str(out / file), resolution=8))
    assert isinstance(data, Images)
    assert data.labels is not None
    with open_source(str(out / file)) as source:
        assert layout_of(source) == layout
    named = [data.card.labels.classes[label] for label in data.labels]
    found = {(name, image.tobytes()) for name, image in zip(named, data.images, strict=True)}
    assert found == {(classes[k], image.tobytes()) for k, image in zip(HARVEST.labels, HARVEST.images, strict=True)}


def test_another_column_names_the_class(tmp_path: Path) -> None:
    write_images(tmp_path / "made", HARVEST, ("a", "b", "c"), "metadata.csv", "species", {})
    data = open_data(Data(path=str(tmp_path / "made"), resolution=8, labels=("species",)))
    assert data.card.labels.classes == ("a", "b", "c")


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write"):
        write_images(tmp_path / "made", HARVEST, ("a", "b", "c"), "folders", "label", {"no/where": ""})
    assert not list(tmp_path.iterdir())
