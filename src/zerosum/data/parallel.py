"""Work on every example, on all cores, in order, with bounded memory and a progress bar."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Result = TypeVar("Result")


def in_order(work: Callable[[int], Result], count: int, title: str, together: int = 16) -> Iterator[Result]:
    """work(0), work(1), ... work(count - 1), done in threads, `together` at a time; few results wait for the consumer.

    A progress bar is drawn if standard error is a terminal.
    """
    workers = min(32, os.cpu_count() or 1)
    groups = (range(start, min(start + together, count)) for start in range(0, count, together))
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=console, disable=not console.is_terminal) as progress, ThreadPoolExecutor(workers) as pool:

        def submit(group: range) -> Future[list[Result]]:
            return pool.submit(lambda: [work(index) for index in group])

        task = progress.add_task(title, total=count)
        waiting = deque(submit(group) for group in islice(groups, 2 * workers))
        try:
            while waiting:
                results = waiting.popleft().result()
                waiting.extend(submit(group) for group in islice(groups, 1))
                yield from results
                progress.advance(task, len(results))
        finally:
            pool.shutdown(cancel_futures=True)
