import numpy as np
import pytest
import torch

from zerosum.data import open_data, split
from zerosum.data.feed import Feed
from zerosum.recipe import Data


@pytest.fixture(scope="module")
def fashion():  # type: ignore[no-untyped-def]
    return open_data(Data(resolution=16))


def test_images_come_as_numbers_from_minus_one_to_one_in_the_layout_asked_for(fashion) -> None:  # type: ignore[no-untyped-def]
    feed = Feed(fashion, batch=32, seed=0, channels_last=True)
    (batch,) = feed.draw(0)
    raw = fashion.batch(feed.indices(0))["image"]
    assert torch.equal(((batch["image"] + 1) * 127.5).round().to(torch.uint8), raw)
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert batch["image"].min() == -1
    assert batch["label"].shape == (32, 10)
    feed.close()


def test_a_draw_is_a_function_of_seed_and_number(fashion) -> None:  # type: ignore[no-untyped-def]
    one, other = (Feed(fashion, batch=8, seed=3, mirror=True) for _ in range(2))
    in_order = [one.draw(number)[0]["image"] for number in range(5)]
    for number in (3, 0, 4):
        assert torch.equal(other.draw(number)[0]["image"], in_order[number])
    third = Feed(fashion, batch=8, seed=4)
    assert not torch.equal(third.draw(0)[0]["image"], in_order[0])
    for feed in (one, other, third):
        feed.close()


def test_parts_are_the_batch_cut_up(fashion) -> None:  # type: ignore[no-untyped-def]
    whole = Feed(fashion, batch=12, seed=0, mirror=True)
    parts = [Feed(fashion, batch=12, seed=0, mirror=True, parts=3, own=own) for own in (range(1), range(1, 3))]
    images = torch.cat([part["image"] for feed in parts for part in feed.draw(7)])
    assert torch.equal(images, whole.draw(7)[0]["image"])
    for feed in (whole, *parts):
        feed.close()


def test_mirroring_shows_half_of_the_images_mirrored(fashion) -> None:  # type: ignore[no-untyped-def]
    plain, mirrored = (Feed(fashion, batch=256, seed=0, mirror=mirror) for mirror in (False, True))
    before, after = plain.draw(0)[0]["image"], mirrored.draw(0)[0]["image"]
    flipped = np.array([torch.equal(a, b.flip(2)) for a, b in zip(after, before, strict=True)])
    kept = np.array([torch.equal(a, b) for a, b in zip(after, before, strict=True)])
    assert (flipped | kept).all()
    assert 90 < flipped.sum() < 166
    plain.close()
    mirrored.close()


def test_only_the_positions_given_are_drawn_each_once_a_pass(fashion) -> None:  # type: ignore[no-untyped-def]
    positions = np.array([3, 5, 8, 13, 21, 34, 55, 89])
    feed = Feed(fashion, positions, batch=6, seed=0)
    drawn = np.concatenate([feed.indices(number) for number in range(4)]).reshape(3, 8)
    assert [sorted(one) for one in drawn] == [positions.tolist()] * 3
    assert drawn[0].tolist() != drawn[1].tolist()
    expected = fashion.batch(feed.indices(2))["image"]
    assert torch.equal(((feed.draw(2)[0]["image"] + 1) * 127.5).round().to(torch.uint8), expected)
    feed.close()


def test_all_positions_are_as_none(fashion) -> None:  # type: ignore[no-untyped-def]
    one, other = Feed(fashion, batch=16, seed=1), Feed(fashion, np.arange(len(fashion)), batch=16, seed=1)
    assert np.array_equal(one.indices(700), other.indices(700))
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("count", "held_out", "kept"), [(1000, 30, 30), (1000, 500, 100), (1000, 0, 0), (9, 5, 0), (1, 200, 0)]
)
def test_split_holds_out_at_most_a_tenth(count: int, held_out: int, kept: int) -> None:
    train, fresh = split(count, held_out)
    assert len(fresh) == kept
    assert sorted([*train, *fresh]) == list(range(count))
    assert (train.tolist(), fresh.tolist()) == (sorted(train), sorted(fresh))
    assert all(np.array_equal(*both) for both in zip(split(count, held_out), (train, fresh), strict=True))


def test_what_is_held_out_is_spread_over_the_data_and_grows_with_its_number() -> None:
    few, many = (set(split(10_000, number)[1].tolist()) for number in (100, 400))
    assert few < many
    counts = np.histogram(sorted(many), bins=4, range=(0, 10_000))[0]
    assert (np.abs(counts - 100) < 40).all()
