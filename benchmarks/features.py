"""Feature networks as zerosum runs them, beside the plain network: python benchmarks/features.py

Plain: batch norm as a layer of its own, default memory layout. Ours: batch norm folded, in torch, channels last, and in ONNX
Runtime where it is installed. All in one process, taking turns, on one thread pinned to one core, by CPU time: medians, their
ratio, and the quartiles of the ratio over the rounds. Random weights, which cost the same.
"""

import argparse
import copy
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from zerosum.features.folding import freeze
from zerosum.features.inception import Inception
from zerosum.features.lite0 import Lite0
from zerosum.features.runtime import Run, checked, missing

CASES: dict[str, tuple[Callable[[], nn.Module], int, int]] = {"inception": (Inception, 299, 8), "lite0": (Lite0, 96, 16)}
"""Network, resolution, images in a batch."""
GOALS = {("inception", "folded"): 1.5, ("inception", "onnx"): 1.9}


def seconds(network: Run, images: Tensor) -> float:
    """CPU time of one batch."""
    start = time.process_time()
    network(images)
    return time.process_time() - start


def ways(name: str) -> tuple[dict[str, tuple[Run, Tensor]], int]:
    """Each way to run a network with the images in the layout that it takes, the plain one first; and how many images."""
    build, resolution, batch = CASES[name]
    torch.manual_seed(0)
    plain = build().eval()
    folded = freeze(copy.deepcopy(plain))
    images = torch.randn(batch, 3, resolution, resolution)
    found: dict[str, tuple[Run, Tensor]] = {
        "plain": (plain, images),
        "folded": (folded, images.contiguous(memory_format=torch.channels_last)),
    }
    if not missing():
        with TemporaryDirectory() as folder:
            found["onnx"] = (checked(folded, resolution, Path(folder) / "network.onnx"), images)
    return found, batch


@torch.no_grad()
def measure(name: str, repeats: int) -> list[dict[str, str | float]]:
    """Milliseconds a batch of every way but the plain one beside the plain one, and the ratio."""
    turns, batch = ways(name)
    times: dict[str, list[float]] = {key: [] for key in turns}
    for network, images in turns.values():
        network(images)
    for number in range(repeats):
        for key in list(turns)[:: -1 if number % 2 else 1]:
            times[key].append(seconds(*turns[key]))
    rows: list[dict[str, str | float]] = []
    plain = times.pop("plain")
    for way, own in times.items():
        low, _, high = quantiles((p / o for p, o in zip(plain, own, strict=True)), n=4)
        milliseconds = {"plain_ms": 1e3 * median(plain), "own_ms": 1e3 * median(own)}
        ratio = {"ratio": median(plain) / median(own), "ratio_low": low, "ratio_high": high}
        rows.append({"case": name, "way": way, "batch": batch, **milliseconds, **ratio})
    return rows


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
    print(f"{'network':<12}{'images':>7}  {'way':<8}{'plain':>12}{'zerosum':>12}{'ratio':>8}{'quartiles':>12}{'goal':>6}")
    rows = []
    for case in arguments.cases:
        for row in measure(case, arguments.repeats):
            rows.append(row)
            spread = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
            times = f"{row['plain_ms']:>9.0f} ms{row['own_ms']:>9.0f} ms{row['ratio']:>8.2f}"
            goal = GOALS.get((case, row["way"]), "")
            print(f"{case:<12}{row['batch']:>7}  {row['way']:<8}{times}{spread:>12}{goal:>6}", flush=True)
    arguments.out.write_text(json.dumps({"torch": torch.__version__, "features": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
