"""The table and the pictures of docs/text_to_image.md: emoji by their names, in two drawing styles.

    python benchmarks/text_to_image.py lay --emoji EMOJI --data data/named
    python benchmarks/text_to_image.py train --data data/named --runs runs [--images 480000 --batch 64 --minutes 7]
    python benchmarks/text_to_image.py judge --data data/named --runs runs [--out docs/images]

EMOJI holds captions.jsonl (file, label, caption) and the folders noto and twemoji with these files. A caption is a style and a
name, "noto red apple". Of 400 names one of the two captions is held out with its image, so each held-out caption names a thing
that was seen, but not in this style. `train` trains the recipes side by side, a process each, on the device that zerosum finds,
and stops when they are done or the minutes are over. `judge` needs nothing but the folders: it runs `zerosum evaluate` on the
held-out captions, prints a table and draws the first of them.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import zerosum
from zerosum.cli import main as command
from zerosum.data import Captioned, open_data
from zerosum.pictures import grid, interleaved
from zerosum.recipe import Data, Optimiser, Recipe
from zerosum.schedules import constant, linear

STYLES = ("noto", "twemoji")
HELD_OUT = 400
RUNS = {"named-32-0": ("cpu", 0), "named-32-1": ("cpu", 1), "named-32-2": ("cpu", 2), "named-64-0": ("cpu64", 0)}
"""Run folder: recipe and seed."""
FIGURES = ("r-precision", "frechet (lite0)", "kernel distance (lite0)")


def lay(emoji: Path, data: Path) -> None:
    """Images with captions in the folders train and held-out; flags, which are told by their letters, are left out."""
    rows = [json.loads(line) for line in (emoji / "captions.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["label"] != "flags"]
    rows.sort(key=lambda row: hashlib.sha256(row["file"].encode()).digest())
    captions: dict[str, list[dict[str, str]]] = {"train": [], "held-out": []}
    for place, row in enumerate(rows):
        for number, style in enumerate(STYLES):
            part = "held-out" if place < HELD_OUT and place % len(STYLES) == number else "train"
            name = f"{style}-{row['codepoints']}.png"
            target = data / part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(emoji / style / row["file"], target)
            captions[part].append({"file_name": name, "caption": f"{style} {row['caption']}"})
    for part, lines in captions.items():
        (data / part / "metadata.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        print(f"{len(lines):,} images in {data / part}")


def recipe_of(name: str, data: Path, images: int | None, batch: int) -> Recipe:
    """A run's recipe; with more images all that is measured in images takes that much longer."""
    spec, seed = RUNS[name]
    recipe = zerosum.get_recipe(f"text_to_image:{spec}")
    factor = (images or recipe.train.images) / recipe.train.images

    def longer(optimiser: Optimiser) -> Optimiser:
        rate = optimiser.rate
        if rate.shape == "constant":
            return optimiser
        return replace(optimiser, rate=linear(rate.start, rate.end, over=rate.over * factor, delay=rate.delay * factor))

    every = round(recipe.jobs.checkpoint_every * factor)
    steps = round(recipe.gan.matching_steps * factor * recipe.train.batch / batch)  # type: ignore[attr-defined]
    return replace(
        recipe,
        gan=replace(recipe.gan, matching_steps=steps),  # type: ignore[call-arg]
        data=replace(recipe.data, path=str(data / "train")),
        optimisers={player: longer(optimiser) for player, optimiser in recipe.optimisers.items()},
        train=replace(recipe.train, images=round(recipe.train.images * factor), batch=batch, seed=seed),
        average=replace(recipe.average, half_life=constant(recipe.average.half_life.start * factor)),
        jobs=replace(recipe.jobs, checkpoint_every=every, sample_every=every, log_every=round(recipe.jobs.log_every * factor)),
    )


def train(chosen: argparse.Namespace) -> None:
    """Every run in a process of its own; or, if one is named, this one."""
    if not chosen.only:
        own = [sys.executable, __file__, *sys.argv[1:], "--only"]
        processes = [subprocess.Popen([*own, name]) for name in chosen.names]
        raise SystemExit(max(process.wait() for process in processes))
    end = time.monotonic() + 60 * chosen.minutes
    recipe = recipe_of(chosen.only, chosen.data, chosen.images, chosen.batch)
    try:
        zerosum.train(recipe, chosen.runs / chosen.only, watch=lambda images: time.monotonic() > end)
    except KeyboardInterrupt:
        print(f"{chosen.only}: stopped after {chosen.minutes} minutes", flush=True)


def judge(chosen: argparse.Namespace) -> None:
    """A table of all runs that are there, and a picture of each."""
    print("| run | " + " | ".join(FIGURES) + " | r-precision of real images |", "|---" * (len(FIGURES) + 2) + "|", sep="\n")
    for name in chosen.names:
        folder = chosen.runs / name
        if not folder.is_dir():
            continue
        out, against = folder / "held-out.json", str(chosen.data / "held-out")
        metrics = ["--metrics", "r-precision,fid,kid", "-n", "1600", "--against", against, "--json", "--out", str(out)]
        if command(["evaluate", str(folder), *metrics]):
            raise SystemExit(f"{folder} could not be judged")
        found = {key.partition(" (")[0] if "r-pre" in key else key: value for key, value in json.loads(out.read_text()).items()}
        cells = ["{value:.3g} ({interval[0]:.3g} to {interval[1]:.3g})".format(**found[figure]) for figure in FIGURES]
        print(f"| {name} | {' | '.join(cells)} | {found['r-precision']['floor']:.3g} |", flush=True)
        draw(folder, chosen.data, 12).save(chosen.out / f"text_to_image-{name}.png")


def draw(folder: Path, data: Path, count: int) -> Image.Image:
    """The first captions that were held out, a row each: in words, the image that was held out, and four samples."""
    sampler = zerosum.load(folder)
    side = sampler.card.shapes["image"][-1]
    dataset = open_data(Data(path=str(data / "held-out"), kind="captions", resolution=side, colour="rgb"))
    assert isinstance(dataset, Captioned)
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    prompts = [dataset.texts[place][0] for place in chosen]
    columns = [dataset.batch(chosen)["image"].permute(0, 2, 3, 1).numpy()]
    made = np.stack([sampler.sample(4, prompt=prompt) for prompt in prompts], 1)
    sheet = Image.fromarray(grid(interleaved([*columns, *made]), 5))
    sheet = sheet.resize((sheet.width * (times := 96 // side), sheet.height * times), Image.Resampling.NEAREST)
    picture = Image.new("RGB", (sheet.width + 260, sheet.height), "white")
    picture.paste(sheet, (260, 0))
    pen = ImageDraw.Draw(picture)
    for row, prompt in enumerate(prompts):
        pen.text((8, (row + 0.5) * sheet.height / count), prompt, fill="black", anchor="lm", font_size=15)
    return picture


def main() -> None:
    """Lay, train or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("lay", "train", "judge"))
    parser.add_argument("--emoji", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data/named"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--names", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--images", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step == "lay":
        if chosen.emoji is None:
            parser.error("lay needs --emoji")
        lay(chosen.emoji, chosen.data)
    elif chosen.step == "train":
        train(chosen)
    else:
        judge(chosen)


if __name__ == "__main__":
    main()
