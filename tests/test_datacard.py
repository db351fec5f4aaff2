import pytest

from zerosum.datacard import Column, DataCard, Labels

CLASSES = Labels(classes=("cat", "dog", "7"))
COLUMNS = Labels(columns=(Column("age", 40.0, 10.0), Column("smiling")))


def test_classes_by_number_and_name() -> None:
    assert CLASSES.encode(1) == CLASSES.encode("dog") == CLASSES.encode("1") == [0, 1, 0]
    assert CLASSES.encode("7") == [0, 0, 1], "a class's name goes before its number"
    numbers = Labels(classes=("1", "2", "10"))
    assert numbers.encode("1") == [1, 0, 0]
    assert numbers.encode("10") == [0, 0, 1]
    assert numbers.encode(1) == [0, 1, 0]


def test_columns_are_standardised() -> None:
    assert COLUMNS.encode({"smiling": 1, "age": 55}) == [1.5, 1.0]


@pytest.mark.parametrize(
    ("labels", "label", "message"),
    [
        (CLASSES, 3, "label 3 is out of range: this generator has classes 0 to 2"),
        (CLASSES, -1, "label -1 is out of range"),
        (CLASSES, "dgo", "unknown label 'dgo'; did you mean 'dog'"),
        (CLASSES, {"age": 1.0}, "unknown label"),
        (CLASSES, 1.7, "unknown label 1.7"),
        (COLUMNS, {"age": float("nan"), "smiling": 1}, "every value must be a finite number"),
        (COLUMNS, 3, "conditioned on columns, give age=VALUE,smiling=VALUE"),
        (COLUMNS, {"age": 3.0}, "conditioned on columns"),
        (Labels(), 0, "trained without labels; leave the label out"),
    ],
)
def test_labels_it_does_not_have(labels: Labels, label: int | str | dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labels.encode(label)


def test_json_round_trip() -> None:
    card = DataCard(10, "abc", {"image": (1, 8, 8), "label": (2,)}, COLUMNS)
    assert DataCard.from_json(card.to_json()) == card
