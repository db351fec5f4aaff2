from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data import Holed, Photographs, open_data
from zerosum.data.feed import Feed
from zerosum.data.holes import MOST, draw_hole, draw_holes, with_hole
from zerosum.recipe import Data

KINDS = ("mixed", "strokes", "boxes", "halves")
EMOJI = Data(path="emoji", kind="inpainting", resolution=16)


def stream(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(4, 4), (28, 28), (64, 48)])
def test_some_pixels_are_known_and_some_are_not(kind: str, size: tuple[int, int]) -> None:
    for seed in range(200):
        hole = draw_hole(*size, kind, stream(seed))  # type: ignore[arg-type]
        assert hole.shape == size
        assert 0 < hole.mean() <= MOST
        assert np.array_equal(hole, draw_hole(*size, kind, stream(seed)))  # type: ignore[arg-type]


def test_boxes_are_boxes_and_halves_are_halves() -> None:
    sizes, halves = set(), set()
    for seed in range(300):
        box = draw_hole(32, 32, "boxes", stream(seed))
        rows, columns = (np.flatnonzero(box.any(axis)) for axis in (1, 0))
        assert box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert box.sum() == len(rows) * len(columns)
        sizes |= {len(rows), len(columns)}
        half = draw_hole(32, 32, "halves", stream(seed))
        assert half.mean() == 0.5
        halves.add((bool(half[0, -1]), bool(half[-1, 0])))
        assert half[0, 0] != half[-1, -1]
    assert sizes == set(range(8, 17))
    assert len(halves) == 4 - 2 * len(halves & {(True, True), (False, False)}) or len(halves) == 2


def test_mixed_holes_are_of_every_kind() -> None:
    drawn = [draw_hole(32, 32, "mixed", stream(seed)) for seed in range(300)]
    halves = sum(hole.mean() == 0.5 for hole in drawn)
    assert 25 < halves < 80
    boxes = sum(hole.sum() == hole.any(0).sum() * hole.any(1).sum() for hole in drawn) - halves
    assert 65 < boxes < 140


def test_large_pictures_get_a_hole_for_every_part() -> None:
    hole = draw_holes(40, 70, 32, "boxes", stream())
    assert hole.shape == (40, 70)
    assert all(0 < hole[:32, left : left + 32].mean() < 0.5 for left in (0, 32))


def test_a_picture_with_a_hole_is_transparent_there() -> None:
    pixels, hole = stream().integers(0, 256, (9, 7, 3), np.uint8), draw_hole(9, 7, "strokes", stream())
    holed = with_hole(pixels, hole)
    assert np.array_equal(holed[..., 3], np.where(hole, 0, 255))
    assert np.array_equal(holed[~hole, :3], pixels[~hole])
    assert (holed[hole, :3] == 128).all()


def test_examples_are_images_and_the_same_with_holes() -> None:
    dataset = open_data(EMOJI)
    assert isinstance(dataset, Holed)
    assert dataset.card.shapes == {"source": (4, 16, 16), "target": (3, 16, 16)}
    batch = dataset.batch(np.arange(6))
    known = batch["source"][:, 3:] == 255
    assert torch.equal((batch["source"][:, :3] * known), batch["target"] * known)
    again = dataset.batch(np.arange(3, 6))
    assert torch.equal(batch["source"][3:], again["source"]), "a hole to judge by is a function of the position"
    one, other = (dataset.drawn(np.arange(6), None, range(first, first + 6)) for first in (0, 1))
    assert torch.equal(one["target"], other["target"])
    assert torch.equal(one["source"][1:, 3], other["source"][:-1, 3]), "and in training of the seed"
    assert not torch.equal(one["source"], other["source"])


def test_holes_are_functions_of_seed_and_draw_whatever_the_parts() -> None:
    dataset = open_data(replace(EMOJI, mirror=True))
    whole = Feed(dataset, batch=8, seed=3, mirror=True)
    parts = [Feed(dataset, batch=8, seed=3, mirror=True, parts=2, own=range(part, part + 1)) for part in range(2)]
    first = whole.draw(5)[0]
    for key, value in first.items():
        assert torch.equal(value, torch.cat([feed.draw(5)[0][key] for feed in parts]))
    assert not torch.equal(first["source"], whole.draw(6)[0]["source"])
    for feed in (whole, *parts):
        feed.close()


def test_photographs_with_holes(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(stream(number).integers(0, 256, (80, 100, 3), np.uint8)).save(tmp_path / f"{number}.png")
    settings = Data(path=str(tmp_path), kind="photographs", degradation="holes", scale=1, resolution=32)
    dataset = open_data(settings)
    assert isinstance(dataset, Photographs)
    assert dataset.card.shapes == {"source": (4, 32, 32), "target": (3, 32, 32)}
    one, again = (dataset.drawn(np.array([0, 1]), None, [7, 8]) for _ in range(2))
    assert torch.equal(one["source"], again["source"])
    known = one["source"][:, 3:] == 255
    assert torch.equal(one["source"][:, :3] * known, one["target"] * known)
    pair = dataset.pair(0, 512)
    assert pair["source"].shape == (1, 4, 80, 100)
    assert all((pair["source"][0, 3, :32, left : left + 32] == 0).any() for left in (0, 32, 64))
    assert open_data(replace(settings, colour="grey")).card.shapes["source"] == (2, 32, 32)
    with pytest.raises(ValueError, match="leaves photographs at their size: set data.scale to 1, not 4"):
        replace(settings, scale=4)
