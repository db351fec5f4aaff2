"""R-precision: against loops over single images and captions, and what a judge learns of captions and images."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from zerosum.data import Captioned, open_data
from zerosum.evaluate.retrieval import Retrieval, asked_for, retrieved, spell, train_judge
from zerosum.recipe import Data

COLOURS, THINGS = ("red", "green", "blue", "white", "black"), ("apple", "house", "cat", "boat", "shoe")
TEXTS = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
MEANING = dict(zip(COLOURS + THINGS, np.random.default_rng(0).normal(size=(10, 24)), strict=True))
HELD_OUT = TEXTS[::6]
"""One of each colour and each thing."""
SEEN = [text for text in TEXTS if text not in HELD_OUT]


def shown(texts: Sequence[str], noise: float, seed: int = 0) -> NDArray[np.float32]:
    """Features of images that show what these texts say."""
    seen = np.array([sum(MEANING[word] for word in text.split()) for text in texts])
    return (seen + noise * np.random.default_rng(seed).normal(size=seen.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def judge() -> Retrieval:
    texts = SEEN * 20
    return train_judge(shown(texts, 0.5), [[text] for text in texts], seed=0)


def test_hits_are_those_of_loops(judge: Retrieval) -> None:
    texts = TEXTS * 4
    features = shown(texts, 1.5, seed=1)
    hits, choices = retrieved(judge, features, texts, seed=3)
    assert choices == 25, "under a hundred captions, all of them are the choices"
    with torch.no_grad():
        for feature, text, hit in zip(torch.from_numpy(features), texts, hits, strict=True):
            image = judge.images((feature - judge.mean) / judge.scale)
            nearness = {}
            for other in TEXTS:
                vector = torch.stack([judge.letters[place] for place in spell(other)]).sum(0)
                nearness[other] = float(image @ vector / vector.norm())
            assert hit == (max(nearness, key=nearness.__getitem__) == text)
    assert 0.2 < hits.mean() < 0.95, "there are hits and misses"


def test_captions_of_seen_words_that_were_held_out_are_told_apart_and_wrong_ones_are_not(judge: Retrieval) -> None:
    texts = HELD_OUT * 20
    right, choices = retrieved(judge, shown(texts, 0.5, seed=2), texts, seed=0)
    wrong, _ = retrieved(judge, shown(texts[1:] + texts[:1], 0.5, seed=2), texts, seed=0)
    assert choices == 5
    assert right.mean() > 0.9
    assert wrong.mean() < 0.1


def test_features_of_noise_are_at_chance_among_a_hundred() -> None:
    texts = [f"thing {number}" for number in range(300)]
    stream = np.random.default_rng(0)
    judge = train_judge(stream.normal(size=(300, 8)).astype(np.float32), [[text] for text in texts], seed=0)
    many = texts * 20
    hits, choices = retrieved(judge, stream.normal(size=(6000, 8)).astype(np.float32), many, seed=0)
    assert choices == 100
    assert abs(hits.mean() - 0.01) < 4 * (0.01 * 0.99 / 6000) ** 0.5


def test_a_judge_is_a_function_of_its_seed_and_leaves_randomness_alone(judge: Retrieval) -> None:
    texts = SEEN * 20
    before = torch.random.get_rng_state()
    again, other = (train_judge(shown(texts, 0.5), [[text] for text in texts], seed) for seed in (0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(again.letters, judge.letters)
    assert not torch.equal(other.letters, judge.letters)


def test_texts_that_are_the_same_are_no_choices() -> None:
    judge = Retrieval(torch.randn(4, 3)).eval()
    hits, choices = retrieved(judge, np.zeros((4, 3), np.float32), ["Red hat", "red hat!", "a boat", "a boat"], seed=0)
    assert (len(hits), choices) == (4, 2)
    with pytest.raises(ValueError, match="needs at least 2 different captions"):
        retrieved(judge, np.zeros((2, 3), np.float32), ["Red hat", "red, hat"], seed=0)


def test_words_are_spelled_by_their_runs_of_letters() -> None:
    assert len(spell("cat")) == 7, "<ca cat at> <cat cat> <cat> and once more <cat>, which is the word"
    assert set(spell("cat").tolist()) < set(spell("a Cat").tolist())
    assert set(spell("apples").tolist()) & set(spell("apple").tolist())


def test_captions_trained_on_and_held_out_are_judged_apart(tmp_path: Path) -> None:
    for number in range(80):
        Image.new("RGB", (8, 8), (3 * number, 0, 0)).save(tmp_path / f"{number:02d}.png")
    rows = [{"file_name": f"{number:02d}.png", "caption": f"number {number}"} for number in range(80)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = open_data(Data(path=str(tmp_path), kind="captions", resolution=8))
    assert isinstance(data, Captioned)
    order, seen = np.resize(np.arange(80), 160), np.arange(40)
    (whole, rows_of_whole), *none = asked_for(data, order, None, "others")
    assert (whole.name, whole.split, len(rows_of_whole), none) == ("r-precision", "others", 160, [])
    (train, first), (fresh, second) = asked_for(data, order, seen, "train")
    assert (train.name, fresh.name) == ("r-precision", "r-precision held out")
    assert set(train.positions) == set(range(40))
    assert set(fresh.positions) == set(range(40, 80))
    assert sorted([*first, *second]) == list(range(160))
    (alone, _), *few = asked_for(data, order, np.arange(70), "train")
    assert (alone.name, few) == ("r-precision", []), "ten held-out captions are too few to choose from"
