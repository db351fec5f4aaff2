"""Feature networks as zerosum runs them, beside the plain network: python benchmarks/features.py

Plain: batch norm as a layer of its own, default memory layout. Both in one process, taking turns, on one thread pinned to one
core, by CPU time: medians, their ratio, and the quartiles of the ratio over the rounds. Random weights, which cost the same.
"""

import argparse
import copy
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import torch
from torch import Tensor, nn

from zerosum.features.folding import freeze
from zerosum.features.inception import Inception
from zerosum.features.lite0 import Lite0

CASES: dict[str, tuple[Callable[[], nn.Module], int, int]] = {"inception": (Inception, 299, 8), "lite0": (Lite0, 96, 16)}
"""Network, resolution, images in a batch."""
GOALS = {"inception": 1.5}


def seconds(network: nn.Module, images: Tensor) -> float:
    """CPU time of one batch."""
    start = time.process_time()
    network(images)
    return time.process_time() - start


@torch.no_grad()
def measure(name: str, repeats: int) -> dict[str, str | float]:
    """Milliseconds a batch of both, and plain over folded."""
    build, resolution, batch = CASES[name]
    torch.manual_seed(0)
    plain = build().eval()
    folded = freeze(copy.deepcopy(plain))
    images = torch.randn(batch, 3, resolution, resolution)
    turns = {"plain": (plain, images), "folded": (folded, images.contiguous(memory_format=torch.channels_last))}
    times: dict[str, list[float]] = {key: [] for key in turns}
    for network, batch_of_images in turns.values():
        network(batch_of_images)
    for number in range(repeats):
        for key in list(turns)[:: -1 if number % 2 else 1]:
            times[key].append(seconds(*turns[key]))
    low, _, high = quantiles((p / f for p, f in zip(times["plain"], times["folded"], strict=True)), n=4)
    middle = {key: median(values) for key, values in times.items()}
    return {
        "case": name,
        "batch": batch,
        **{f"{key}_ms": 1e3 * value for key, value in middle.items()},
        "ratio": middle["plain"] / middle["folded"],
        "ratio_low": low,
        "ratio_high": high,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/features.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"torch {torch.__version__}, one thread, CPU time, medians of {arguments.repeats}")
    print(f"{'network':<12}{'images':>7}{'plain':>12}{'folded':>12}{'ratio':>8}{'quartiles':>12}{'goal':>6}")
    rows = []
    for case in arguments.cases:
        row = measure(case, arguments.repeats)
        rows.append(row)
        spread = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
        times = f"{row['plain_ms']:>9.0f} ms{row['folded_ms']:>9.0f} ms{row['ratio']:>8.2f}"
        print(f"{case:<12}{row['batch']:>7}{times}{spread:>12}{GOALS.get(case, ''):>6}", flush=True)
    arguments.out.write_text(json.dumps({"torch": torch.__version__, "features": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
