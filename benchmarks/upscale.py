"""Peak memory and time of `zerosum upscale` and `zerosum restore` on pictures whose result has 50 megapixels.

    python benchmarks/upscale.py [--width 24 --growth 12 --blocks 3] [--megapixels 50]

Networks have random weights: the work is that of trained ones. The picture is enlarged from the embedded emoji, so that nothing
is fetched. Each verb runs in a process of its own; the system tells its peak resident memory, the libraries included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zerosum import gans
from zerosum.api import build_gan
from zerosum.data.embedded import open_embedded
from zerosum.data.photographs import shapes_of
from zerosum.datacard import DataCard
from zerosum.run import open_run
from zerosum.training.state import State


def make_run(folder: Path, scale: int, settings: dict[str, int]) -> None:
    """A run folder of a generator of this scale, not trained."""
    recipe = gans.get_recipe("esrgan:cpu_psnr")
    recipe = replace(recipe, gan=replace(recipe.gan, **settings), data=replace(recipe.data, scale=scale))
    card = DataCard(0, "none", shapes_of(recipe.data, 3))
    state = State(build_gan(recipe, card, torch.device("cpu")), recipe.optimisers, recipe.train.batch)
    open_run(folder, recipe, card).save(0, state.state_dict(), state.average.state_dict(), 1)


def make_picture(path: Path, megapixels: float) -> tuple[int, int]:
    """A picture of 4 : 3 with broad shapes and fine grain; returns width and height."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5 / 16) * 16
    height = round(width * 3 / 4 / 16) * 16
    source = open_embedded("emoji")
    sheet = np.concatenate([np.concatenate([source.read(8 * row + column) for column in range(8)], 1) for row in range(6)])
    pixels = np.asarray(Image.fromarray(sheet).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += np.random.default_rng(0).integers(-12, 13, pixels.shape, np.int16)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=95)
    return width, height


def measure(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak resident memory in MiB of a command of zerosum."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "zerosum", *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"zerosum {' '.join(arguments)} failed")
    return time.perf_counter() - start, used.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure both verbs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 24), ("growth", 12), ("blocks", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--megapixels", type=float, default=50.0)
    chosen = vars(parser.parse_args())
    megapixels = chosen.pop("megapixels")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {chosen}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for verb, scale in (("upscale", 4), ("upscale", 2), ("restore", 1)):
            run, picture = folder / f"run{scale}", folder / f"picture{scale}.jpg"
            make_run(run, scale, chosen)
            width, height = make_picture(picture, megapixels / scale**2)
            seconds, mebibytes = measure([verb, str(run), str(picture), "--out", str(folder / f"out{scale}")])
            size = f"{width} x {height} -> {width * scale} x {height * scale}"
            print(f"{verb} x{scale}  {size}  {seconds:.0f} s  peak {mebibytes:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
