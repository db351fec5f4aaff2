"""A training step of the great families on a CUDA device, in fewer bits and compiled: python benchmarks/precision.py

Each setting plays whole cycles of the lazy turns on the same data, so that every turn is in the mean. Times are between
synchronisations of the device; the ratio is to float32 in the default memory layout.
"""

import argparse
import gc
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

import zerosum
from zerosum.api import make_feed, make_state
from zerosum.data import open_data
from zerosum.recipe import Recipe
from zerosum.training.loop import Loop

CASES = {"stylegan2:ffhq256": 256, "biggan:imagenet128": 128, "r3gan:cifar10": 32}
"""Recipe and the resolution of the images that it is played on."""
CYCLE = 16
"""Steps after which every lazy turn of these recipes has been played alike."""


def settings(recipe: Recipe, compiled: bool) -> Iterator[tuple[str, Recipe]]:
    """The recipe in every precision and memory layout, and compiled where asked."""
    for channels_last in (False, True):
        for precision in ("float32", "bfloat16", "float16"):
            train = replace(recipe.train, channels_last=channels_last, precision=precision)
            yield precision + ", channels last" * channels_last, replace(recipe, train=train)
            if compiled and channels_last and precision != "float16":
                yield f"{precision}, channels last, compiled", replace(recipe, train=replace(train, compile=True))


def milliseconds(recipe: Recipe, cycles: int) -> tuple[float, float]:
    """Of one step in the mean, and the most memory it takes in GiB."""
    device = torch.device("cuda")
    torch.cuda.reset_peak_memory_stats()
    dataset = open_data(recipe.data)
    state, feed = make_state(recipe, dataset, device), make_feed(recipe, dataset, np.arange(len(dataset)), device)
    loop = Loop(state, feed, 0, 0, recipe.average, log_every=10**9, precision=recipe.train.precision)

    def play(steps: int) -> float:
        loop.images += steps * recipe.train.batch
        torch.cuda.synchronize()
        start = time.perf_counter()
        loop.run()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    try:
        play(CYCLE)
        return 1e3 * play(cycles * CYCLE) / (cycles * CYCLE), torch.cuda.max_memory_allocated() / 2**30
    finally:
        feed.close()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--cycles", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="measure compiled networks too, which takes minutes")
    chosen = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, batch {chosen.batch}")
    print(f"{'recipe':<28}{'setting':<36}{'step':>10}{'ratio':>7}{'memory':>11}")
    for name in chosen.cases:
        recipe, plain = zerosum.get_recipe(name), 0.0
        data = replace(recipe.data, path="emoji", resolution=CASES[name], mirror=False)
        recipe = replace(recipe, data=data, train=replace(recipe.train, batch=chosen.batch, micro_batches=1))
        for setting, changed in settings(recipe, chosen.compile):
            step, memory = milliseconds(changed, chosen.cycles)
            plain = plain or step
            print(f"{name:<28}{setting:<36}{step:>7.1f} ms{plain / step:>7.2f}{memory:>7.1f} GiB", flush=True)
            gc.collect()
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
