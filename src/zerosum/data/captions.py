"""Images with captions: in the metadata, in a text file beside each image, or in a file of their own.

An image may have several captions: training draws one of them each time, and the first is looked at.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from zerosum.data.cache import FORMAT, NOT_WHOLE, judge_skipped, key, prepared_source, written
from zerosum.data.dataset import Dataset, Images, split
from zerosum.data.folders import walk
from zerosum.data.metadata import KEY, read_metadata
from zerosum.data.sentences import load_sentence_encoder
from zerosum.data.source import Source, listed
from zerosum.data.sources import open_source
from zerosum.datacard import Captions, DataCard, split_words
from zerosum.game import Batch
from zerosum.noise import derive_seed
from zerosum.recipe import Data

COLUMNS = ("caption", "captions", "text", "prompt")
"""Of the metadata: those that are looked for."""
VECTORS = "sentences.npy"
LONGEST = 32
"""Words of a caption that count at most."""


@dataclass(frozen=True)
class Sentences:
    """What a sentence encoder has made of texts."""

    encoder: str
    """Its folder or name."""
    sha256: str
    """Of its weights."""
    vectors: np.ndarray
    """float32 `[texts, D]`."""


class Captioned(Dataset):
    """Images, and the words of their captions by number, known from those that are trained on, or what an encoder read in them.

    Args:
        pictures: the prepared images.
        texts: of every image, one or more.
        held_out: images that are not trained on, as `split` takes them.
        sentences: what a sentence encoder has made of all texts, in order.
    """

    def __init__(
        self, pictures: Images, texts: Sequence[Sequence[str]], held_out: int, sentences: Sentences | None = None
    ) -> None:
        self.pictures, self.texts = pictures, texts
        seen = [text for index in split(len(pictures), held_out)[0] for text in texts[index]]
        words = [split_words(text) for text in seen]
        length = min(max(map(len, words)), LONGEST)
        captions = Captions(tuple(sorted({word for row in words for word in row})), length, min(seen, key=by_plainness))
        content = [pictures.card.content, list(texts)]
        shapes: dict[str, tuple[int, ...]] = {"image": pictures.card.shapes["image"]}
        if sentences is None:
            self.encoded = [np.array([captions.numbers(text) for text in own], np.int64) for own in texts]
            shapes |= {"caption": (length,), "words": (len(captions.words) + 1,)}
        else:
            captions = replace(captions, encoder=sentences.encoder, encoder_sha256=sentences.sha256)
            content.append(sentences.sha256)
            self.encoded = np.split(sentences.vectors, np.cumsum([len(own) for own in texts])[:-1])
            shapes["sentence"] = sentences.vectors.shape[1:]
        self.key = "sentence" if sentences else "caption"
        self.card = DataCard(len(pictures), hashlib.sha256(json.dumps(content).encode()).hexdigest(), shapes, captions=captions)

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        """The images, and their first captions: int64 `[N, length]`, or what an encoder read, float32 `[N, D]`."""
        return self._with(indices, mirrored, [0] * len(indices))

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        places = [derive_seed(seed, "caption") % len(self.texts[index]) for index, seed in zip(indices, seeds, strict=True)]
        return self._with(indices, mirrored, places)

    def _with(self, indices: np.ndarray, mirrored: np.ndarray | None, places: Sequence[int]) -> Batch:
        read = np.stack([self.encoded[index][place] for index, place in zip(indices, places, strict=True)])
        return {"image": self.pictures.batch(indices, mirrored)["image"], self.key: torch.from_numpy(read)}


def by_plainness(text: str) -> tuple[bool, int, str]:
    """A sort key: what serves as an example comes first, two or three words of letters."""
    words = split_words(text)
    return not (2 <= len(words) <= 3 and all(word.isalpha() for word in words)), len(text), text


def prepared_captions(settings: Data, cache: Path) -> Captioned:
    """Images with captions from the cache; prepared first where they are not there.

    Raises:
        FileNotFoundError: nothing lies at the path, or at `settings.captions`.
        ValueError: images without captions or captions without images, both listed; empty captions, texts that cannot be
            read, captions in two places; or as `cache.prepared`.
    """
    part = ("captions", settings.caption_column, repr(text_stamps(settings)))

    @contextmanager
    def opened() -> Iterator[Source]:
        with open_source(settings.path) as source:
            column = [json.dumps(own) for own in read_captions(source, settings)]
            yield Source(source.path, source.kind, source.names, source.read, {"caption": column})

    images = prepared_source(settings, cache / key(settings, part), opened)
    judge_skipped(images.skipped, len(images), settings)
    texts = [json.loads(own) for own in images.captions or ()]
    sentences = read_sentences([text for own in texts for text in own], settings.sentence_encoder, cache)
    return Captioned(images, texts, settings.held_out, sentences)


def read_sentences(texts: Sequence[str], encoder: str, cache: Path) -> Sentences | None:
    """What a sentence encoder makes of texts, from the cache; read first where it is not there. Without an encoder, nothing.

    Raises:
        ImportError, ValueError: as `data.sentences.load_sentence_encoder`; the cache cannot be written.
    """
    if not encoder:
        return None
    try:
        reader = load_sentence_encoder(encoder)
    except ValueError as problem:
        raise ValueError(f"data.sentence_encoder: {problem}") from problem
    folder = cache / hashlib.sha256(json.dumps([FORMAT, reader.sha256, list(texts)]).encode()).hexdigest()[:24]

    def opened(folder: Path) -> np.ndarray:
        vectors: np.ndarray = np.load(folder / VECTORS, mmap_mode="r")
        return vectors

    try:
        vectors = opened(folder)
    except NOT_WHOLE:
        vectors = written(folder, "sentences", lambda work: np.save(work / VECTORS, reader(texts)), opened)
    return Sentences(encoder, reader.sha256, vectors)


def text_stamps(settings: Data) -> list[tuple[str, int, int]]:
    """(place, size in bytes, time of change in nanoseconds) of the files that may hold captions beside the images' own."""
    place = Path(settings.path).expanduser()
    files = [place / name for name in walk(place) if name.lower().endswith(".txt")] if place.is_dir() else []
    if settings.captions:
        files = [Path(settings.captions).expanduser()]
        if not files[0].is_file():
            raise FileNotFoundError(f"data.captions {settings.captions!r} is no file: give a .jsonl or .csv with captions")
    return sorted((str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def read_captions(source: Source, settings: Data) -> list[list[str]]:
    """The captions of every image, at least one, each with a word in it.

    Raises:
        ValueError: see `prepared_captions`.
    """
    columns, rows = source.columns, source.rows
    if settings.captions:
        file = Path(settings.captions).expanduser()
        columns, rows = read_metadata(file.name, file.read_bytes(), source.names, file.parent, (KEY, "file", "image"))
    column = settings.caption_column or next((name for name in COLUMNS if name in columns), "")
    beside = {PurePosixPath(name).with_suffix("") for name in source.texts}
    has_texts = any(PurePosixPath(name).with_suffix("") in beside for name in source.names) and not settings.captions
    if settings.caption_column and column not in columns:
        there = ", ".join(columns) or "no columns at all"
        raise ValueError(f"data.caption_column {column!r}: {settings.captions or source.path} has {there}")
    if column and has_texts and not settings.caption_column:
        raise ValueError(
            f"{source.path} has captions in two places, the column {column!r} and .txt files beside the images: keep one, or "
            f"say --data.caption-column {column}"
        )
    if not column and not has_texts:
        found = f"only the columns {', '.join(columns)}" if columns else "no metadata.jsonl, no metadata.csv"
        raise ValueError(
            f"{source.path} has no captions: {found} and no .txt files beside the images. Write photo.txt beside photo.png, a "
            "caption a line, or a metadata.jsonl with file_name and caption, or name a file with --data.captions"
        )
    if column:
        where = rows or source.names
        texts = [_as_texts(value, f"{where[index]}: {column!r}") for index, value in enumerate(columns[column])]
    else:
        where, texts = source.names, _beside(source)
    return _refuse_empty(source, texts, where)


def _as_texts(value: Any, where: str) -> list[str]:
    """One caption or a list of them, as a list.

    Raises:
        ValueError: something else.
    """
    values = value if isinstance(value, list) else [] if value is None else [value]
    for text in values:
        if not isinstance(text, str):
            raise ValueError(f"{where} has {text!r}, which is no text; a caption is a text or a list of texts")
    return [text.strip() for text in values]


def _beside(source: Source) -> list[list[str]]:
    """The lines of photo.txt for photo.png.

    Raises:
        ValueError: images without a text file, text files without an image, or not in UTF-8.
    """
    files = {PurePosixPath(name).with_suffix(""): name for name in source.texts}
    stems = [PurePosixPath(name).with_suffix("") for name in source.names]
    alone = [name for name, stem in zip(source.names, stems, strict=True) if stem not in files]
    if alone:
        raise ValueError(
            f"{source.path}: {len(alone)} of {len(stems)} images have no .txt file of their name: {listed(alone)}. Add them, "
            "or take the images away"
        )
    idle = sorted(files[stem] for stem in set(files) - set(stems))
    if idle:
        raise ValueError(
            f"{source.path}: there is no image of the same name for {listed(idle)}: add them, or take the texts away"
        )
    lines = [_read_lines(source, files[stem]) for stem in stems]
    return [[line.strip() for line in own if line.strip()] for own in lines]


def _read_lines(source: Source, name: str) -> list[str]:
    try:
        return source.texts[name]().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as problem:
        raise ValueError(f"{source.path}: {name} is not UTF-8 text: {problem}. Save it as UTF-8") from problem


def _refuse_empty(source: Source, texts: list[list[str]], where: Sequence[str]) -> list[list[str]]:
    """The captions, if there is a word in each.

    Raises:
        ValueError: naming those without.
    """
    empty = [place for place, own in zip(where, texts, strict=True) if not own or not all(split_words(text) for text in own)]
    if empty:
        raise ValueError(
            f"{source.path}: {len(empty)} of {len(texts)} images have an empty caption, or one without a word: "
            f"{listed(empty)}. Write what is to be seen, or take the images away"
        )
    return texts
