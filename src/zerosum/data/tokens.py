"""Text as "tokens": a line an example, or slices of the running text, by a vocabulary that is learned from it.

A text is read once, cut into tokens and kept in the cache with its vocabulary. Examples that the vocabulary lacks a token for
are left out, and lines that are too long are cut; how many is said.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from zerosum.data import embedded
from zerosum.data.cache import NOT_WHOLE, written
from zerosum.data.dataset import Dataset
from zerosum.data.report import Report
from zerosum.data.sources import TEXTS, find
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.recipe import Data
from zerosum.vocabulary import END, UNKNOWN, Vocabulary, learn

FORMAT = 1
"""Of the cache; others are prepared anew."""
SUFFIXES = (".txt", ".text")
"""Of the files that are taken of a folder."""

logger = logging.getLogger("zerosum.data")


@dataclass(frozen=True)
class Effects:
    """What preparing did to a text."""

    num_found: int
    """Lines or slices."""
    num_left_out: int
    """For tokens that the vocabulary lacks."""
    num_cut: int
    """For their length."""

    def sentences(self, settings: Data) -> list[str]:
        """What was lost, and how to keep it."""
        what, said = "lines" if settings.text == "lines" else "slices", list[str]()
        if self.num_left_out:
            said.append(
                f"{self.num_left_out:,} of {self.num_found:,} {what} have others than the commonest {settings.vocabulary} and "
                "are left out: raise data.vocabulary_size, or choose data.vocabulary bpe, to keep them"
            )
        if self.num_cut:
            said.append(
                f"{self.num_cut:,} of {self.num_found - self.num_left_out:,} lines are longer than {settings.num_tokens} "
                "tokens and are cut there: raise data.num_tokens to keep them whole"
            )
        return said


class Tokens(Dataset):
    """Prepared text in the cache, read through a memory map.

    Args:
        folder: holds tokens.npy (uint16 `[M, T]`, filled up with the end), card.json and effects.json.

    Raises:
        ValueError, OSError: the folder does not hold a whole prepared text.
    """

    def __init__(self, folder: Path) -> None:
        self.card = DataCard.from_json((folder / "card.json").read_text(encoding="utf-8"))
        self.effects = Effects(**json.loads((folder / "effects.json").read_text(encoding="utf-8")))
        self.tokens: np.ndarray = np.asarray(np.load(folder / "tokens.npy", mmap_mode="r"))
        if self.card.vocabulary is None or self.tokens.shape != (len(self), *self.card.shapes["tokens"]):
            raise ValueError(f"{folder}: tokens.npy does not match card.json")
        self.vocabulary: Vocabulary = self.card.vocabulary

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return {"tokens": torch.from_numpy(self.tokens[indices].astype(np.int64))}

    def texts(self, positions: np.ndarray) -> list[str]:
        """The examples at these positions as they are read: with one space between words, and cut where they are too long."""
        return [self.vocabulary.decode(row) for row in self.tokens[positions].tolist()]


def files_of(path: str) -> list[Path]:
    """The text files at a path, in order: the file itself, or of a folder all that end in .txt or .text, at any depth.

    Raises:
        FileNotFoundError: nothing lies there.
        ValueError: a folder without such files.
    """
    place = embedded.SENTENCES if path in TEXTS else find(path)
    if not place.is_dir():
        return [place]
    found = sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    if not found:
        raise ValueError(f"data.path {path!r} is a folder without text: no file ends in {' or '.join(SUFFIXES)}")
    return found


def read_lines(path: str) -> list[str]:
    """The lines at a path that are not empty, without line ends.

    Raises:
        ValueError: a file is not UTF-8, with the place; or there is no line.
    """
    lines = [line for file in files_of(path) for line in map(str.strip, read_file(file).splitlines()) if line]
    if not lines:
        raise ValueError(f"data.path {path!r} holds no text: every line is empty")
    return lines


def read_file(file: Path) -> str:
    """A file's text.

    Raises:
        ValueError: it is not UTF-8, with the place.
    """
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        raise ValueError(
            f"{file}, line {line}: the byte 0x{content[problem.start]:02x} is not UTF-8; save it as UTF-8, or take it away"
        ) from None


def prepared_tokens(settings: Data, cache: Path) -> Tokens:
    """The text from the cache; prepared first if it is not there, or not whole.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: no text, not UTF-8, a vocabulary of one token, nothing left of it; the cache cannot be written.
        ImportError: pieces of words need an optional package.
    """
    stamps = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files_of(settings.path)]
    chosen = [settings.text, settings.vocabulary, settings.vocabulary_size, settings.num_tokens]
    folder = cache / hashlib.sha256(json.dumps(["tokens", FORMAT, stamps, chosen]).encode()).hexdigest()[:24]
    try:
        dataset = Tokens(folder)
    except NOT_WHOLE:
        lines = read_lines(settings.path)
        vocabulary = learn(lines, settings.vocabulary, settings.vocabulary_size)
        rows, effects = as_rows(lines, vocabulary, settings)
        dataset = written(folder, "text", lambda work: _write(work, rows, vocabulary, effects), Tokens)
    for sentence in dataset.effects.sentences(settings):
        logger.warning("%s: %s", settings.path, sentence)
    return dataset


def as_rows(lines: Sequence[str], vocabulary: Vocabulary, settings: Data) -> tuple[np.ndarray, Effects]:
    """The examples, uint16 `[M, T]`, and what became of the others.

    Raises:
        ValueError: a vocabulary of one token, or nothing left.
    """
    if len(vocabulary) < 3:
        raise ValueError(
            f"data.path {settings.path!r} has a vocabulary of one: all its {vocabulary.kind} are "
            f"{', '.join(map(repr, vocabulary.tokens[1:]))}, so there is nothing to learn"
        )
    length = settings.num_tokens
    found = [vocabulary.numbers(line) for line in lines] if settings.text == "lines" else slices(lines, vocabulary, length)
    kept = [numbers for numbers in found if UNKNOWN not in numbers]
    if not kept:
        raise ValueError(
            f"data.path {settings.path!r}: none of {len(found):,} examples is made of the {len(vocabulary) - 1:,} commonest "
            f"{vocabulary.kind} alone; raise data.vocabulary_size, lower data.num_tokens, or choose data.vocabulary bpe"
        )
    rows = np.full((len(kept), length), END, np.uint16)
    for row, numbers in zip(rows, kept, strict=True):
        row[: len(numbers)] = numbers[:length]
    shortened = sum(len(numbers) > length for numbers in kept)
    return rows, Effects(len(found), len(found) - len(kept), shortened)


def slices(lines: Sequence[str], vocabulary: Vocabulary, length: int) -> list[list[int]]:
    """The running text in slices of `length` tokens; what is left at its end is dropped."""
    texts = lines if vocabulary.kind == "bpe" else [" ".join(lines)]
    stream = [number for text in texts for number in vocabulary.numbers(text)]
    return [stream[start : start + length] for start in range(0, len(stream) - length + 1, length)]


def _write(work: Path, rows: np.ndarray, vocabulary: Vocabulary, effects: Effects) -> None:
    content = hashlib.sha256(repr((rows.shape, vocabulary)).encode() + rows.tobytes()).hexdigest()
    shapes = {"tokens": rows.shape[1:], "vocabulary": (len(vocabulary),)}
    np.save(work / "tokens.npy", rows)
    (work / "effects.json").write_text(json.dumps(asdict(effects)), encoding="utf-8")
    card = DataCard(len(rows), content, shapes, vocabulary=vocabulary)
    (work / "card.json").write_text(card.to_json(), encoding="utf-8")


def check_tokens(settings: Data) -> Report:
    """Look at a text as training would; nothing is kept.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `prepared_tokens`.
    """
    lines = read_lines(settings.path)
    rows, effects = as_rows(lines, vocabulary := learn(lines, settings.vocabulary, settings.vocabulary_size), settings)
    sizes = f"{len(rows):,} examples of up to {settings.num_tokens} tokens, of {len(vocabulary) - 1:,} {vocabulary.kind}"
    twice = len(lines) - len(set(lines))
    return Report(
        path=settings.path,
        kind="text",
        num_examples=len(lines),
        num_readable=len(lines),
        effects=(sizes, *effects.sentences(settings)),
        advice=(f"{twice:,} lines repeat others: take them away, or samples will repeat them too",) if twice else (),
    )
