"""Means of what is worth logging, kept on the device until they are read."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Means:
    """Means of named scalars since they were last read."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Count one more value."""
        total, count = self._sums.get(name, (torch.zeros((), device=value.device), 0))
        self._sums[name] = (total + value.detach(), count + 1)

    def read(self) -> dict[str, float]:
        """The means since the last reading, by name."""
        sums, self._sums = self._sums, {}
        return {name: float(total) / count for name, (total, count) in sums.items()}


def total_norm(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm over all values of all tensors."""
    return torch.nn.utils.get_total_norm(tensors)
