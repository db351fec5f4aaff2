"""What the engine draws from: examples by position."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from zerosum.datacard import DataCard
from zerosum.game import Batch


class Dataset(ABC):
    """Examples that can be drawn by position, and the card that says what they are."""

    card: DataCard

    def __len__(self) -> int:
        return self.card.num_examples

    @abstractmethod
    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        """The examples at `indices` (integers `[N]`) as CPU tensors.

        "image": uint8 `[N, C, H, W]`, those where `mirrored` (bool `[N]`) holds flipped left to right; "label": float32
        `[N, L]` when there are labels, one-hot or the encoded columns; points: only "point", float32 `[N, 2]`.
        """

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        """As `batch`, for training: what is made of examples at random, such as crops, is a function of `seeds`."""
        return self.batch(indices, mirrored)


def split(count: int, held_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions to train on and positions held out, each ascending; the same for every run on `count` examples.

    Args:
        held_out: examples to hold out, at most a tenth.
    """
    shuffled = np.random.default_rng(count).permutation(count)
    num_held_out = min(held_out, count // 10)
    return np.sort(shuffled[num_held_out:]), np.sort(shuffled[:num_held_out])


class Images(Dataset):
    """Prepared images in the cache, read through a memory map: they need not fit into memory.

    Args:
        folder: holds images.npy (uint8 `[M, C, H, W]`), card.json, skipped.json (name and reason of every unreadable image)
            and, where there are any, labels.npy and captions.jsonl.

    Raises:
        ValueError, OSError: the folder does not hold a whole prepared data set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card = DataCard.from_json((folder / "card.json").read_text(encoding="utf-8"))
        self.skipped: list[tuple[str, str]] = json.loads((folder / "skipped.json").read_text(encoding="utf-8"))
        self.images: np.ndarray = np.asarray(np.load(folder / "images.npy", mmap_mode="r"))
        self.labels: np.ndarray | None = np.load(folder / "labels.npy") if self.card.labels.width else None
        if self.images.shape != (len(self), *self.card.shapes["image"]) or self.images.dtype != np.uint8:
            raise ValueError(f"{folder}: images.npy does not match card.json")
        if self.labels is not None and len(self.labels) != len(self):
            raise ValueError(f"{folder}: labels.npy does not match card.json")
        self._one_hot = np.eye(len(self.card.labels.classes), dtype=np.float32)

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        images = np.take(self.images, indices, axis=0)
        if mirrored is not None:
            images[mirrored] = images[mirrored, :, :, ::-1]
        batch = {"image": torch.from_numpy(images)}
        if self.labels is not None:
            labels = self.labels[indices]
            batch["label"] = torch.from_numpy(self._one_hot[labels] if self.card.labels.classes else labels)
        return batch

    @cached_property
    def captions(self) -> list[str] | None:
        """One text per image, if the source has them."""
        path = self.folder / "captions.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] if path.exists() else None
