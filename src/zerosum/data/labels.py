"""What is known about examples, as the label vectors that networks see."""

import difflib
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from zerosum.data.source import Source
from zerosum.datacard import Column, Labels

TRUTH = {"true": 1.0, "false": 0.0}


def natural(name: str) -> tuple[Any, ...]:
    """A sort key: runs of digits compare as numbers, so "a2" comes before "a10"."""
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name))


def encode(source: Source, names: Sequence[str] = (), kept: np.ndarray | None = None) -> tuple[Labels, np.ndarray | None]:
    """The labels of the examples, and their values: class numbers int64 `[M]`, or encoded columns float32 `[M, L]`.

    Args:
        names: columns to condition on; a single column of texts is a class. Empty: the class, from the column "label".
        kept: positions of the examples that count (default all): classes, means and scales are theirs.

    Raises:
        ValueError: an unknown column, a value that is missing, not finite or not a number, a constant column.
    """
    kept = np.arange(len(source.names)) if kept is None else kept
    if not names:
        return _classes(source, "label", kept) if "label" in source.columns else (Labels(), None)
    for name in names:
        _must_exist(source, name)
    if len(names) == 1 and not _is_numeric(source, names[0]):
        return _classes(source, names[0], kept)
    values = np.stack([_numbers(source, name, kept) for name in names], axis=1)
    columns = tuple(_column(source, name, values[:, i]) for i, name in enumerate(names))
    mean, scale = np.array([c.mean for c in columns]), np.array([c.scale for c in columns])
    return Labels(columns=columns), ((values - mean) / scale).astype(np.float32)


def _must_exist(source: Source, name: str) -> None:
    if name in source.columns:
        return
    if not source.columns:
        raise ValueError(f"data.labels names the column {name!r}, but {source.path} has no metadata.jsonl or metadata.csv")
    near = difflib.get_close_matches(name, source.columns, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"data.labels: {source.path} has no column {name!r}.{hint} It has {', '.join(sorted(source.columns))}")


def _row(source: Source, index: int) -> str:
    return source.rows[index] if source.rows else source.names[index]


def _classes(source: Source, name: str, kept: np.ndarray) -> tuple[Labels, np.ndarray]:
    column = source.columns[name]
    for index in kept:
        value = column[index]
        if isinstance(value, float) and value.is_integer():
            continue
        if value is None or not isinstance(value, (str, int)):
            what = "no value" if value is None else f"{value!r}"
            cure = f"; to condition on numbers, set data.labels to {name}" if isinstance(value, float) else ""
            raise ValueError(f"{_row(source, index)}: column {name!r} has {what}, not a class (a text or a whole number){cure}")
    texts = [str(int(value) if isinstance(value, (int, float)) else value) for value in (column[index] for index in kept)]
    if source.class_names:
        ids = np.array([int(text) for text in texts], dtype=np.int64)
        low, high, num_names = ids.min(), ids.max(), len(source.class_names)
        if not (low >= 0 and high < num_names):
            raise ValueError(f"{source.path}: labels from {low} to {high}, but {num_names} class names")
        return Labels(classes=source.class_names), ids
    classes = tuple(sorted(set(texts), key=natural))
    numbers = {text: number for number, text in enumerate(classes)}
    return Labels(classes=classes), np.array([numbers[text] for text in texts], dtype=np.int64)


def _number(value: Any) -> float | None:
    """The value as a number, NaN if it is missing, None if it is something else."""
    if value is None:
        return math.nan
    if isinstance(value, str) and value.lower() in TRUTH:
        return TRUTH[value.lower()]
    try:
        return float(value) if isinstance(value, (str, int, float)) else None
    except ValueError:
        return None


def _is_numeric(source: Source, name: str) -> bool:
    return any(value is not None and _number(value) is not None for value in source.columns[name])


def _numbers(source: Source, name: str, kept: np.ndarray) -> np.ndarray:
    if not _is_numeric(source, name):
        numeric = [column for column in sorted(source.columns) if _is_numeric(source, column)]
        raise ValueError(
            f"data.labels: the column {name!r} of {source.path} is not numeric; numeric columns: {', '.join(numeric) or 'none'}"
        )
    values = [_number(source.columns[name][index]) for index in kept]
    for index, value in zip(kept, values, strict=True):
        if value is None or not math.isfinite(value):
            shown = source.columns[name][index]
            what = "no value" if shown is None else f"{shown!r}, which is not a finite number"
            raise ValueError(f"{_row(source, index)}: column {name!r} has {what}; correct it, or leave the image out")
    return np.array(values, dtype=np.float64)


def _column(source: Source, name: str, values: np.ndarray) -> Column:
    if (values == values[0]).all():
        raise ValueError(f"data.labels: the column {name!r} of {source.path} is {values[0]:g} everywhere: nothing to learn")
    if set(np.unique(values)) == {0.0, 1.0}:
        return Column(name)
    return Column(name, float(values.mean()), float(values.std()))
