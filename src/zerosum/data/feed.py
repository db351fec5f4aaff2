"""The endless, ordered stream of batches: what is drawn is a function of the seed and the number of the draw alone."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from zerosum.data.dataset import Dataset
from zerosum.game import Batch
from zerosum.noise import derive_seed


class Feed:
    """Batches of a data set, each cut into equal parts of which this process gets its own.

    The next batch is fetched in the background while the current one is in use.

    Args:
        dataset: what to draw from, reshuffled at every pass.
        positions: of the examples that are drawn, int64 `[M]`; None: all.
        batch: examples in a batch, over all parts.
        parts: into how many parts a batch is cut (processes x micro-batches).
        own: the parts of this process.
        mirror: show half of the images mirrored.
        device, channels_last: where and how the tensors lie.
    """

    def __init__(
        self,
        dataset: Dataset,
        positions: np.ndarray | None = None,
        *,
        batch: int,
        seed: int,
        parts: int = 1,
        own: range = range(1),
        mirror: bool = False,
        device: torch.device | str = "cpu",
        channels_last: bool = False,
    ) -> None:
        if batch % parts:
            raise ValueError(f"train.batch {batch} is not divisible by {parts}, the number of processes x micro-batches")
        self.dataset, self.positions = dataset, np.arange(len(dataset)) if positions is None else positions
        self.batch, self.seed, self.parts, self.own, self.mirror = batch, seed, parts, own, mirror
        self.device, self.channels_last = torch.device(device), channels_last
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._next: tuple[int, Future[list[Batch]]] | None = None
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def draw(self, number: int) -> list[Batch]:
        """This process's parts of the `number`-th batch: "image" as float32 `[N, C, H, W]` in [-1, 1], others as they are."""
        ready, self._next = self._next, (number + 1, self._fetcher.submit(self._fetch, number + 1))
        parts = ready[1].result() if ready and ready[0] == number else self._fetch(number)
        return [{key: self._place(key, value) for key, value in part.items()} for part in parts]

    def close(self) -> None:
        """Stop fetching."""
        self._fetcher.shutdown(cancel_futures=True)

    def indices(self, number: int) -> np.ndarray:
        """Positions in the data set of the examples of the `number`-th batch, int64 `[batch]`."""
        position = np.arange(number * self.batch, (number + 1) * self.batch)
        epoch, place = np.divmod(position, len(self.positions))
        return np.concatenate([self._shuffled(int(e))[place[epoch == e]] for e in np.unique(epoch)])

    def _shuffle(self, epoch: int) -> np.ndarray:
        return np.random.default_rng(derive_seed(self.seed, "order", epoch)).permutation(self.positions)

    def _fetch(self, number: int) -> list[Batch]:
        indices, mirrored = self.indices(number), None
        if self.mirror:
            mirrored = np.random.default_rng(derive_seed(self.seed, "mirror", number)).random(self.batch) < 0.5
        size = self.batch // self.parts
        cuts = [slice(part * size, (part + 1) * size) for part in self.own]
        seeds = [derive_seed(self.seed, "example", number, place) for place in range(self.batch)]
        return [self.dataset.drawn(indices[cut], None if mirrored is None else mirrored[cut], seeds[cut]) for cut in cuts]

    def _place(self, key: str, value: Tensor) -> Tensor:
        value = value.to(self.device, non_blocking=True)
        layout = torch.channels_last if self.channels_last and value.dim() == 4 else torch.preserve_format
        return to_float(value, layout)


def to_float(value: Tensor, layout: torch.memory_format = torch.preserve_format) -> Tensor:
    """Pixels uint8 as float32 in [-1, 1]; anything else as it is."""
    if value.dtype != torch.uint8:
        return value
    return value.to(torch.float32, memory_format=layout).mul_(1 / 127.5).sub_(1)
