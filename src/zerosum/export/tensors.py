"""Tensors and arrays made of the bytes of a file, with every size checked against the bytes that are there."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DTYPES = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Int": torch.int32,
    "Long": torch.int64,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
"""Storage classes by the name before `Storage`."""

NUMBERS = frozenset("biuf")
"""Kinds of numpy numbers that are read: bool, int, unsigned, float."""


@dataclass(frozen=True)
class Storage:
    """The numbers that tensors are views of."""

    dtype: torch.dtype
    count: int
    content: bytes | None = None
    """None: not read yet; tensors of it have shapes but no numbers."""

    @cached_property
    def flat(self) -> Tensor:
        """All numbers `[count]`."""
        if self.content is None or not self.count:
            return torch.empty(self.count, dtype=self.dtype, device="meta" if self.content is None else "cpu")
        return torch.frombuffer(bytearray(self.content), dtype=self.dtype)


def rebuild(storage: Storage, offset: Any, size: Any, stride: Any) -> Tensor:
    """The view of a storage that a file describes.

    Raises:
        ValueError: it reaches beyond the storage, or is larger than it.
    """
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > 8 or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"a tensor of shape {size} with strides {stride}")
    count, length = math.prod(size), len(storage.flat)
    last = offset + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
    if count and (last >= length or count > length):
        raise ValueError(f"a tensor of shape {list(size)} in a storage of {length} numbers")
    return torch.as_strided(storage.flat, size, stride, offset) if count else torch.empty(size, dtype=storage.dtype)


class Kind:
    """A numpy number type that is being described: never one that holds objects.

    Raises:
        ValueError: it is not a plain number.
    """

    def __init__(self, name: Any) -> None:
        self.dtype = np.dtype(name) if isinstance(name, str) and len(name) <= 4 else np.dtype(object)
        if self.dtype.kind not in NUMBERS:
            raise ValueError(f"the number type {name!r}")

    def build(self, state: Any) -> None:
        """Take over the byte order."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Array:
    """A numpy array that is being described."""

    def __init__(self) -> None:
        self.values: NDArray[Any] = np.empty(0)

    def build(self, state: Any) -> None:
        """Take over shape, number type and bytes.

        Raises:
            ValueError: they do not fit together.
        """
        _, shape, kind, fortran, content = state
        if not isinstance(kind, Kind) or not isinstance(content, bytes | bytearray):
            raise ValueError("an array of what is not numbers")
        self.values = np.frombuffer(content, kind.dtype).reshape(shape, order="F" if fortran else "C")


def scalar(kind: Kind, content: Any) -> float | int | bool:
    """The number in these bytes.

    Raises:
        ValueError: they are not one number.
    """
    value: float | int | bool = np.frombuffer(content, kind.dtype).reshape(()).item()
    return value
