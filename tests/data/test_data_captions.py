import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data import Captioned, open_data
from zerosum.data.feed import Feed
from zerosum.data.sentences import load_sentence_encoder
from zerosum.datacard import Captions, DataCard, split_words
from zerosum.recipe import Data

TEXTS = [f"a {colour} {thing}" for colour in ("red", "green", "blue") for thing in ("apple", "hat", "fish", "car")]


@pytest.fixture
def images(tmp_path: Path, emoji: list[np.ndarray]) -> Path:
    """Twelve images without captions."""
    for number in range(12):
        place = tmp_path / "pictures" / ("sub" if number % 2 else ".") / f"{number:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(emoji[number]).save(place)
    return tmp_path / "pictures"


def settings(path: Path | str, **others: object) -> Data:
    return replace(Data(path=str(path), kind="captions", resolution=16), **others)  # type: ignore[arg-type]


def names(root: Path) -> list[str]:
    return sorted(place.relative_to(root).as_posix() for place in root.rglob("*.png"))


def captioned(root: Path) -> list[dict[str, object]]:
    return [{"file_name": name, "caption": text} for name, text in zip(names(root), TEXTS, strict=True)]


def write_texts(root: Path) -> None:
    for name, text in zip(names(root), TEXTS, strict=True):
        (root / name).with_suffix(".txt").write_text(f"{text}\n\n{text} on white \n", encoding="utf-8")


