"""What a prepared data set is: enough to build networks for it and to name its labels, without the data itself."""

import difflib
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from pydantic import TypeAdapter

from zerosum.vocabulary import Vocabulary


@dataclass(frozen=True)
class Column:
    """One attribute: (value - mean) / scale is what the networks see. Attributes of 0 and 1 keep mean 0 and scale 1."""

    name: str
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Labels:
    """What the numbers of a label `[N, L]` mean: one-hot classes, or one number per column. Both empty: no labels."""

    classes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()

    @property
    def width(self) -> int:
        """L, the length of one label vector."""
        return len(self.classes) or len(self.columns)

    def encode(self, label: int | str | Mapping[str, float]) -> list[float]:
        """The label vector of a class, by number or name, or of a mapping from every column to its value.

        Raises:
            ValueError: no labels, an unknown class or column, a class number out of range, a column left out.
        """
        if not self.width:
            raise ValueError(f"label {label!r} given, but this generator was trained without labels; leave the label out")
        return self._columns(label) if self.columns else self._one_hot(label)

    def _one_hot(self, label: int | str | Mapping[str, float]) -> list[float]:
        if isinstance(label, str) and label in self.classes:
            label = self.classes.index(label)
        try:
            number = int(label) if isinstance(label, str) else operator.index(label)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            near = difflib.get_close_matches(str(label), self.classes, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"unknown label {label!r}{hint} The classes are {', '.join(self.classes)}") from None
        if not 0 <= number < len(self.classes):
            raise ValueError(f"label {number} is out of range: this generator has classes 0 to {len(self.classes) - 1}")
        return [float(number == index) for index in range(len(self.classes))]

    def _columns(self, label: int | str | Mapping[str, float]) -> list[float]:
        names = [column.name for column in self.columns]
        if not isinstance(label, Mapping) or set(label) != set(names):
            wanted = ",".join(f"{name}=VALUE" for name in names)
            raise ValueError(f"label {label!r}: this generator is conditioned on columns, give {wanted}")
        if not all(math.isfinite(value) for value in label.values()):
            raise ValueError(f"label {label!r}: every value must be a finite number")
        return [(float(label[column.name]) - column.mean) / column.scale for column in self.columns]


def split_words(text: str) -> list[str]:
    """The words of a text in small letters: runs of letters and digits; Chinese and Japanese characters one by one."""
    return re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+", text.lower())


@dataclass(frozen=True)
class Captions:
    """What the numbers of a caption `[N, length]` mean: 0 fills up, word i of `words` is i + 1."""

    words: tuple[str, ...]
    """Of the captions that are trained on, in order."""
    length: int
    """Words of a caption that count; those after it are left out."""
    example: str
    """One of the captions."""
    encoder: str = field(default="", compare=False)
    """The sentence-transformer that reads captions in place of these numbers; empty: none."""
    encoder_sha256: str = ""
    """Of its weights."""

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text's known words, filled up to the length."""
        known = [self._places[word] + 1 for word in split_words(text) if word in self._places][: self.length]
        return known + [0] * (self.length - len(known))

    def unknown(self, text: str) -> dict[str, list[str]]:
        """The words of a text that are not known, each with known ones that look like it. An encoder knows all.

        Raises:
            ValueError: none is known.
        """
        if self.encoder and text.strip():
            return {}
        words = split_words(text)
        strange = {
            word: difflib.get_close_matches(word, self.words, n=3, cutoff=0.75) for word in words if word not in self._places
        }
        if len(strange) == len(set(words)):
            near = sorted({other for others in strange.values() for other in others})
            hint = f"; did you mean {', '.join(near)}?" if near else "."
            raise ValueError(
                f"no word of {text!r} is among the {len(self.words):,} of the captions that were trained on{hint} "
                f"A caption there is {self.example!r}"
            )
        return strange

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}


@dataclass(frozen=True)
class DataCard:
    """The identity of a prepared data set."""

    num_examples: int
    content: str
    """sha256 of the prepared examples and labels: the same data gives the same content, wherever it lies."""
    shapes: dict[str, tuple[int, ...]]
    """The shape of one example under each key of a batch: {"image": (C, H, W), "label": (L,)} or {"point": (2,)}. With
    "caption": (T,) comes "words": (V,), how many numbers its words may be; captions that an encoder has read are
    "sentence": (D,); with "tokens": (T,) "vocabulary": (V,), how many
    numbers tokens may be."""
    labels: Labels = Labels()
    captions: Captions | None = None
    """Of captions: what the numbers of their words mean."""
    rate: int = 0
    """Of sounds: samples in a second; 0: there are none."""
    vocabulary: Vocabulary | None = None
    """Of text: what its tokens mean."""

    def to_json(self) -> str:
        """The card as JSON text."""
        return TypeAdapter(type(self)).dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The card from what `to_json` wrote; pydantic's ValidationError (a ValueError) if it is not one."""
        return TypeAdapter(cls).validate_json(text)
