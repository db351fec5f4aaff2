"""A cheap space in which examples that look alike lie close together, and its clusters."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from zerosum.spectra import Mel, log_mel

SIDE = 16
"""Pixels a side of the small pictures that are compared."""
MEL = Mel(rate=16_000, size=256, hop=64, bands=32, high=8_000.0)
"""Of the spectrograms that sounds are compared by, whatever their rate."""
COMPONENTS = 24
NUM_CLUSTERS = 20


@dataclass(frozen=True, eq=False)
class Looks:
    """Principal components of small pictures, or points as they are."""

    mean: Tensor
    """`[P]`."""
    components: Tensor
    """`[P, D]`."""

    @classmethod
    def of(cls, real: Tensor) -> Self:
        """The space that real examples span: images `[N, C, H, W]` in [-1, 1], sounds `[N, C, T]`, or points `[N, P]`."""
        flat = flatten(real)
        if real.dim() == 2:
            return cls(torch.zeros(flat.shape[1]), torch.eye(flat.shape[1]))
        mean = flat.mean(0)
        _, _, directions = torch.linalg.svd(flat - mean, full_matrices=False)
        return cls(mean, directions[:COMPONENTS].T.contiguous())

    def __call__(self, examples: Tensor) -> Tensor:
        """Where examples lie, `[N, D]`."""
        return (flatten(examples) - self.mean) @ self.components


def flatten(examples: Tensor) -> Tensor:
    """Examples as rows `[N, P]`, images and the spectrograms of sounds at most `SIDE` pixels a side."""
    examples = examples.detach().float().cpu()
    if examples.dim() == 3 and not len(examples):  # which FFTs refuse
        examples = examples.new_zeros(0, 1, MEL.bands, examples.shape[2] // MEL.hop)
    elif examples.dim() == 3:
        examples = log_mel(examples.mean(1), MEL)[:, None]
    if examples.dim() == 4:
        height, width = (min(side, SIDE) for side in examples.shape[2:])
        examples = adaptive_avg_pool2d(examples, (height, width))
    return examples.flatten(1)


def find_clusters(points: Tensor, count: int = NUM_CLUSTERS, rounds: int = 30) -> Tensor:
    """Centres `[K, D]` of the clusters of points `[N, D]`, by Lloyd's algorithm from k-means++ seeds (Arthur & Vassilvitskii
    2007), the same every time; K is at most a tenth of N."""
    stream = torch.Generator().manual_seed(0)
    centres = points[:1]
    while len(centres) < min(count, len(points) // 10):
        far = torch.cdist(points, centres).square().amin(1)
        if not far.any():
            break
        centres = torch.cat([centres, points[far.multinomial(1, generator=stream)]])
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        counts = nearest.bincount(minlength=len(centres)).clamp(min=1)
        centres = sums / counts[:, None]
    return centres


def shares(points: Tensor, centres: Tensor) -> Tensor:
    """The share of points `[N, D]` nearest to each centre, `[K]`."""
    return torch.cdist(points, centres).argmin(1).bincount(minlength=len(centres)) / len(points)
