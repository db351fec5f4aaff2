"""Metadata becomes label vectors, or an answer that names the line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data import Images, open_data
from zerosum.datacard import Column
from zerosum.recipe import Data

Rows = list[dict[str, object]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    for index in range(4):
        (place / "sub").mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 20 * index).save(place / ("sub" if index == 3 else "") / f"{index}.png")
    return place


def rows(**columns: list[object]) -> Rows:
    names = ["0.png", "1.png", "2.png", "sub/3.png"]
    return [{"file_name": name} | {key: column[i] for key, column in columns.items()} for i, name in enumerate(names)]


def write(root: Path, rows: Rows) -> None:
    (root / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def load(root: Path, *labels: str) -> Images:
    dataset = open_data(Data(path=str(root), resolution=8, labels=labels))
    assert isinstance(dataset, Images)
    return dataset


def refuse(root: Path, message: str, *labels: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(root, *labels)


def vectors(dataset: Images) -> np.ndarray:
    return dataset.batch(np.arange(len(dataset)))["label"].numpy()


def test_classes_and_captions(root: Path) -> None:
    write(root, rows(label=["b", "a", "b", "c10"], caption=["x", "yé", None, "z"])[::-1])
    dataset = load(root)
    assert dataset.card.labels.classes == ("a", "b", "c10")
    assert vectors(dataset).argmax(1).tolist() == [1, 0, 1, 2]
    assert dataset.captions == ["x", "yé", "", "z"]
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 20, 40, 60]


def test_whole_numbers_are_classes_in_numerical_order(root: Path) -> None:
    write(root, rows(label=[10, 9, 0, 9]))
    assert load(root).card.labels.classes == ("0", "9", "10")


def test_columns_are_standardised_and_attributes_stay(root: Path) -> None:
    write(root, rows(age=[10, 20, 30, 40], smiling=[True, False, 0, 1]))
    dataset = load(root, "age", "smiling")
    assert dataset.card.labels.columns == (Column("age", 25.0, pytest.approx(np.sqrt(125))), Column("smiling"))
    values = vectors(dataset)
    np.testing.assert_allclose(values.mean(0), [0, 0.5], atol=1e-6)
    np.testing.assert_allclose(values[:, 0].std(), 1, atol=1e-6)
    np.testing.assert_allclose(values[2], dataset.card.labels.encode({"age": 30, "smiling": 0}), atol=1e-6)


def test_csv_means_the_same_as_jsonl(root: Path) -> None:
    write(root, rows(age=[10, 20, 30, 40], kind=["a", "b", "b", "a"], smiling=[True, False, False, True]))
    wanted = [load(root, *labels).card.content for labels in (("age", "smiling"), ("kind",))]
    (root / "metadata.jsonl").unlink()
    lines = ["file_name,age,kind,smiling", "0.png,10,a,true", "1.png,20,b,FALSE", "2.png,30,b,0", "sub/3.png,40.0,a,1"]
    (root / "metadata.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    assert [load(root, *labels).card.content for labels in (("age", "smiling"), ("kind",))] == wanted


def test_a_column_of_texts_is_a_class(root: Path) -> None:
    write(root, rows(style=["old", "new", "old", "new"], year=[1, 2, 3, 4]))
    assert load(root, "style").card.labels.classes == ("new", "old")
    refuse(root, r"the column 'style' of .* is not numeric; numeric columns: year", "style", "year")


def test_label_errors(root: Path) -> None:
    refuse(root, "names the column 'age', but .* has no metadata.jsonl or metadata.csv", "age")
    write(root, rows(age=[1, None, 3, 4], size=[5, 5, 5, 5], score=[0.5, "much", 1, 2], tags=[["a"], [], [], []]))
    refuse(root, r"has no column 'aeg'. Did you mean 'age'\? It has age, score, size, tags", "aeg")
    refuse(root, "metadata.jsonl line 2: column 'age' has no value; correct it, or leave the image out", "age")
    refuse(root, "the column 'size' of .* is 5 everywhere: nothing to learn", "size")
    refuse(root, "metadata.jsonl line 2: column 'score' has 'much', which is not a finite number", "score")
    refuse(root, r"line 1: column 'tags' has \['a'\], not a class", "tags")
    write(root, rows(label=["a", "b", None, "a"]))
    refuse(root, r"line 3: column 'label' has no value, not a class \(a text or a whole number\)")
    write(root, rows(label=[0.25, 0.5, 1, 2]))
    refuse(root, "column 'label' has 0.25, not a class .*; to condition on numbers, set data.labels to label")
    write(root, rows(x=[float("nan"), 1, 2, 3]))
    refuse(root, "line 1: column 'x' has nan, which is not a finite number", "x")


def test_metadata_errors(root: Path) -> None:
    write(root, [*rows(), {"file_name": "9.png"}])
    refuse(root, r"metadata.jsonl names '9.png' \(line 5\), but there is no such image: add it, or remove the line")
    write(root, rows()[:-1])
    refuse(root, r"metadata.jsonl has no row for 1 of 4 images: 'sub/3.png'; add them")
    write(root, [*rows(), rows()[0]])
    refuse(root, r"line 5 names '0.png' again, after line 1: remove one of the two")
    write(root, [*rows(), {"label": "a"}])
    refuse(root, "line 5 has no 'file_name', the image's path relative to this file")
    (root / "metadata.jsonl").write_text('{"file_name": "0.png"}\n{"file_name": ', encoding="utf-8")
    refuse(root, "metadata.jsonl line 2 is not valid JSON: .* at column")
    (root / "metadata.jsonl").write_text("[1]", encoding="utf-8")
    refuse(root, "metadata.jsonl line 1 is not a JSON object")
    (root / "metadata.jsonl").write_bytes(b"\xff\xfe")
    refuse(root, "metadata.jsonl is not UTF-8 text")
    (root / "metadata.csv").write_text("file_name,label\n0.png,a,b\n", encoding="utf-8")
    refuse(root, "there may be one metadata.jsonl or metadata.csv, at the top, but there is metadata.csv, metadata.jsonl")
    (root / "metadata.jsonl").unlink()
    refuse(root, "metadata.csv line 2 does not have 2 values, as its header does")
