import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data import Photographs, open_data, split
from zerosum.data.degradations import bicubic
from zerosum.data.feed import Feed
from zerosum.recipe import Data

SIZES = ((60, 40), (32, 90), (33, 32), (64, 64), (20, 300), (48, 48))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photographs, one of them smaller than a crop, a grey one, one lying on its side, and a broken file."""
    chance, folder = np.random.default_rng(0), tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number, (width, height) in enumerate(SIZES):
        pixels = chance.integers(0, 256, (height, width, 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 3 else 1
        image = Image.fromarray(pixels).convert("L") if number == 5 else Image.fromarray(pixels)
        image.save(folder / ("more" if number % 2 else "") / f"{number}.png", exif=exif)
    (folder / "broken.png").write_bytes(b"nothing")
    return folder


def settings(photos: Path, **others: object) -> Data:
    return replace(Data(path=str(photos), kind="photographs", resolution=32, scale=4), **others)  # type: ignore[arg-type]


def opened(data: Data) -> Photographs:
    dataset = open_data(data)
    assert isinstance(dataset, Photographs)
    return dataset


def test_pairs_are_crops_and_what_is_made_of_them(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = opened(settings(photos))
    assert len(dataset) == 5
    assert dataset.card.shapes == {"source": (3, 8, 8), "target": (3, 32, 32)}
    assert "2 of 7" in caplog.text
    assert {reason for _, reason in dataset.skipped} >= {"300 x 20 pixels, smaller than data.resolution 32"} or any(
        "smaller than data.resolution 32" in reason for _, reason in dataset.skipped
    )
    batch = dataset.batch(np.arange(5))
    assert {key: (value.dtype, tuple(value.shape[1:])) for key, value in batch.items()} == {
        key: (torch.uint8, shape) for key, shape in dataset.card.shapes.items()
    }
    for source, target in zip(batch["source"], batch["target"], strict=True):
        assert np.array_equal(source.permute(1, 2, 0), bicubic(target.permute(1, 2, 0).numpy(), 8, 8))


def test_photographs_are_kept_whole_upright_and_pixel_for_pixel(photos: Path) -> None:
    dataset = opened(settings(photos))
    kept = {dataset.photograph(position).tobytes() for position in range(5)}
    with Image.open(photos / "0.png") as image:
        assert np.asarray(image).tobytes() in kept
    with Image.open(photos / "more" / "3.png") as image:  # orientation 6 is undone by a quarter turn clockwise
        assert np.rot90(np.asarray(image), -1).tobytes() in kept


def test_crops_are_a_function_of_the_seed_and_lie_anywhere(photos: Path) -> None:
    dataset, index = opened(settings(photos, degradation="real")), np.array([0, 0, 1])
    one, again = (dataset.drawn(index, None, [5, 6, 7]) for _ in range(2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["target"][0], one["target"][1])
    other = dataset.drawn(index, None, [8, 6, 7])
    assert not torch.equal(one["target"][0], other["target"][0])
    assert torch.equal(one["source"][1], other["source"][1])
    position = next(p for p in range(5) if dataset.photograph(p).shape[:2] == (40, 60))
    photograph = dataset.photograph(position)
    targets = dataset.drawn(np.full(300, position), None, range(300))["target"].permute(0, 2, 3, 1).numpy()
    corners = {(top, left) for top in range(9) for left in range(29)}
    found = set()
    for target in targets:
        found |= {(t, left) for t, left in corners if np.array_equal(photograph[t : t + 32, left : left + 32], target)}
    assert {top for top, _ in found} == set(range(9))
    assert {0, 28} <= {left for _, left in found}


def test_mirrored_crops_are_mirrored(photos: Path) -> None:
    dataset, index = opened(settings(photos)), np.array([0, 1])
    plain = dataset.drawn(index, None, [1, 2])["target"]
    mirrored = dataset.drawn(index, np.array([True, False]), [1, 2])["target"]
    assert torch.equal(mirrored[0], plain[0].flip(2))
    assert torch.equal(mirrored[1], plain[1])


def test_every_pass_shows_other_crops_whatever_the_parts(photos: Path) -> None:
    dataset = opened(settings(photos))
    whole = Feed(dataset, np.arange(4), batch=4, seed=0)
    halves = [Feed(dataset, np.arange(4), batch=4, seed=0, parts=2, own=range(part, part + 1)) for part in range(2)]
    first, second = whole.draw(0)[0]["target"], whole.draw(1)[0]["target"]
    assert torch.equal(first, torch.cat([feed.draw(0)[0]["target"] for feed in halves]))
    order = whole.indices(0), whole.indices(1)
    same = [torch.equal(first[list(order[0]).index(p)], second[list(order[1]).index(p)]) for p in range(4)]
    assert not all(same)
    for feed in (whole, *halves):
        feed.close()


def test_no_crop_of_a_photograph_that_is_held_out_is_trained_on(photos: Path) -> None:
    for number in range(20):
        Image.fromarray(np.full((32, 32, 3), number + 1, np.uint8)).save(photos / f"flat{number}.png")
    dataset = opened(settings(photos))
    train, held_out = split(len(dataset), 2)
    assert len(held_out) == 2
    feed = Feed(dataset, train, batch=23, seed=0)
    shown = np.concatenate([feed.indices(number) for number in range(5)])
    assert not set(shown) & set(held_out)
    feed.close()


def test_the_cache_is_used_again_whatever_the_crop(photos: Path, own_cache: Path) -> None:
    first = opened(settings(photos))
    (folder,) = [entry for entry in own_cache.iterdir() if entry.is_dir()]
    stamp = (folder / "pixels.npy").stat().st_mtime_ns
    smaller = opened(settings(photos, resolution=16, degradation="old"))
    assert (folder / "pixels.npy").stat().st_mtime_ns == stamp
    assert len(smaller) == 6
    assert smaller.card.content == first.card.content
    table = json.loads((folder / "table.json").read_text())
    (folder / "table.json").write_text(json.dumps({**table, "sizes": table["sizes"][:2]}))
    assert len(opened(settings(photos))) == 5, "damage is mended"


def test_grey_photographs_and_whole_pairs(photos: Path) -> None:
    dataset = opened(settings(photos, colour="grey", scale=2))
    assert dataset.card.shapes == {"source": (1, 16, 16), "target": (1, 32, 32)}
    position = next(p for p in range(5) if dataset.photograph(p).shape[:2] == (40, 60))
    pair = dataset.pair(position, 48)
    assert (pair["source"].shape, pair["target"].shape) == ((1, 1, 20, 24), (1, 1, 40, 48))
    assert torch.equal(pair["target"][0, 0], torch.from_numpy(dataset.photograph(position)[:, 6:54, 0].copy()))


def test_what_cannot_be_used_is_refused_in_words(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 of 7 images in .* cannot be read"):
        open_data(settings(photos, broken="refuse"))
    with pytest.raises(ValueError, match="Nothing is left to train on"):
        open_data(settings(photos, resolution=512))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_data(settings(tmp_path / "none"))
