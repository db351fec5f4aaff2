"""The jobs every run has: log, sample grid, checkpoint."""

import time
from collections.abc import Callable

import numpy as np
import torch

from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.noise import SeededNoise
from zerosum.pictures import Samples, sheet
from zerosum.run import Run, write
from zerosum.sampling import finish, generate
from zerosum.sounds import encode, in_a_row
from zerosum.training.loop import Job
from zerosum.training.state import State

Show = Callable[[dict[str, float]], None]
"""What is done with a line of stats.jsonl besides writing it."""


def log_job(run: Run, every: int, start: int, show: Show) -> Job:
    """Append the newest means to stats.jsonl, with speed and learning rates, and show them; `start`: images seen so far."""
    last = (start, time.perf_counter())

    def log(state: State, means: dict[str, float]) -> None:
        nonlocal last
        before, last = last, (state.images, time.perf_counter())
        speed = (last[0] - before[0]) / max(last[1] - before[1], 1e-9)
        rates = {f"rate/{name}": optimiser.param_groups[0]["lr"] for name, optimiser in state.optimisers.items()}
        row = {"images": state.images, "step": state.step, "images_per_second": speed, **means, **rates}
        run.append_stats(row)
        show(row)

    return Job(every, log, looks=False)


def sample_job(run: Run, every: int, given: Batch, n: int, columns: int, device: torch.device, card: DataCard) -> Job:
    """Write a sheet of samples from fixed latents: seeds 0 to n - 1."""

    def sample(state: State, means: dict[str, float]) -> None:
        samples = generate(state.average, given, lambda part: SeededNoise(range(n)[part], device), n)
        write_sheet(run, f"{state.images:09d}", finish(state.average, samples, card.vocabulary), columns, card.rate)

    return Job(every, sample)


def write_sheet(run: Run, name: str, samples: Samples, columns: int, rate: int) -> None:
    """Write a sheet of samples; of sounds, of that rate, also what it shows, one after the other in one .wav."""
    suffix, content = sheet(samples, columns)
    write(run.samples_folder / f"{name}{suffix}", content)
    if rate:
        write(run.samples_folder / f"{name}.wav", encode(in_a_row(samples.astype(np.float32), rate), rate))


def checkpoint_job(run: Run, every: int, keep: int) -> Job:
    """Save all that is needed to go on, and the average that is released."""

    def checkpoint(state: State, means: dict[str, float]) -> None:
        run.save(state.images, state.state_dict(), state.average.state_dict(), keep)

    return Job(every, checkpoint)


def tensorboard_job(run: Run, every: int) -> Job:
    """Write the newest means as TensorBoard curves.

    Raises:
        ValueError: the optional package is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError('--jobs.tensorboard needs an extra: pip install "zerosum[tensorboard]"') from None

    def curves(state: State, means: dict[str, float]) -> None:
        with SummaryWriter(run.folder / "tensorboard", purge_step=state.images) as writer:
            for name, value in means.items():
                writer.add_scalar(name, value, state.images)

    return Job(every, curves, looks=False)
