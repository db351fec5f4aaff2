import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data import Tokens, check, open_data, split
from zerosum.recipe import Data
from zerosum.vocabulary import END, Kind, Vocabulary, learn


def opened(path: Path | str, **settings: object) -> Tokens:
    dataset = open_data(Data(path=str(path), kind="tokens", **settings))  # type: ignore[arg-type]
    assert isinstance(dataset, Tokens)
    return dataset


def written(folder: Path, text: str | bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_line_is_an_example(tmp_path: Path) -> None:
    data = opened(written(tmp_path, "\ufeffa  b c\n\n b a\r\nc\n"), num_tokens=3)
    assert data.texts(np.arange(3)) == ["a b c", "b a", "c"]
    batch = data.batch(np.array([1, 0]))["tokens"]
    assert batch.dtype == torch.int64
    assert (batch == END).tolist() == [[False, False, True], [False, False, False]]
    assert data.card.shapes == {"tokens": (3,), "vocabulary": (4,)}


def test_slices_go_through_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "a b c\nd e f\ng\n")
    assert opened(path, text="running", num_tokens=2).texts(np.arange(3)) == ["a b", "c d", "e f"]
    assert opened(path, text="running", num_tokens=4, vocabulary="characters").texts(np.arange(2)) == ["a b ", "c d "]
    assert len(opened(path, text="running", num_tokens=2, vocabulary="bpe")) >= 3


def test_a_folder_gives_all_its_text_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    for name, text in (("b.txt", "two"), ("a.txt", "one"), ("deeper/c.TEXT", "three"), ("d.jpg", "no")):
        written(tmp_path, text, name)
    assert opened(tmp_path).texts(np.arange(3)) == ["one", "two", "three"]


def test_the_cache_is_used_until_text_or_settings_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a b\nb a\n")
    first = opened(path)
    monkeypatch.setattr("zerosum.data.tokens.learn", lambda *_: pytest.fail("it was read again"))
    assert opened(path).card == first.card
    monkeypatch.undo()
    assert opened(path, num_tokens=5).card.content != first.card.content
    written(tmp_path, "a b\nb a a\n")
    assert opened(path).card.content != first.card.content


def test_lines_that_are_too_long_or_strange_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, "a b\n" * 5 + "a b a b a\nrare a\n")
    with caplog.at_level(logging.WARNING):
        data = opened(path, num_tokens=4, vocabulary_size=3)
    assert len(data) == 6
    assert data.texts(np.array([5])) == ["a b a b"]
    assert "1 of 7 lines have others than the commonest words and are left out" in caplog.text
    assert "1 of 6 lines are longer than 4 tokens and are cut there" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no text: every line is empty"),
        (" \n\n", "holds no text: every line is empty"),
        (b"fine\nn\xe4in\n", r"text.txt, line 2: the byte 0xe4 is not UTF-8; save it as UTF-8"),
        ("no no\nno\n", "has a vocabulary of one: all its words are 'no'"),
        ("a b c d e f g h i\n", "none of 1 examples is made of the 2 commonest words alone; raise data.vocabulary_size"),
    ],
)
def test_text_that_cannot_be_used_is_refused_in_words(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        opened(written(tmp_path, text), vocabulary_size=3)


def test_paths_without_text_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is a folder without text: no file ends in .txt or .text"):
        opened(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        opened(tmp_path / "nothing.txt")
    with pytest.raises(ValueError, match="If it is text, name a family that learns from text"):
        open_data(Data(path=str(written(tmp_path, "some text\n"))))
    with pytest.raises(ValueError, match="is text: name a family"):
        open_data(Data(path="sentences"))


@pytest.mark.parametrize("settings", [{"vocabulary_size": 2}, {"num_tokens": 1}, {"mirror": True}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"data.{next(iter(settings))}"):
        Data(kind="tokens", **settings)


def test_what_is_held_out_is_not_trained_on() -> None:
    data = opened("sentences", vocabulary="characters", num_tokens=40)
    train, held_out = split(len(data), 100)
    assert len(data) == 2_000
    assert len({*train, *held_out}) == 2_000
    assert data.texts(np.array([0])) == ["20 or so people were at the party"]


def test_data_check_says_what_training_would_do(tmp_path: Path) -> None:
    report = check(Data(path=str(written(tmp_path, "a b\na b\nb c d\n")), kind="tokens", num_tokens=2))
    assert report.num_examples == 3
    assert not report.has_problems
    assert "1 of 3 lines are longer than 2 tokens" in " ".join(report.effects)
    assert report.advice == ("1 lines repeat others: take them away, or samples will repeat them too",)


def test_of_two_that_prepare_the_same_text_one_is_first_and_both_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a b\nb a\n")
    kept = list[int]()

    def places() -> list[int]:
        return [file.stat().st_ino for file in (tmp_path / "cache").rglob("tokens.npy")]

    def beaten(lines: list[str], kind: Kind, size: int) -> Vocabulary:
        monkeypatch.undo()
        monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
        opened(path)
        kept.extend(places())
        return learn(lines, kind, size)

    monkeypatch.setattr("zerosum.data.tokens.learn", beaten)
    assert opened(path).texts(np.arange(2)) == ["a b", "b a"]
    assert places() == kept, "what the first one wrote stays where others may have it open"


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    path = written(tmp_path, "a b\nb a\n")
    opened(path)
    (file,) = (tmp_path / "cache").rglob("tokens.npy")
    file.write_bytes(file.read_bytes()[:-3])
    assert opened(path).texts(np.arange(2)) == ["a b", "b a"]
