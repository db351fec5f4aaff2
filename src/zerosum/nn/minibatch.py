"""Layers that let a discriminator see the whole batch, so that a collapsed generator gives itself away."""

from typing import Literal

import torch
from torch import Tensor, nn

MinibatchKind = Literal["none", "discrimination", "std"]


class MinibatchDiscrimination(nn.Module):
    """How close an example is to the others (Salimans et al. 2016, sec. 3.2).

    o_ib = sum over j != i of exp(-|M_ib - M_jb|_1), M = f T. The paper's sum includes the example itself, a constant 1 that
    the released code leaves out, as here. T starts with columns of about unit length, as weight normalisation makes them there.

    Args:
        features: size of f, all but the first dimension flattened.
        num_kernels: similarities given out per example.
        kernel_size: dimensions in which each is measured.
    """

    def __init__(self, features: int, num_kernels: int = 100, kernel_size: int = 5) -> None:
        super().__init__()
        self.num_kernels, self.kernel_size = num_kernels, kernel_size
        self.weight = nn.Parameter(torch.randn(features, num_kernels * kernel_size) * features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """`[N, ...]` -> similarities `[N, num_kernels]`, from 0 to N - 1."""
        rows = (features.flatten(1) @ self.weight).reshape(-1, self.kernel_size, self.num_kernels)
        similarity = torch.zeros_like(rows[:, 0])
        # A cyclic shift meets N pairs at once and stays in the cache; half of all shifts meet every pair.
        for shift in range(1, len(rows) // 2 + 1):
            pairs = (rows - rows.roll(shift, 0)).abs().sum(1).neg().exp()
            similarity = similarity + pairs
            if 2 * shift != len(rows):
                similarity = similarity + pairs.roll(-shift, 0)
        return similarity


class MinibatchStd(nn.Module):
    """Standard deviation over the batch, averaged over features and places (Karras et al. 2018, sec. 3).

    Args:
        group_size: examples in which the deviation is measured: the largest divisor of N up to this; None: all.
        num_channels: parts that the features, in order, are averaged in: a divisor of their number.
    """

    def __init__(self, group_size: int | None = 4, num_channels: int = 1) -> None:
        super().__init__()
        self.group_size, self.num_channels = group_size, num_channels

    def forward(self, features: Tensor) -> Tensor:
        """`[N, ...]` -> deviations `[N, num_channels]`, the same for all of a group."""
        num = len(features)
        size = next(size for size in range(min(self.group_size or num, num), 0, -1) if num % size == 0)
        groups = features.reshape(size, num // size, self.num_channels, -1)
        deviation: Tensor = (groups.var(0, correction=0) + 1e-8).sqrt().mean(2)
        return deviation.repeat(size, 1)


class AppendStatistic(nn.Module):
    """Appends what `statistic` `[N, ...] -> [N, extra_channels]` says of a batch to its features; None appends nothing."""

    def __init__(self, statistic: nn.Module | None, extra_channels: int) -> None:
        super().__init__()
        self.statistic, self.extra_channels = statistic, extra_channels

    def forward(self, features: Tensor) -> Tensor:
        """`[N, F]` -> `[N, F + E]`; maps `[N, C, H, W]` -> `[N, C + E, H, W]`, with constant planes."""
        if self.statistic is None:
            return features
        extra = self.statistic(features)
        if features.dim() > 2:
            extra = extra[:, :, None, None].expand(-1, -1, *features.shape[2:])
        return torch.cat([features, extra], 1)


def minibatch_layer(kind: MinibatchKind, features: int, area: int = 1) -> AppendStatistic:
    """The layer a discriminator has before its last one.

    Args:
        kind: what is appended: "none", "discrimination" (100 channels) or "std" (1 channel).
        features: of one example, or channels of its map.
        area: height times width of that map.
    """
    if kind == "discrimination":
        statistic = MinibatchDiscrimination(features * area)
        return AppendStatistic(statistic, statistic.num_kernels)
    return AppendStatistic(MinibatchStd(), 1) if kind == "std" else AppendStatistic(None, 0)
