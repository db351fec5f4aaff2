"""Peak memory and time of `zerosum upscale`, `restore` and `inpaint` on pictures whose result has 50 megapixels.

    python benchmarks/upscale.py [--width 24 --growth 12 --blocks 3] [--megapixels 50] [--only upscale restore inpaint]

The networks are those of the `cpu` recipes, those of esrgan with other settings if any are given. They have random weights: the
work is that of trained ones. The picture is enlarged from the embedded emoji, so that nothing is fetched; `inpaint` gets a
scratch from corner to corner, a box and spots. Each verb runs in a process of its own; the system tells its peak resident
memory, the libraries included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw

from zerosum import gans
from zerosum.api import build_gan
from zerosum.data.embedded import open_embedded
from zerosum.data.photographs import shapes_of
from zerosum.datacard import DataCard
from zerosum.run import open_run
from zerosum.training.state import State

VERBS: tuple[tuple[str, str, Literal[1, 2, 4]], ...] = (
    ("upscale", "esrgan:cpu_psnr", 4),
    ("upscale", "esrgan:cpu_psnr", 2),
    ("restore", "esrgan:cpu_restoration", 1),
    ("inpaint", "inpainting:cpu", 1),
)
"""Verb, recipe and scale."""


def make_run(folder: Path, name: str, scale: Literal[1, 2, 4], settings: dict[str, int]) -> None:
    """A run folder of a generator of this scale, not trained."""
    recipe = gans.get_recipe(name)
    settings = settings if recipe.family == "esrgan" else {}
    recipe = replace(recipe, gan=replace(recipe.gan, **settings), data=replace(recipe.data, scale=scale))
    card = DataCard(0, "none", shapes_of(recipe.data, 3))
    state = State(build_gan(recipe, card, torch.device("cpu")), recipe.optimisers, recipe.train.batch)
    open_run(folder, recipe, card).save(0, state.state_dict(), state.average.state_dict(), 1)


def make_mask(path: Path, width: int, height: int) -> None:
    """White where holes are: a scratch of 30 pixels, a box of 1200 x 1000, 60 spots of 40 pixels."""
    mask, stream = Image.new("L", (width, height)), np.random.default_rng(0)
    pencil = ImageDraw.Draw(mask)
    pencil.line((0, 0, width, height), 255, 30)
    pencil.rectangle((width // 2, height // 8, width // 2 + 1199, height // 8 + 999), 255)
    for across, down in stream.uniform(size=(60, 2)) * (width, height):
        pencil.ellipse((across - 20, down - 20, across + 20, down + 20), 255)
    mask.save(path)


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
    """Measure the verbs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("width", "growth", "blocks"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--megapixels", type=float, default=50.0)
    parser.add_argument("--only", nargs="*", default=[verb for verb, *_ in VERBS])
    chosen = parser.parse_args()
    settings = {name: value for name in ("width", "growth", "blocks") if (value := vars(chosen)[name])}
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {settings}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for verb, recipe, scale in (row for row in VERBS if row[0] in chosen.only):
            run, picture, mask = (folder / f"{verb}{scale}{end}" for end in ("", ".jpg", "-mask.png"))
            make_run(run, recipe, scale, settings)
            width, height = make_picture(picture, chosen.megapixels / scale**2)
            make_mask(mask, width, height)
            holes = ["--mask", str(mask)] if verb == "inpaint" else []
            seconds, mebibytes = measure([verb, str(run), str(picture), *holes, "--out", str(folder / f"out-{verb}{scale}")])
            size = f"{width} x {height} -> {width * scale} x {height * scale}"
            print(f"{verb} x{scale}  {size}  {seconds:.0f} s  peak {mebibytes:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
