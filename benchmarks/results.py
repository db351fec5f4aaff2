"""What `cpu` recipes reach in ten or fifteen minutes of one core.

    python benchmarks/results.py DATASETS [--suite ten fashion emoji] [--only dcgan] [--seeds 0 1 2]

DATASETS holds fashion-mnist/ (the four IDX files) and emoji/noto/ (folders of 64-pixel images by class). Every run is left in
runs/results and not repeated; the tables of docs/results.md are written anew where runs lie there, and grids of seed 0.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import zerosum
from zerosum.cli import evaluate
from zerosum.pictures import picture
from zerosum.recipe import Optimiser, Recipe
from zerosum.run import write
from zerosum.schedules import Schedule

COLUMNS = ("frechet (lite0)", "kernel distance (lite0)", "precision", "recall", "density", "coverage")
ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "results"
PAGE = ROOT / "docs" / "results.md"


@dataclass(frozen=True)
class Suite:
    """Families trained on one data set for the same time."""

    data: str
    """To train on, below DATASETS."""
    against: str | None
    """Held-out images to judge by, below DATASETS; None: those of the training."""
    images: dict[str, int]
    """Family -> length of its run, which took about the same time where it was measured; the table says how long it took."""


FASHION, HELD_OUT = "fashion-mnist/train-images-idx3-ubyte.gz", "fashion-mnist/t10k-images-idx3-ubyte.gz"
QUARTER = {"dcgan": 1_140_000, "biggan": 210_000, "stylegan2": 400_000, "r3gan": 230_000}
SUITES = {
    "ten": Suite(FASHION, HELD_OUT, {"dcgan": 600_000, "wgan_gp": 300_000, "sngan": 320_000}),
    "fashion": Suite(FASHION, HELD_OUT, QUARTER),
    "emoji": Suite("emoji/noto", None, QUARTER),
}


def scaled(recipe: Recipe, images: int) -> Recipe:
    """The recipe over another number of images, its schedules stretched alike."""
    share = images / recipe.train.images

    def stretch(schedule: Schedule) -> Schedule:
        return replace(schedule, over=schedule.over * share, delay=schedule.delay * share)

    optimisers: dict[str, Optimiser] = {
        name: replace(optimiser, rate=stretch(optimiser.rate), beta2=stretch(optimiser.beta2))
        for name, optimiser in recipe.optimisers.items()
    }
    return replace(recipe, optimisers=optimisers, train=replace(recipe.train, images=images))


def run(name: str, family: str, seed: int, datasets: Path) -> None:
    """Train, judge, and note the minutes of CPU time taken."""
    suite, folder = SUITES[name], RUNS / f"{name}-{family}-{seed}"
    done = folder.with_suffix(".json")
    if done.exists():
        return
    recipe = scaled(zerosum.get_recipe(f"{family}:cpu"), suite.images[family])
    data = replace(recipe.data, path=str(datasets / suite.data))
    begun = time.process_time()
    zerosum.train(replace(recipe, data=data, train=replace(recipe.train, seed=seed)), folder)
    minutes = (time.process_time() - begun) / 60
    figures = RUNS / f".{folder.name}.json"
    against = ["--against", str(datasets / suite.against)] if suite.against else []
    evaluate.main([str(folder), *against, "--seed", str(1_000_000 * (seed + 1)), "--out", str(figures)])
    done.write_text(json.dumps({"minutes": minutes, "figures": json.loads(figures.read_text())}, indent=2))
    figures.unlink()
    if seed == 0:
        write(ROOT / "docs" / "images" / f"{name}-{family}.png", picture(zerosum.load(folder).sample(60), 10))


def spread(values: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{statistics.mean(values):.3g} ± {statistics.stdev(values):.2g}" if len(values) > 1 else f"{values[0]:.3g}"


def table(name: str) -> str:
    """All runs there are of a suite."""
    lines = [f"| recipe | images | minutes | seeds | {' | '.join(COLUMNS)} |", "|---" * (4 + len(COLUMNS)) + "|"]
    floors: dict[str, list[float]] = {column: [] for column in COLUMNS}
    for family, images in SUITES[name].images.items():
        runs = [json.loads(path.read_text()) for path in sorted(RUNS.glob(f"{name}-{family}-[0-9]*.json"))]
        if not runs:
            continue
        cells = [spread([run["figures"][column]["value"] for run in runs]) for column in COLUMNS]
        for column in COLUMNS:
            floors[column] += [run["figures"][column]["floor"] for run in runs]
        minutes = spread([run["minutes"] for run in runs])
        lines.append(f"| {family}:cpu | {images:,} | {minutes} | {len(runs)} | {' | '.join(cells)} |")
    known = [f"{statistics.mean(values):.3g}" if values else "" for values in floors.values()]
    return "\n".join([*lines, f"| real images | | | | {' | '.join(known)} |"])


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, help="holds fashion-mnist/ and emoji/")
    parser.add_argument("--suite", nargs="+", choices=list(SUITES), default=list(SUITES))
    parser.add_argument("--only", nargs="+", help="families")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    RUNS.mkdir(parents=True, exist_ok=True)
    for seed in chosen.seeds:
        for name in chosen.suite:
            for family in SUITES[name].images:
                if not chosen.only or family in chosen.only:
                    run(name, family, seed, chosen.datasets)
    text = PAGE.read_text()
    for name in SUITES:
        if list(RUNS.glob(f"{name}-*.json")):
            head, _, rest = text.partition(f"<!-- {name} -->\n")
            text = f"{head}<!-- {name} -->\n{table(name)}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
