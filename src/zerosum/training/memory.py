"""Memory: whether a play has found too little of it, into how many parts batches are cut then, and how much there is."""

import gc
import os
import sys
from dataclasses import replace

import torch

from zerosum.training.loop import Job
from zerosum.training.state import State

SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
"""What the messages of torch's errors contain, of CUDA, cuBLAS, MPS and the CPU, on Linux, macOS and Windows."""
LEAST_PART = 2
"""Examples in a part of a batch: statistics of a batch need two."""


class ShortOfMemoryError(OSError):
    """More memory is needed than there is."""


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that there is too little memory."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
    )


def guarded(job: Job) -> Job:
    """The job, whose want of memory is not taken for that of a play: cutting batches into more parts would not help it.

    Raises:
        ShortOfMemoryError: by the job, instead of what torch and Python raise then.
    """

    def run(state: State, means: dict[str, float]) -> object:
        try:
            return job.run(state, means)
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            shortage = first_sentence(error)
        raise ShortOfMemoryError(
            f"out of memory beside training, for samples or judging: {shortage}. Ask for fewer (--jobs.num-samples, "
            "--jobs.evaluate-samples), or free memory; the same command goes on from the last checkpoint"
        )

    return replace(job, run=run)


def first_sentence(error: BaseException) -> str:
    """What an error says first: torch's go on with advice about its allocator."""
    return str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__


def more_parts(batch: int, processes: int, micro_batches: int) -> int | None:
    """The least number of micro-batches that halves those there are, or more; None if they cannot be cut further."""
    own = batch // processes
    return next((count for count in range(2 * micro_batches, own // LEAST_PART + 1) if own % count == 0), None)


def free_unused() -> None:
    """Give memory that nothing uses back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def most_used(device: torch.device) -> int | None:
    """Bytes that this process has held at most, on the device or, of the CPU, in all; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def there_is(device: torch.device) -> int | None:
    """Bytes of memory of the device; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
