"""What a person sees while a run goes on: a live bar on a terminal, plain lines anywhere else."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

SECONDS_BETWEEN_LINES = 5.0


class Display:
    """Shows images seen, speed, time left and the newest losses and scores.

    Args:
        console: where to; its being a terminal decides between bar and lines.
        start, end: images seen so far, and at the end of the run.
    """

    def __init__(self, console: Console, start: int, end: int) -> None:
        self.console, self.start, self.end = console, start, end
        count = TextColumn("{task.completed:>11,.0f} / {task.total:,.0f} images")
        self.bar = Progress(count, BarColumn(), TextColumn("left"), TimeRemainingColumn(), console=console)
        self.task = self.bar.add_task("", total=end, completed=start)
        self.values = Text(no_wrap=True, overflow="ellipsis")
        self.live = Live(Group(self.bar, self.values), console=console)
        self.begun = time.perf_counter()
        self.last_line = 0.0
        self.verdict = ""
        self.newest: dict[str, float] = {}

    def __enter__(self) -> Self:
        self.begun = time.perf_counter()
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def advance(self, images: int) -> None:
        """So many images have been seen."""
        self.bar.update(self.task, completed=images)

    def judge(self, verdict: str) -> None:
        """The doctor has come to a verdict, which is shown from now on."""
        self.verdict = verdict

    def show(self, row: dict[str, float]) -> None:
        """A new line of statistics is there; what it does not have is shown as it was last."""
        images, now = int(row["images"]), time.perf_counter()
        self.newest |= row
        text = f"{self.verdict}  {values(self.newest)}" if self.verdict else values(self.newest)
        self.bar.update(self.task, completed=images)
        self.values.plain = text
        if self.console.is_terminal or (now - self.last_line < SECONDS_BETWEEN_LINES and images < self.end):
            return
        self.last_line = now
        left = (now - self.begun) / max(images - self.start, 1) * (self.end - images)
        minutes, seconds = divmod(max(round(left), 0), 60)
        self.console.print(f"{images:>11,} / {self.end:,} images  left {minutes}:{seconds:02d}  {text}", soft_wrap=True)


def values(row: dict[str, float]) -> str:
    """Speed, losses, scores and metrics of a line of statistics, in short."""
    shown = {name: value for name, value in row.items() if name.startswith(("loss/", "D(", "score", "metric/"))}
    if "D(x)" in shown:
        shown = {name: value for name, value in shown.items() if not name.startswith("score")}
    names = {name: name.removeprefix("loss/").removeprefix("metric/").removesuffix("/adversarial") for name in shown}
    speed = [f"{row['images_per_second']:,.0f} images/s"] if "images_per_second" in row else []
    return "  ".join([*speed, *(f"{names[name]} {value:.3g}" for name, value in shown.items())])
