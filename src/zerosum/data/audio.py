"""Sounds, decoded once into the cache, one after the other in one file: slices of them cost no decoding."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from zerosum.data import labels, sounds
from zerosum.data.cache import NOT_WHOLE, Skipped, judge_skipped, written
from zerosum.data.dataset import Dataset
from zerosum.data.folders import SOUNDS
from zerosum.data.images import UnreadableError, naming_damage
from zerosum.data.parallel import in_order
from zerosum.data.source import Source
from zerosum.data.sources import open_source, stamps
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.recipe import Data

FORMAT = 1
"""Of the cache; others are prepared anew."""
FULL = 32767
"""What a sample of 1 is kept as."""

logger = logging.getLogger("zerosum.data")


class Audio(Dataset):
    """One example is one file: "wave" is a slice of it, float32 `[C, T]` in [-1, 1], silence added where it is shorter.

    `batch` gives the beginnings, always the same, to judge by. `drawn` gives slices at places that are functions of seeds,
    where `data.slices` is random.

    Args:
        folder: holds samples.npy (int16, all sounds one after the other), card.json, table.json, skipped.json and, where there
            are any, labels.npy.

    Raises:
        ValueError, OSError: the folder does not hold whole prepared sounds.
    """

    def __init__(self, folder: Path, settings: Data) -> None:
        table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        card = DataCard.from_json((folder / "card.json").read_text(encoding="utf-8"))
        self.skipped: Skipped = [(name, reason) for name, reason in json.loads((folder / "skipped.json").read_text("utf-8"))]
        self.samples: np.ndarray = np.asarray(np.load(folder / "samples.npy", mmap_mode="r"))
        self.length, self.is_random = settings.samples, settings.slices == "random"
        self.channels = card.shapes["wave"][0]
        self.rates: dict[str, int] = table["rates"]
        lengths, names = np.array(table["lengths"], np.int64), np.array(table["names"], dtype=object)
        starts = np.concatenate([[0], np.cumsum(lengths * self.channels)])
        if self.samples.shape != (starts[-1],) or self.samples.dtype != np.int16 or len(lengths) != card.num_examples:
            raise ValueError(f"{folder}: samples.npy does not match table.json")
        values = np.load(folder / "labels.npy") if card.labels.width else None
        is_short = lengths < self.length
        self.short = names[is_short].tolist()
        kept = ~is_short if settings.short == "skip" else np.ones(len(lengths), bool)
        self.names, self.lengths, self.starts = names[kept].tolist(), lengths[kept], starts[:-1][kept]
        self.labels = None
        if values is not None:
            one_hot = np.eye(len(card.labels.classes), dtype=np.float32)
            self.labels = one_hot[values[kept]] if card.labels.classes else values[kept]
        shapes: dict[str, tuple[int, ...]] = {"wave": (self.channels, self.length)}
        shapes |= {"label": (card.labels.width,)} if card.labels.width else {}
        content = hashlib.sha256(f"{card.content} {kept.tolist()}".encode()).hexdigest()
        self.card = replace(card, num_examples=len(self.lengths), content=content, shapes=shapes)

    def sound(self, position: int) -> np.ndarray:
        """All of a sound, float32 `[C, T]` in [-1, 1]."""
        wave = np.zeros((self.channels, int(self.lengths[position])), np.float32)
        self._read(position, 0, wave)
        return wave

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return self._slices(indices, [0] * len(indices))

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        if not self.is_random:
            return self.batch(indices)
        spare = np.maximum(self.lengths[indices] - self.length, 0)
        return self._slices(
            indices, [int(np.random.default_rng(seed).integers(0, most + 1)) for seed, most in zip(seeds, spare, strict=True)]
        )

    def _slices(self, indices: np.ndarray, places: Sequence[int]) -> Batch:
        waves = np.zeros((len(indices), self.channels, self.length), np.float32)
        for wave, index, place in zip(waves, indices, places, strict=True):
            self._read(int(index), place, wave)
        batch = {"wave": torch.from_numpy(waves)}
        return batch if self.labels is None else batch | {"label": torch.from_numpy(self.labels[indices])}

    def _read(self, position: int, place: int, wave: np.ndarray) -> None:
        """Write samples from a place on into silence `[C, T]`, as far as there are any."""
        start, whole = self.starts[position], int(self.lengths[position])
        sound = self.samples[start : start + whole * self.channels].reshape(self.channels, whole)
        sound = sound[:, place : place + wave.shape[1]]
        wave[:, : sound.shape[1]] = sound / np.float32(FULL)


def prepared_audio(settings: Data, cache: Path) -> Audio:
    """The sounds from the cache; decoded first if they are not there, or not whole. What was done to them is said.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: no sounds, or all or some of them unusable and `settings.broken` is "refuse"; labels that cannot be used;
            the cache cannot be written.
    """
    chosen = [settings.rate, settings.channels, settings.trim, list(settings.labels)]
    digest = json.dumps(["audio", FORMAT, stamps(settings.path, SOUNDS), chosen])
    folder = cache / hashlib.sha256(digest.encode()).hexdigest()[:24]
    opened = partial(Audio, settings=settings)
    try:
        dataset = opened(folder)
    except NOT_WHOLE:
        with open_source(settings.path, SOUNDS) as source:
            labels.encode(source, settings.labels)  # refuse bad labels before hours of decoding
            dataset = written(folder, "sounds", lambda work: _decode(source, work, settings), opened)
    judge_skipped(dataset.skipped, len(dataset), settings, "sounds")
    for sentence in remarks(dataset.rates, dataset.short, settings):
        logger.info("%s: %s", settings.path, sentence)
    if not len(dataset):
        raise ValueError(
            f"{settings.path}: every sound is shorter than data.samples {settings.samples}, and data.short skip leaves them "
            "out: use fewer samples, or data.short pad"
        )
    return dataset


def remarks(rates: dict[str, int], short: Sequence[str], settings: Data) -> list[str]:
    """What is done to sounds of these rates (Hz -> how many), and to those shorter than a slice, in sentences."""
    others = {rate: number for rate, number in rates.items() if int(rate) != settings.rate}
    said = []
    if others:
        listed = ", ".join(f"{number} of {rate} Hz" for rate, number in sorted(others.items(), key=lambda item: int(item[0])))
        said.append(f"{listed} resampled to data.rate {settings.rate}")
    if short:
        done = "silence is added; data.short skip leaves them out"
        if settings.short == "skip":
            done = "they are left out; data.short pad adds silence"
        said.append(
            f"{len(short)} of {sum(rates.values())} sounds are shorter than a slice of {settings.samples} samples "
            f"({settings.samples / settings.rate:.2f} s), such as {', '.join(short[:3])}: {done}"
        )
    return said


def _decode(source: Source, work: Path, settings: Data) -> None:
    channels = _channels(settings)
    kept, lengths, skipped, digest = list[int](), list[int](), Skipped(), hashlib.sha256()
    rates: Counter[str] = Counter()
    with (work / "samples.npy").open("wb", buffering=1 << 20) as file:
        _write_header(file, 0)
        for index, found in enumerate(in_order(reader(source, settings), len(source.names), "preparing sounds", 4)):
            if isinstance(found, str):
                skipped.append((source.names[index], found))
                continue
            wave, origin = found
            data = np.ascontiguousarray(wave).tobytes()
            file.write(data)
            digest.update(repr(wave.shape).encode() + data)
            kept.append(index)
            lengths.append(wave.shape[1])
            rates[str(origin.rate)] += 1
        _write_header(file, sum(lengths) * channels)
    if not kept:
        judge_skipped(skipped, 0, settings, "sounds")
    encoded, values = labels.encode(source, settings.labels, np.array(kept))
    if values is not None:
        np.save(work / "labels.npy", values)
        digest.update(repr(encoded).encode() + values.tobytes())
    table: dict[str, Any] = {"names": [source.names[index] for index in kept], "lengths": lengths, "rates": rates}
    (work / "table.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    (work / "skipped.json").write_text(json.dumps(skipped, ensure_ascii=False), encoding="utf-8")
    card = DataCard(len(kept), digest.hexdigest(), {"wave": (channels, 0)}, encoded, rate=settings.rate)
    (work / "card.json").write_text(card.to_json(), encoding="utf-8")


def _channels(settings: Data) -> int:
    return 1 if settings.channels == "mono" else 2


def reader(source: Source, settings: Data) -> Callable[[int], tuple[np.ndarray, sounds.Origin] | str]:
    """Gives a prepared sound and what it was, or why it cannot be read."""

    def read(index: int) -> tuple[np.ndarray, sounds.Origin] | str:
        try:
            with naming_damage():
                return sounds.prepare(source.read(index), settings.rate, _channels(settings), settings.trim)
        except UnreadableError as problem:
            return str(problem)

    return read


def _write_header(file: BinaryIO, count: int) -> None:
    """The .npy header of `count` samples, which leaves room for a larger count."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": (count,)})