def write_rows(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def opened(path: Path | str, **others: object) -> Captioned:
    dataset = open_data(settings(path, **others))
    assert isinstance(dataset, Captioned)
    return dataset


def refuse(path: Path, message: str, **others: object) -> None:
    with pytest.raises(ValueError, match=message):
        open_data(settings(path, **others))


def test_text_files_beside_images_and_metadata_say_the_same(images: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(images, plain)
    write_texts(images)
    write_rows(
        plain / "metadata.jsonl",
        [{"file_name": name, "text": [text, f"{text} on white"]} for name, text in zip(names(plain), TEXTS, strict=True)],
    )
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for place in sorted(images.rglob("*.*")):
            archive.write(place, place.relative_to(images))
    one, *others = (opened(path) for path in (images, plain, tmp_path / "all.zip"))
    assert list(one.texts[0]) == ["a red apple", "a red apple on white"]
    for other in others:
        assert other.texts == one.texts
        assert other.card == one.card


def test_a_file_elsewhere_and_a_column_by_name(images: Path, tmp_path: Path) -> None:
    rows = [{"file": name, "title": text.upper()} for name, text in zip(names(images), TEXTS, strict=True)]
    write_rows(tmp_path / "titles.jsonl", rows)
    dataset = opened(images, captions=str(tmp_path / "titles.jsonl"), caption_column="title")
    assert dataset.texts[1] == ["A RED HAT"]
    refuse(images, "has title, which.*|has no captions: only the columns title", captions=str(tmp_path / "titles.jsonl"))
    refuse(
        images,
        "data.caption_column 'name': .*titles.jsonl has title",
        captions=str(tmp_path / "titles.jsonl"),
        caption_column="name",
    )
    with pytest.raises(FileNotFoundError, match="data.captions 'nowhere.jsonl' is no file"):
        open_data(settings(images, captions="nowhere.jsonl"))
    lines = ["file_name,caption", *(f"{name},{text}" for name, text in zip(names(images), TEXTS, strict=True))]
    (images / "metadata.csv").write_text("\n".join(lines) + "\n")
    assert opened(images).texts == [[text] for text in TEXTS]


def test_words_become_numbers_and_back(images: Path) -> None:
    write_texts(images)
    dataset = opened(images, held_out=0)
    captions = dataset.card.captions
    assert captions is not None
    assert dataset.card.shapes == {"image": (3, 16, 16), "caption": (5,), "words": (len(captions.words) + 1,)}
    batch = dataset.batch(np.array([3, 0]))
    assert batch["caption"].dtype == torch.int64
    assert [captions.words[number - 1] for number in batch["caption"][0].tolist() if number] == ["a", "red", "car"]
    assert captions.numbers("A car, red!") == [captions.words.index(word) + 1 for word in ("a", "car", "red")] + [0, 0]
    assert DataCard.from_json(dataset.card.to_json()) == dataset.card


def test_one_of_several_captions_is_drawn_by_seed(images: Path) -> None:
    write_texts(images)
    dataset = opened(images)
    drawn = [dataset.drawn(np.array([0]), None, [seed])["caption"] for seed in range(40)]
    lengths = [int((caption > 0).sum()) for caption in drawn]
    assert set(lengths) == {3, 5}
    assert 8 < lengths.count(5) < 32
    assert all(torch.equal(again, dataset.drawn(np.array([0]), None, [seed])["caption"]) for seed, again in enumerate(drawn))
    whole, parts = (Feed(dataset, batch=8, seed=1, parts=n, own=range(n)) for n in (1, 2))
    together = torch.cat([part["caption"] for part in parts.draw(3)])
    assert torch.equal(whole.draw(3)[0]["caption"], together)
    for feed in (whole, parts):
        feed.close()


def test_captions_are_read_by_a_sentence_encoder(images: Path, sentence_encoder: Path, tmp_path: Path) -> None:
    write_texts(images)
    dataset = opened(images, sentence_encoder=str(sentence_encoder))
    assert dataset.card.shapes == {"image": (3, 16, 16), "sentence": (12,)}
    assert dataset.card.captions is not None
    assert dataset.card.captions.unknown("any words at all") == {}
    reader = load_sentence_encoder(str(sentence_encoder))
    batch = dataset.batch(np.array([3, 0]))
    assert sorted(batch) == ["image", "sentence"]
    torch.testing.assert_close(batch["sentence"], torch.from_numpy(reader(["a red car", "a red apple"])))
    drawn = [dataset.drawn(np.array([0]), None, [seed])["sentence"] for seed in range(40)]
    first = torch.from_numpy(reader([TEXTS[0]]))
    assert 8 < sum(torch.allclose(vector, first, atol=1e-5) for vector in drawn) < 32, "one of two captions each time"
    assert dataset.card.content != opened(images).card.content
    shutil.copytree(sentence_encoder, tmp_path / "elsewhere")
    assert opened(images, sentence_encoder=str(tmp_path / "elsewhere")).card == dataset.card
    refuse(images, "data.sentence_encoder: '/not/there' is no folder", sentence_encoder="/not/there")


def test_held_out_captions_teach_no_words(images: Path) -> None:
    for number, name in enumerate(names(images)):
        (images / name).with_suffix(".txt").write_text(f"picture word{number}")
    dataset = opened(images, held_out=1)
    captions = dataset.card.captions
    assert captions is not None
    assert len(captions.words) == 1 + 11
    assert sum((row[0] > 0).sum() == 1 for row in dataset.encoded) == 1


def test_a_changed_text_is_noticed(images: Path) -> None:
    write_texts(images)
    before = opened(images).card.content
    (images / names(images)[0]).with_suffix(".txt").write_text("something else entirely")
    assert opened(images).card.content != before


def test_an_unreadable_image_takes_its_caption_with_it(images: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_texts(images)
    (images / names(images)[1]).write_bytes(b"nothing")
    assert opened(images).texts[1][0] == "a red fish"
    assert names(images)[1] in caplog.text
    refuse(images, "cannot be read", broken="refuse")


def test_captions_that_are_missing_or_idle_are_listed(images: Path) -> None:
    refuse(images, r"has no captions: no metadata.jsonl, no metadata.csv and no .txt files.*Write photo.txt beside photo.png")
    write_texts(images)
    (images / names(images)[2]).with_suffix(".txt").unlink()
    refuse(images, rf"1 of 12 images have no .txt file of their name: {names(images)[2]}. Add them, or take")
    (images / names(images)[2]).with_suffix(".txt").write_text("a red fish")
    (images / "readme.txt").write_text("my pictures")
    refuse(images, "there is no image of the same name for readme.txt: add them, or take the texts away")


def test_metadata_that_does_not_fit_is_listed(images: Path) -> None:
    rows: list[dict[str, object]] = [
        {"file_name": name, "caption": text} for name, text in zip(names(images), TEXTS, strict=True)
    ]
    write_rows(images / "metadata.jsonl", [*rows, *({"file_name": f"{n}.gif", "caption": "gone"} for n in range(12))])
    refuse(images, r"names '0.gif' \(line 13\), .* and 2 more, but there are no such images \(12 lines\): add them, or remove")
    write_rows(images / "metadata.jsonl", rows[3:])
    refuse(images, rf"has no row for 3 of 12 images: '{names(images)[0]}', .*; add them")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "an empty caption"),
        (None, "1 of 12 images have an empty caption, or one without a word: metadata.jsonl line 2. Write what"),
        ([], "an empty caption"),
        ("!?", "an empty caption, or one without a word"),
        (["a red hat", " "], "an empty caption"),
        (7, r"metadata.jsonl line 2: 'caption' has 7, which is no text; a caption is a text or a list of texts"),
        ([1.5], "has 1.5, which is no text"),
    ],
)
def test_captions_that_say_nothing_are_refused(images: Path, value: object, message: str) -> None:
    rows: list[dict[str, object]] = [
        {"file_name": name, "caption": text} for name, text in zip(names(images), TEXTS, strict=True)
    ]
    rows[1]["caption"] = value
    write_rows(images / "metadata.jsonl", rows)
    refuse(images, message)


