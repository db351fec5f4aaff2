"""The Frechet distance beside the usual arithmetic, scipy.linalg.sqrtm: OMP_NUM_THREADS=1 python benchmarks/metrics.py

Both from the same float64 features or moments in one process, taking turns, pinned to one core, by CPU time: medians and their
ratio. The usual arithmetic is that of pytorch-fid: the root of the product of the covariances, 1e-6 added to both diagonals if
they are singular.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import scipy
from scipy.linalg import sqrtm

from steps import seconds
from zerosum.evaluate.frechet import Moments, frechet_distance

GOALS = {"moments, d = 1024": 5, "1,000 features, d = 2048": 20}


def draw(num: int, width: int, seed: int) -> np.ndarray:
    """Correlated features with a spectrum that falls over two decades, `[num, width]`."""
    mix = np.random.default_rng(0).normal(size=(width, width)) * np.geomspace(1, 0.01, width) / np.sqrt(width)
    return np.maximum(np.random.default_rng(seed).normal(size=(num, width)) @ mix, 0)


def usual(real: Moments, fake: Moments) -> float:
    """The distance as it is usually computed."""
    offset = 1e-6 * np.eye(len(real.mean)) if min(real.count, fake.count) <= len(real.mean) else 0
    root = sqrtm((real.covariance + offset) @ (fake.covariance + offset)).real
    gap = np.square(real.mean - fake.mean).sum()
    return float(gap + real.covariance.trace() + fake.covariance.trace() - 2 * root.trace())


def usual_moments(features: np.ndarray) -> Moments:
    """Mean and covariance as they are usually computed."""
    return Moments(features.mean(axis=0), np.cov(features, rowvar=False), len(features))


def cases() -> dict[str, tuple[Callable[[], float], Callable[[], float]]]:
    """Name -> (zerosum's distance, the usual one)."""
    moments = [Moments.of(draw(5000, 1024, seed)) for seed in (1, 2)]
    few = [draw(1000, 2048, seed) for seed in (1, 2)]
    return {
        "moments, d = 1024": (lambda: frechet_distance(*moments), lambda: usual(*moments)),
        "1,000 features, d = 2048": (lambda: frechet_distance(*few), lambda: usual(*map(usual_moments, few))),
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/metrics.json"))
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, one core, CPU time, medians of {arguments.repeats}")
    print(f"{'case':<26}{'zerosum':>10}{'sqrtm':>10}{'ratio':>8}{'goal':>6}{'values':>24}")
    rows = []
    for name, functions in cases().items():
        ours, theirs = (function() for function in functions)
        times = [[seconds(function) for function in functions] for _ in range(arguments.repeats)]
        mine, other = (median(column) for column in zip(*times, strict=True))
        row = {"case": name, "zerosum_s": mine, "sqrtm_s": other, "ratio": other / mine, "zerosum": ours, "sqrtm": theirs}
        print(f"{name:<26}{mine:>8.2f} s{other:>8.2f} s{other / mine:>8.1f}{GOALS[name]:>6}{ours:>12.6f}{theirs:>12.6f}")
        rows.append(row)
    arguments.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
