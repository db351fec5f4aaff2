"""What metrics are given: feature arrays, checked before any arithmetic."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Features = NDArray[np.floating[Any]] | Tensor
"""Features of N examples, float32 or float64 `[N, D]`."""
Rows = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
"""Classes of N examples, `[N]`."""


def checked(features: Features, name: str, least: int = 2) -> Floats:
    """Features `[N, D]` as numpy has them, in their own precision.

    Args:
        name: what they are, for the message: "real features", "logits".
        least: the fewest examples allowed.

    Raises:
        ValueError: not `[N, D]`, fewer examples than `least`, not floating point, or NaN or infinity in them.
    """
    array = features.detach().cpu().numpy() if isinstance(features, Tensor) else np.asarray(features)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} must be [N, D], one row per example, not of shape {list(array.shape)}")
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} must be float32 or float64, not {array.dtype}")
    if len(array) < least:
        raise ValueError(f"{name} of {len(array)} examples, but at least {least} are needed: give more")
    broken = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(broken):
        where = f"{len(broken)} of {len(array)} examples, the first is number {broken[0]}"
        raise ValueError(f"{name} are NaN or infinite for {where}: look at these examples, or at the feature network")
    return array


def checked_pair(real: Features, fake: Features, least: int = 2) -> tuple[Floats, Floats]:
    """Real `[M, D]` and generated `[N, D]` features, checked.

    Raises:
        ValueError: as `checked`, or their widths differ.
    """
    pair = checked(real, "real features", least), checked(fake, "generated features", least)
    same_width(pair[0].shape[1], pair[1].shape[1])
    return pair


def same_width(real: int, fake: int) -> None:
    """Refuse features of different networks.

    Raises:
        ValueError: the numbers of dimensions differ.
    """
    if real != fake:
        raise ValueError(
            f"real features have {real} dimensions, generated ones {fake}: both must come from one feature network"
        )


def checked_labels(labels: Labels | Sequence[int] | Tensor, num_examples: int, name: str) -> NDArray[np.int64]:
    """Classes `[N]` of N examples.

    Raises:
        ValueError: not one whole number per example.
    """
    array = np.asarray(labels)
    if array.shape != (num_examples,) or not np.issubdtype(array.dtype, np.integer):
        given = f"{array.dtype} of shape {list(array.shape)}"
        raise ValueError(f"{name} labels must be {num_examples} class numbers, one per example, not {given}")
    return array.astype(np.int64)
