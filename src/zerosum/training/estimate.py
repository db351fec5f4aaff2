"""What a training will cost: memory, speed and time, from a short beginning of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from zerosum import distributed
from zerosum.training.loop import Job, Loop
from zerosum.training.memory import most_used, there_is

SECONDS = 20.0
"""Of training; with the jobs and what is prepared it is about half a minute."""
WARM_UP = 0.25
"""Share of it that does not count: the first steps choose algorithms and fill caches."""
LONG = 4.0
"""Seconds from which a job is not called once more to see what it takes when all is prepared."""


@dataclass(frozen=True)
class Cost:
    """What is to be expected of a run."""

    left: int
    """Images that it has still to see."""
    speed: float
    """Images a second, without the jobs."""
    beside: float
    """Seconds that pictures, judging, the doctor, checkpoints and reports will take in all."""
    memory: int | None
    """Bytes held at most."""
    available: int | None
    """Bytes of memory of the device."""
    micro_batches: int
    """Parts of a batch that fitted into it."""

    @property
    def seconds(self) -> float:
        """Until the run is finished."""
        return self.left / self.speed + self.beside

    def sentences(self, device: torch.device) -> str:
        """The estimate in lines."""
        threads = torch.get_num_threads()
        machine = f"CPU, {threads} thread{'s'[: threads > 1]}" if device.type == "cpu" else device.type
        if device.type == "cuda":
            machine = torch.cuda.get_device_name(device)
        known = "not known on this system" if self.memory is None else gibibytes(self.memory)
        whole = "" if self.available is None else f" of {gibibytes(self.available)}"
        cut = f", in {self.micro_batches} micro-batches" if self.micro_batches > 1 else ""
        training = duration(self.left / self.speed)
        return "\n".join(
            [
                f"memory    {known}{whole}{cut}",
                f"speed     {self.speed:,.0f} images/s ({machine})",
                f"time      {duration(self.seconds)}: {training} for {self.left:,} images, {duration(self.beside)} for "
                "pictures, judging, the doctor and checkpoints",
            ]
        )


def measure(loop: Loop, jobs: Sequence[Job], left: int, seconds: float = SECONDS) -> Cost:
    """Train for so many seconds, then call every job, and say what `left` images will cost.

    Args:
        loop: without jobs, before its first step; its state is trained a little.
        jobs: those of the run, but writing elsewhere. In every process those that all take part in must be the same.
    """
    device, marks, begun = loop.feed.device, [(time.perf_counter(), loop.state.images)], time.perf_counter()

    def watch(images: int) -> bool:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        marks.append((time.perf_counter(), images))
        return len(marks) > 2 and marks[-1][0] - begun > seconds  # a first step may hold more than the others

    loop.watch = watch
    loop.run()
    end = marks[-1]
    start = next(mark for mark in marks if mark[0] - begun >= WARM_UP * (end[0] - begun))
    if start == end:
        start = marks[0]
    speed = (end[1] - start[1]) / (end[0] - start[0])
    newest = loop.means.read()
    loop.state.update_average(loop.average)
    loop.state.average.settle()
    beside = sum(job_seconds(job, loop, newest, left) for job in jobs)
    return Cost(left, speed, beside, most_used(device), there_is(device), len(loop.feed.own))


def job_seconds(job: Job, loop: Loop, newest: dict[str, float], left: int) -> float:
    """What a job will take over the run."""
    times = list[float]()
    while len(times) < 2 and sum(times) < LONG:
        begun = time.perf_counter()
        if job.together or distributed.rank() == 0:
            job.run(loop.state, newest)
        times.append(time.perf_counter() - begun)
    return times[0] + times[-1] * max(left // job.every - 1, 0)


def gibibytes(count: int) -> str:
    """Bytes in a unit that is easily read."""
    return f"{count / 2**30:.1f} GiB"


def duration(seconds: float) -> str:
    """A time in the two units that matter."""
    for unit, parts, length in (("days", "h", 86_400), ("h", "min", 3_600), ("min", "s", 60)):
        if seconds >= length:
            whole, rest = divmod(seconds, length)
            part = {"h": 3_600, "min": 60, "s": 1}[parts]
            return f"{whole:.0f} {unit} {rest // part:.0f} {parts}"
    return f"{seconds:.0f} s"
