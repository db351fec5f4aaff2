"""Networks of a user's size beside straightforward implementations of the same: python benchmarks/large.py

Each `reference_*.py` beside this file gives cases of (zerosum, reference, goal). Both in one process, taking turns, on one
thread pinned to one core, by CPU time: medians, their ratio, and the quartiles of the ratio over the rounds.
"""

import argparse
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import torch

REFERENCES = ("reference_stylegan2", "reference_biggan")
Case = tuple[Callable[[], None], Callable[[], None], float]


def seconds(run: Callable[[], object]) -> float:
    """CPU time of one run."""
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(case: Case, repeats: int) -> dict[str, float]:
    """Median times in milliseconds, and their ratio with its quartiles."""
    ours, reference, goal = case
    for _ in range(2):
        ours()
        reference()
    times: list[tuple[float, float]] = []
    for number in range(repeats):
        # Each in turn is the first of a round, so that neither always finds the other's data in the cache.
        if number % 2:
            last = seconds(reference)
            times.append((seconds(ours), last))
        else:
            times.append((seconds(ours), seconds(reference)))
    low, _, high = quantiles([theirs / mine for mine, theirs in times], n=4)
    mine, theirs = (median(column) for column in zip(*times, strict=True))
    return {
        "zerosum_ms": 1e3 * mine,
        "reference_ms": 1e3 * theirs,
        "ratio": theirs / mine,
        "ratio_low": low,
        "ratio_high": high,
        "goal": goal,
    }


def available() -> dict[str, Case]:
    """The cases of every reference that is there, and a word about those that are not."""
    found: dict[str, Case] = {}
    for name in REFERENCES:
        if not (Path(__file__).parent / f"{name}.py").is_file():
            print(f"{name}.py is not there: its cases are left out")
        else:
            found |= importlib.import_module(name).cases()
    return found


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/large.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"torch {torch.__version__}, one thread, CPU time, medians of {arguments.repeats}")
    print(f"{'case':<28}{'zerosum':>12}{'reference':>12}{'ratio':>8}{'quartiles':>14}{'goal':>6}")
    rows = []
    for name, case in available().items():
        if arguments.only in name:
            row = measure(case, arguments.repeats)
            rows.append({"case": name, **row})
            spread = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
            times = f"{row['zerosum_ms']:>9.1f} ms{row['reference_ms']:>9.1f} ms{row['ratio']:>8.2f}{spread:>14}"
            print(f"{name:<28}{times}{row['goal']:>6}", flush=True)
    arguments.out.write_text(json.dumps({"torch": torch.__version__, "cases": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
