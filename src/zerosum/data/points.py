"""Points in the plane from mixtures of Gaussians: the field's test bench for mode collapse."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from zerosum.data.dataset import Dataset
from zerosum.datacard import DataCard
from zerosum.game import Batch

SPREAD: dict[str, float] = {"ring": 0.02, "grid": 0.05}
"""Standard deviation of every Gaussian. ring: Metz et al. 2017, appendix A; grid: Srivastava et al. 2017 (VEEGAN), sec. 4.1."""
NUM_POINTS = 50_000


def modes(name: str) -> np.ndarray:
    """The centres of the Gaussians, float32 `[K, 2]`.

    ring: 8, evenly on a circle of radius 2 (Metz et al. 2017, appendix A); grid: 5 x 5 at -4, -2, 0, 2, 4 (Srivastava et al.
    2017; Lin et al. 2018, PacGAN, sec. 4.1). Coordinates are not normalised.

    Raises:
        ValueError: another name.
    """
    if name not in SPREAD:
        raise ValueError(f"unknown mixture {name!r}; there are {', '.join(SPREAD)}")
    if name == "ring":
        angle = np.arange(8) * (2 * np.pi / 8)
        return (2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype(np.float32)
    axis = np.arange(-4, 5, 2)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def modes_found(points: np.ndarray | Tensor, name: str, least_share: float = 0.0) -> tuple[int, float]:
    """How many modes the points `[N, 2]` cover, and which share of them is of high quality.

    A point is of high quality within three standard deviations of its nearest mode; a mode is found if it is the nearest of
    at least one such point (Srivastava et al. 2017, sec. 4.1; Lin et al. 2018, sec. 4.1).

    Args:
        least_share: a mode must have at least this share of all the points to be found; uniform coverage gives 1 / K.
    """
    centres = modes(name)
    if not len(points):
        return 0, 0.0
    distances = np.linalg.norm(np.asarray(points, dtype=np.float32)[:, None] - centres, axis=2)
    is_good = distances.min(axis=1) <= 3 * SPREAD[name]
    counts = np.bincount(distances.argmin(axis=1)[is_good], minlength=len(centres))
    return int((counts >= max(1, least_share * len(points))).sum()), float(is_good.mean())


class Points(Dataset):
    """50,000 points of a mixture, always the same."""

    def __init__(self, name: str) -> None:
        stream, centres = np.random.default_rng(0), modes(name)
        self.points = centres[stream.integers(len(centres), size=NUM_POINTS)]
        self.points += stream.normal(scale=SPREAD[name], size=(NUM_POINTS, 2)).astype(np.float32)
        self.card = DataCard(NUM_POINTS, hashlib.sha256(self.points.tobytes()).hexdigest(), {"point": (2,)})

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return {"point": torch.from_numpy(self.points[indices])}
