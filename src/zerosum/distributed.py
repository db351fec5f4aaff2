"""torchrun, hidden: who am I, how many are we, and sums over all of us. One process is a world of one."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

PATIENCE = timedelta(hours=2)
"""How long processes wait for each other: the others wait while rank 0 prepares the data."""
_worlds = count()


def launched() -> bool:
    """Whether torchrun, or something that sets the same variables, has started this process."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ)


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ["RANK"]) if launched() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def device() -> torch.device:
    """This process's device: its own CUDA device, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def world() -> Iterator[None]:
    """Join the processes that torchrun started, for as long as the context lasts; nothing without torchrun."""
    if not launched() or dist.is_initialized():
        yield
        return
    here = device()
    if here.type == "cuda":
        torch.cuda.set_device(here)
    # Under a name of its own: the store still holds the addresses of an earlier world, which would be taken for this one's.
    store, number, size = next(rendezvous("env://", timeout=PATIENCE))
    store = PrefixStore(f"world {next(_worlds)}", store)
    backend = "nccl" if here.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=size, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def barrier() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


@contextmanager
def first_alone() -> Iterator[None]:
    """Let the first process go ahead, and the others follow and find what it has left on the disk."""
    if rank() > 0:
        barrier()
    yield
    if rank() == 0:
        barrier()


def any_rank(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if not dist.is_initialized():
        return flag
    count = torch.tensor(int(flag), device=device())
    dist.all_reduce(count)
    return bool(count.item())


def concat_over_ranks(rows: Tensor) -> Tensor:
    """The rows `[n, ...]` of all processes, one process after the other; every process gets them all.

    Args:
        rows: as many dimensions and the dtype must be the same everywhere, the other sizes too unless n is 0.
    """
    if not dist.is_initialized():
        return rows
    here = device()
    shapes = [torch.zeros(rows.ndim, dtype=torch.long, device=here) for _ in range(world_size())]
    dist.all_gather(shapes, torch.tensor(rows.shape, device=here))
    largest = torch.stack(shapes).amax(0).tolist()
    padded = torch.zeros(largest, dtype=rows.dtype, device=here)
    if len(rows):
        padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in shapes]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(shape[0])] for part, shape in zip(parts, shapes, strict=True)]).to(rows.device)


def sum_over_ranks(tensors: list[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, in one exchange; all of one dtype."""
    if not dist.is_initialized() or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, part in zip(tensors, torch.split(flat, sizes), strict=True):
        tensor.copy_(part.view_as(tensor))


def mean_over_ranks(value: Tensor) -> float:
    """The mean of a scalar over all processes."""
    total = value.detach().clone()
    sum_over_ranks([total])
    return float(total) / world_size()


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sum every gradient over all processes."""
    sum_over_ranks([parameter.grad for parameter in parameters if parameter.grad is not None])
