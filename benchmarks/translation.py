"""The tables and pictures of docs/translate.md: cyclegan and pix2pix on the emoji tasks, beside what costs nothing.

    python benchmarks/translation.py train TASKS [--runs runs/translation] [--only color2line ...] [--minutes 6.5]
    python benchmarks/translation.py judge TASKS [--runs ...] [--only ...] [--out docs/images] [--page docs/translate.md]

TASKS is a folder of 64-pixel pictures: color2line and noto2openmoji with trainA, trainB (unpaired), testA, testB (the truth, by
name); line2color with train and test, each with A and B. `train` trains all at the same time, each in a process of its own, on
CUDA wider networks than on a CPU. Each first measures how fast it is beside the others, then takes as many images as fit into
the time. A run that is there is left as it is. `judge` needs no GPU: it writes a table and a sheet source | made | truth for
every run that is there, and a table between <!-- figures --> and <!-- /figures --> of the page.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

import zerosum
from zerosum.api import estimate
from zerosum.data import Pairs, open_data
from zerosum.data.feed import to_float
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.pairs import pair_figures
from zerosum.evaluate.translated import Make, in_batches, mean_of, translated_figures
from zerosum.features import load as load_features
from zerosum.features.perceptual import load_perceptual
from zerosum.game import HasReverse
from zerosum.noise import SilentNoise
from zerosum.pictures import Samples, grid, interleaved, to_pixels
from zerosum.recipe import Data, Recipe
from zerosum.run import Run, write
from zerosum.sampling import Sampler
from zerosum.schedules import constant

COLUMNS = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ms-ssim": "MS-SSIM",
    "perceptual": "perceptual",
    "frechet (lite0)": "frechet (lite0)",
    "kernel distance (lite0)": "KID (lite0) x 1000",
    "retrieval": "retrieval",
    "cycle": "cycle",
}
SHARE = 0.8
"""Of the time left that is planned with: others may slow down a run."""
GRACE = 1.12
"""Of the time, after which a run stops where it is."""
DARK = 90
"""Grey level below which the one-line threshold makes black, else white."""
ROOM = 4
"""White pixels around pictures to train on, for crops at random places."""
START, END = "<!-- figures -->", "<!-- /figures -->"
"""Between them the page has the tables."""
SHOWN = 12
"""Pictures of a sheet, two in a row."""


@dataclass(frozen=True)
class Task:
    """What is trained on which folders, and judged on which."""

    recipe: str
    train: str
    test: str
    """Below TASKS."""
    sides: tuple[str, str]
    truth: tuple[str, str]
    """The sub-folders of sources and targets, of the first and of the second."""
    gan: dict[str, Any] = field(default_factory=dict)
    """Settings of the family that differ from the recipe's."""
    wide: dict[str, Any] = field(default_factory=dict)
    """Those that differ on CUDA too."""
    rate: float = 0.5
    """Factor of the learning rates there."""
    batch: int = 8
    """Pictures in a batch there."""
    paced: bool = False
    """On a CPU: the paper's batch of one and rates of 2e-4, instead of the recipe's."""
    margin: int = 0
    """White pixels put around sources, which are then brought to their size again: networks redraw things, but do not make them
    smaller. Pictures to train on then have `ROOM` too."""


WIDE = {"width": 32, "blocks": 6, "discriminator_width": 64}
UNPAIRED = (("trainA", "trainB"), ("testA", "testB"))
PAIRED = (("A", "B"), ("A", "B"))
NARROW = {"width": 32, "discriminator_width": 64}
LINES = ("line2color/train", "line2color/test")
CHANGED = {"generator": "plain", "spectral": True, "skip": "source"}
STYLE = CHANGED | {"cycle": 6.0, "identity": 3.0}
CLOSE = {"skip": "source", "generator": "resnet", "width": 16, "blocks": 6, "l1": 4000.0}
# A lighter cycle than the paper's 10, for on flat drawings a heavy one makes the networks hide colours in faint patterns.
TASKS = {
    "color2line": Task("cyclegan:cpu", "color2line", "color2line", *UNPAIRED, CHANGED | {"cycle": 2.0}, WIDE, paced=True),
    "noto2openmoji": Task("cyclegan:cpu", "noto2openmoji", "noto2openmoji", *UNPAIRED, STYLE, WIDE, paced=True, margin=4),
    "line2color": Task("pix2pix:cpu", *LINES, *PAIRED, {}, NARROW, rate=0.2),
    "line2color-close": Task("pix2pix:cpu", *LINES, *PAIRED, CLOSE, NARROW, rate=0.2),
}


def prepared(task: Task, folder: Path, runs: Path) -> Path:
    """Where the task's pictures lie: in the folder, or in a copy whose sources have margins."""
    if not task.margin:
        return folder
    copy = runs / "prepared"
    if not (copy / task.train).exists():
        shutil.copytree(folder / task.train, copy / task.train)
        on_sheets(copy / task.train / task.sides[0], task.margin, ROOM)
        on_sheets(copy / task.train / task.sides[1], 0, ROOM)
        on_sheets(copy / task.test / task.truth[0], task.margin, 0)
    return copy


