"""Batch statistics when a batch is worked off in parts."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from zerosum import distributed


class PartwiseBuffers:
    """Lets every part of a batch start from the same buffers (batch statistics), and leaves the mean of what they become.

    Counts, which are no floating-point numbers, are left as any one part leaves them.
    So one process with two parts and two processes with one part each give the same networks.
    """

    def __init__(self, gan: nn.Module, parts: int) -> None:
        self.parts = parts
        self.buffers = list(gan.buffers()) if parts > 1 else []
        self.before = [buffer.clone() for buffer in self.buffers]
        self.statistics = [buffer for buffer in self.buffers if buffer.is_floating_point()]
        self.sums = [torch.zeros_like(buffer) for buffer in self.statistics]

    @contextmanager
    def part(self) -> Iterator[None]:
        """Work on one part."""
        for buffer, before in zip(self.buffers, self.before, strict=True):
            buffer.copy_(before)
        yield
        for total, buffer in zip(self.sums, self.statistics, strict=True):
            total += buffer

    def settle(self) -> None:
        """Set every statistic to its mean over all parts of all processes."""
        distributed.sum_over_ranks(self.sums)
        for buffer, total in zip(self.statistics, self.sums, strict=True):
            buffer.copy_(total / self.parts)
