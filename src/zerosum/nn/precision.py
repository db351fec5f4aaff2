"""Where a network must compute in float32 although the engine computes in less."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(like: Tensor, wanted: bool = True) -> AbstractContextManager[object]:
    """A context in which autocast is off on that tensor's device, if it is on and `wanted`; inputs must be float32 already."""
    kind = like.device.type
    if not wanted or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def reduced(maps: Tensor) -> Tensor:
    """The maps in the precision that autocast computes in on their device, where it is on."""
    kind = maps.device.type
    return maps.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else maps