def on_sheets(folder: Path, margin: int, room: int) -> None:
    """Put all pictures of a folder on larger white sheets: by the margin, brought to their size again, then by the room."""
    for path in folder.iterdir():
        picture = Image.open(path).convert("RGB")
        small = ImageOps.expand(picture, margin, "white").resize(picture.size, Image.Resampling.BICUBIC)
        ImageOps.expand(small, room, "white").save(path)


def make_recipe(task: Task, folder: Path, seed: int) -> Recipe:
    """The task's recipe on this machine. Pictures have 64 pixels already: without room jitter would enlarge and blur them."""
    recipe = zerosum.get_recipe(task.recipe)
    data = replace(recipe.data, path=str(folder / task.train), sides=task.sides, jitter=2 * ROOM if task.margin else 0)
    recipe = replace(recipe, gan=replace(recipe.gan, **task.gan), data=data, train=replace(recipe.train, seed=seed))
    on_cuda = torch.cuda.is_available()
    if not on_cuda and not task.paced:
        return recipe
    players = {
        name: replace(player, rate=replace(player.rate, start=player.rate.start * task.rate if on_cuda else 2e-4))
        for name, player in recipe.optimisers.items()
    }
    training = replace(recipe.train, batch=task.batch if on_cuda else 1)
    return replace(recipe, gan=replace(recipe.gan, **task.wide if on_cuda else {}), optimisers=players, train=training)


