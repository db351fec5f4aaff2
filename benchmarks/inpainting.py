"""The tables and pictures of docs/inpaint.md: both `cpu` recipes of inpainting, beside diffusion and one colour.

    python benchmarks/inpainting.py --photographs PHOTOS --garments train-images-idx3-ubyte.gz [--runs runs] [--out docs/images]

Trains `inpainting:cpu` on a folder of photographs and `inpainting:fashion` on Fashion-MNIST, or goes on with what lies in
--runs, judges both by `zerosum evaluate`, prints the figures as tables, and draws the first pictures that were held out: the
picture with its hole in magenta, filled, filled by diffusion, and the truth.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import zerosum
from zerosum.cli import main as command
from zerosum.data import Holed, Photographs, open_data, split
from zerosum.data.feed import to_float
from zerosum.evaluate.holes import diffuse
from zerosum.noise import SeededNoise
from zerosum.pictures import grid, interleaved, to_pixels
from zerosum.run import Run
from zerosum.sampling import Sampler

MAGENTA = (255, 0, 255)
FIGURES = ("psnr", "ssim", "perceptual", "frechet (lite0)", "kernel distance (lite0)")
FILLINGS = {"": "the run", " (diffusion)": "diffusion", " (mean colour)": "mean colour"}


def make_table(folder: Path) -> str:
    """The figures of metrics.json, with their intervals, as Markdown."""
    found = json.loads((folder / "metrics.json").read_text())
    lines = ["| filling | " + " | ".join(f"`{name}`" for name in FIGURES) + " |", "|---" * (len(FIGURES) + 1) + "|"]
    for end, name in FILLINGS.items():
        cells = []
        for figure in FIGURES:
            low, high = found[figure + end]["interval"]
            cells.append(f"{found[figure + end]['value']:.4g} ({low:.4g} to {high:.4g})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    notes = [f"`{figure}`: {found[figure]['note']}" for figure in FIGURES[:3]]
    return "\n".join([*lines, "", *notes])


def draw(sampler: Sampler, folder: Path, count: int, largest: int, times: int) -> Image.Image:
    """The first `count` pictures that were held out, two in a row: with their hole, filled, by diffusion, the truth."""
    settings = Run(folder).recipe().data
    dataset = open_data(settings)
    assert isinstance(dataset, Holed | Photographs)
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for position in split(len(dataset), settings.held_out)[1][:count]:
        pair = dataset.pair(int(position), largest)
        source, target = to_float(pair["source"]), to_float(pair["target"])
        with torch.inference_mode():
            filled = sampler.gan.sample({"source": source}, SeededNoise([0])).cpu()
        shown = [
            np.broadcast_to(to_pixels(image)[0], (*image.shape[2:], 3)) for image in (target, filled, diffuse(source), target)
        ]
        shown[0] = np.where(source[0, -1, :, :, None].numpy() > 0, shown[0], np.array(MAGENTA, np.uint8))
        for column, image in zip(columns, shown, strict=True):
            column.append(image.repeat(times, 0).repeat(times, 1))
    return Image.fromarray(grid(interleaved([np.stack(column) for column in columns]), 8))


def main() -> None:
    """Train, judge and draw both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", required=True)
    parser.add_argument("--garments", required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    chosen = parser.parse_args()
    for name, path, largest, times in (("cpu", chosen.photographs, 128, 1), ("fashion", chosen.garments, 32, 4)):
        recipe, folder = zerosum.get_recipe(f"inpainting:{name}"), chosen.runs / f"inpainting-{name}"
        sampler = zerosum.train(replace(recipe, data=replace(recipe.data, path=path)), folder)
        command(["evaluate", str(folder), "--json", "--out", str(folder / "metrics.json")])
        print(f"\n{sampler.name}\n\n{make_table(folder)}\n", flush=True)
        draw(sampler, folder, 12, largest, times).quantize().save(chosen.out / f"inpaint-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
