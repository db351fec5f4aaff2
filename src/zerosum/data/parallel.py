"""Work on every example, on all cores, in order, with bounded memory and a progress bar."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Result = TypeVar("Result")


def in_order(work: Callable[[int], Result], count: int, title: str, together: int = 16) -> Iterator[Result]:
    """work(0), work(1), ... work(count - 1), done in threads; at most a few times `together` results wait for the consumer.

    A progress bar is drawn if standard error is a terminal.
    """
    workers = min(32, os.cpu_count() or 1)
    console = Console(stderr=True)
    shown = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    waiting = deque[Future[list[Result]]]()
    starts = iter(range(0, count, together))
    with Progress(*shown, console=console, disable=not console.is_terminal) as progress, ThreadPoolExecutor(workers) as pool:
        task = progress.add_task(title, total=count)
        try:
            while True:
                while len(waiting) < 2 * workers and (start := next(starts, None)) is not None:
                    waiting.append(pool.submit(lambda some: [work(i) for i in some], range(start, min(start + together, count))))
                if not waiting:
                    return
                results = waiting.popleft().result()
                yield from results
                progress.advance(task, len(results))
        finally:
            pool.shutdown(cancel_futures=True)