def lasting(recipe: Recipe, images: int) -> Recipe:
    """The recipe over another number of images, a multiple of its batch, its schedules and jobs stretched alike."""
    images = max(images // recipe.train.batch, 1) * recipe.train.batch
    share = images / recipe.train.images
    players = {
        name: replace(player, rate=replace(player.rate, over=player.rate.over * share, delay=player.rate.delay * share))
        for name, player in recipe.optimisers.items()
    }
    names = ("log_every", "sample_every", "checkpoint_every")
    every = {name: max(round(getattr(recipe.jobs, name) * share), 1) for name in names}
    return replace(
        recipe,
        optimisers=players,
        train=replace(recipe.train, images=images),
        average=replace(recipe.average, half_life=constant(recipe.average.half_life.start * share)),
        jobs=replace(recipe.jobs, **every),
    )


def train(name: str, folder: Path, run: Path, minutes: float, seed: int) -> None:
    """Train one task into a run folder that is not there yet, in so many minutes."""
    begun = time.monotonic()
    recipe = make_recipe(TASKS[name], prepared(TASKS[name], folder, run.parent), seed)
    cost = estimate(recipe, run)
    left = 60 * minutes - (time.monotonic() - begun) - cost.beside
    recipe = lasting(recipe, int(SHARE * left * cost.speed))
    print(f"{name}: {cost.speed:.0f} images/s, so {recipe.train.images:,} images", flush=True)
    try:
        zerosum.train(recipe, run, watch=lambda images: time.monotonic() - begun > GRACE * 60 * minutes)
    except KeyboardInterrupt:
        print(f"{name}: out of time before its end", flush=True)
    print(f"{name}: {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)


def train_all(names: Sequence[str], chosen: argparse.Namespace) -> None:
    """Every task in a process of its own, all at the same time."""
    words = [
        "train",
        str(chosen.tasks),
        "--runs",
        str(chosen.runs),
        "--minutes",
        str(chosen.minutes),
        "--seed",
        str(chosen.seed),
    ]
    processes = [
        subprocess.Popen([sys.executable, __file__, *words, "--only", name])
        for name in names
        if not (chosen.runs / name).exists()
    ]
    failed = [process.args for process in processes if process.wait()]
    if failed:
        raise SystemExit(f"these failed: {failed}")


def judge(name: str, folder: Path, run: Path, out: Path) -> list[str]:
    """Write a sheet, and return the lines of a table."""
    task, sampler = TASKS[name], zerosum.load(run)
    recipe = Run(run).recipe()
    settings, kind = replace(recipe.data, kind="pairs", sides=task.truth, jitter=0), folder / task.train / task.sides[1]
    untouched, _ = read_pairs(replace(settings, path=str(folder / task.test)))
    sources, targets = read_pairs(replace(settings, path=str(prepared(task, folder, run.parent) / task.test)))
    real = open_data(Data(path=str(kind), resolution=settings.resolution, colour="rgb"))
    domain = real.batch(np.arange(len(real)))["image"]
    make, back = ways_of(sampler)
    made = {"": in_batches(make, sources), "copy of the source": untouched}
    made |= {"copy with its margin": sources} if task.margin else {}
    made |= {"threshold": threshold(sources)} if name == "color2line" else {}
    made |= {"mean colour": mean_of(to_float(domain))(sources), "the truth itself": targets}
    write_sheet(out / f"translate-{name}.png", (sources, made[""], targets))
    network = load_features("lite0")
    features = network(domain).numpy()
    figures = translated_figures(made, sources, targets, features, network, back=back, split="test", generator=sampler.name)
    known = {figure.name: figure for figure in figures}
    lines = [f"| {name} | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for method, pictures in made.items():
        end, title = (f" ({method})", method) if method else ("", f"**{recipe.family}**")
        pixels = pixel_figures(pictures, targets)
        cells = [cell(pixels.get(metric) or known.get(f"{metric}{end}"), metric) for metric in COLUMNS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    about = f"{recipe.train.images:,} images, {sampler.name}; {len(targets)} pairs. {verdict(run)}"
    return [*lines, "", about, "", f"![source, made and truth](images/translate-{name}.png)", ""]


def read_pairs(settings: Data) -> tuple[Tensor, Tensor]:
    """All sources and targets, in [-1, 1]."""
    pairs = open_data(settings)
    assert isinstance(pairs, Pairs)
    batch = pairs.batch(np.arange(len(pairs)))
    return to_float(batch["source"]), to_float(batch["target"])


def pixel_figures(made: Tensor, targets: Tensor) -> dict[str, Figure]:
    """The metrics of pairs, beside their truth."""
    given, perceptual = iter(torch.split(made, 1)), load_perceptual()
    pairs = zip(torch.split(made, 1), torch.split(targets, 1), strict=True)
    return {found.name: found for found in pair_figures(lambda _: next(given), pairs, perceptual, split="test", generator="")}


def cell(figure: Figure | None, metric: str) -> str:
    """A value with its interval."""
    if figure is None or figure.interval is None:
        return ""
    factor = 1000 if metric.startswith("kernel") else 1
    value, low, high = (f"{round(number * factor, 9):.4g}" for number in (figure.value, *figure.interval))
    return f"{value} ({low} to {high})" if low != high else value


def verdict(run: Path) -> str:
    """What the doctor said last."""
    rows = Run(run).diagnoses()
    return f"The doctor's verdict: {rows[-1]['verdict']}." if rows else "Not examined by the doctor."


def threshold(sources: Tensor) -> Tensor:
    """The one line: black where the grey value is below 90, else white."""
    grey = np.stack([np.asarray(Image.fromarray(pixels).convert("L")) for pixels in to_pixels(sources)])
    return torch.from_numpy(np.where(grey < DARK, np.float32(-1), np.float32(1)))[:, None].expand(-1, 3, -1, -1)


def ways_of(sampler: Sampler) -> tuple[Make, Make | None]:
    """The generator and, if it goes both ways, the way back."""
    gan = sampler.gan

    @torch.inference_mode()
    def make(pictures: Tensor) -> Tensor:
        return gan.sample({"source": pictures.to(sampler.device)}, SilentNoise(len(pictures))).cpu()

    @torch.inference_mode()
    def back(pictures: Tensor) -> Tensor:
        assert isinstance(gan, HasReverse)
        return gan.reverse({"source": pictures.to(sampler.device)}, SilentNoise(len(pictures))).cpu()

    return make, back if isinstance(gan, HasReverse) else None


def write_sheet(path: Path, columns: Sequence[Tensor]) -> None:
    """Source | made | truth of some pairs from all over, side by side, at twice their size."""
    chosen = np.linspace(0, len(columns[0]) - 1, SHOWN).round().astype(int)
    shown: list[Samples] = [to_pixels(column)[chosen].repeat(2, 1).repeat(2, 2) for column in columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid(interleaved(shown).astype(np.uint8), 6)).save(path)


def judge_all(names: Sequence[str], chosen: argparse.Namespace) -> None:
    """Every run that is there: sheets, and tables for the terminal and the page."""
    lines = list[str]()
    for name in names:
        if Run(chosen.runs / name).checkpoints():
            lines += judge(name, chosen.tasks, chosen.runs / name, chosen.out)
    table = "\n".join(lines)
    print(table)
    if chosen.page is not None:
        before, _, rest = chosen.page.read_text().partition(START)
        _, _, after = rest.partition(END)
        write(chosen.page, f"{before}{START}\n{table}{END}{after}")


def main() -> None:
    """Train or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "judge"))
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/translation"))
    parser.add_argument("--only", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--minutes", type=float, default=6.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--page", type=Path, default=None)
    chosen = parser.parse_args()
    if chosen.step == "judge":
        judge_all(chosen.only, chosen)
    elif len(chosen.only) == 1:
        train(chosen.only[0], chosen.tasks, chosen.runs / chosen.only[0], chosen.minutes, chosen.seed)
    else:
        train_all(chosen.only, chosen)


if __name__ == "__main__":
    main()
