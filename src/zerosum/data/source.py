"""Examples in a fixed order, from whatever they lie in: the form that all kinds of data are opened in."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LISTED = 10
"""Names in an error."""


def nothing() -> None:
    """Close what needs no closing."""


def listed(names: Sequence[str]) -> str:
    """Names for an error: the first ten, and how many more there are."""
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


@dataclass(frozen=True)
class Source:
    """Examples in a fixed order, each read when it is asked for."""

    path: str
    """As messages name it."""
    kind: str
    """In words."""
    names: list[str]
    """Of every example, for messages."""
    read: Callable[[int], bytes | np.ndarray]
    """The example at a position: an encoded image, or pixels uint8 `[H, W]` or `[H, W, C]`. Safe to call from threads."""
    columns: dict[str, list[Any]] = field(default_factory=dict)
    """What else is known: one value per example (None: missing). "label" is the class, "caption" a text."""
    rows: list[str] | None = None
    """Where every example's columns are written, for messages, when that is not its name."""
    class_names: tuple[str, ...] = ()
    """Names of labels that are numbers from 0."""
    texts: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    """What reads the .txt files that lie among the images, by name."""
    close: Callable[[], None] = nothing


def from_arrays(
    path: Path,
    kind: str,
    images: np.ndarray,
    labels: np.ndarray | None,
    read: Callable[[int], np.ndarray],
    class_names: tuple[str, ...] = (),
) -> Source:
    """A source of pixels that are one array `[N, ...]`, read one by one with `read`, and labels `[N]`.

    Raises:
        ValueError: no images, or a different number of labels.
    """
    if not len(images):
        raise ValueError(f"{path} holds no images")
    if labels is not None and labels.shape != (len(images),):
        raise ValueError(f"{path}: {len(images)} images, but labels of shape {list(labels.shape)}: there must be one per image")
    columns = {} if labels is None else {"label": labels.tolist()}
    names = [f"{path.name}[{index}]" for index in range(len(images))]
    return Source(os.fspath(path), kind, names, read, columns, class_names=class_names)