def test_text_that_is_no_utf8_is_refused(images: Path) -> None:
    write_texts(images)
    (images / names(images)[0]).with_suffix(".txt").write_bytes("grün".encode("latin-1"))
    refuse(images, "00.txt is not UTF-8 text: .* Save it as UTF-8")
    for place in images.rglob("*.txt"):
        place.unlink()
    (images / "metadata.jsonl").write_bytes(b'{"file_name": "00.png", "caption": "gr\xfcn"}\n')
    refuse(images, "metadata.jsonl is not UTF-8 text")


def test_captions_in_two_places_are_refused_unless_one_is_named(images: Path) -> None:
    write_texts(images)
    write_rows(images / "metadata.jsonl", [{"file_name": name, "caption": "one thing"} for name in names(images)])
    refuse(images, "captions in two places, the column 'caption' and .txt files .*--data.caption-column caption")
    assert opened(images, caption_column="caption").texts[0] == ["one thing"]


def test_captions_are_for_their_kind_alone() -> None:
    with pytest.raises(ValueError, match="data.sentence_encoder are for data.kind captions, not for images"):
        Data(captions="a.jsonl")
    with pytest.raises(ValueError, match="data.sentence_encoder are for data.kind captions, not for images"):
        Data(sentence_encoder="mine")


def test_words_are_runs_of_letters_and_digits_in_any_script() -> None:
    assert split_words("It's a T-shirt_2, Größe 10!") == ["it", "s", "a", "t", "shirt", "2", "größe", "10"]
    assert split_words("红苹果 красное яблоко りんご") == ["红", "苹", "果", "красное", "яблоко", "り", "ん", "ご"]
    assert split_words("...") == []


def test_strange_words_are_named_with_their_neighbours_or_refused() -> None:
    captions = Captions(("apple", "green", "red"), 4, "red apple")
    assert captions.unknown("Red apple") == {}
    assert captions.unknown("a red aple") == {"a": [], "aple": ["apple"]}
    with pytest.raises(
        ValueError, match="no word of 'greem thing' is among the 3 .*did you mean green.* A caption there is 'red apple'"
    ):
        captions.unknown("greem thing")
    assert captions.numbers("red red red red red") == [3, 3, 3, 3]


def test_the_embedded_emoji_have_names() -> None:
    dataset = opened("emoji")
    assert len(dataset) == 1636
    assert dataset.texts[2] == ["ribbon"]
