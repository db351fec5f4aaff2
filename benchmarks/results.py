"""Ten minutes of one core each: families on Fashion-MNIST, trained on its 60,000 and judged against its 10,000 images.

    python benchmarks/results.py train-images-idx3-ubyte.gz t10k-images-idx3-ubyte.gz [--only dcgan] [--seeds 0 1 2]

Every run is left in runs/results and not repeated; docs/results.md is written anew from all that lie there.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

import zerosum
from zerosum.cli import evaluate
from zerosum.recipe import Optimiser, Recipe
from zerosum.schedules import Schedule

IMAGES = {"dcgan": 600_000, "wgan_gp": 300_000, "sngan": 320_000}
"""About ten minutes of one thread where they were measured; the table says how many it took."""
COLUMNS = ("frechet (lite0)", "kernel distance (lite0)", "precision", "recall", "density", "coverage")
ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "results"
PAGE = ROOT / "docs" / "results.md"


def scaled(recipe: Recipe, images: int) -> Recipe:
    """The recipe over another number of images, its schedules stretched alike."""
    share = images / recipe.train.images

    def stretch(schedule: Schedule) -> Schedule:
        return replace(schedule, over=schedule.over * share, delay=schedule.delay * share)

    optimisers: dict[str, Optimiser] = {
        name: replace(optimiser, rate=stretch(optimiser.rate)) for name, optimiser in recipe.optimisers.items()
    }
    return replace(recipe, optimisers=optimisers, train=replace(recipe.train, images=images))


def run(family: str, seed: int, train: str, held_out: str) -> None:
    """Train, judge, and note the minutes taken."""
    folder = RUNS / f"{family}-{seed}"
    done = folder.with_suffix(".json")
    if done.exists():
        return
    recipe = scaled(zerosum.get_recipe(f"{family}:cpu"), IMAGES[family])
    recipe = replace(recipe, data=replace(recipe.data, path=train), train=replace(recipe.train, seed=seed))
    begun = time.process_time()
    zerosum.train(recipe, folder)
    minutes = (time.process_time() - begun) / 60
    figures = RUNS / f".{family}-{seed}.json"
    evaluate.main([str(folder), "--against", held_out, "--seed", str(1_000_000 * (seed + 1)), "--out", str(figures)])
    done.write_text(json.dumps({"minutes": minutes, "figures": json.loads(figures.read_text())}, indent=2))
    figures.unlink()


def spread(values: list[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{statistics.mean(values):.3g} ± {statistics.stdev(values):.2g}" if len(values) > 1 else f"{values[0]:.3g}"


def page() -> str:
    """The table of all runs there are."""
    lines = [f"| recipe | images | minutes | seeds | {' | '.join(COLUMNS)} |", "|---" * (4 + len(COLUMNS)) + "|"]
    floors: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for family, images in IMAGES.items():
        runs = [json.loads(path.read_text()) for path in sorted(RUNS.glob(f"{family}-[0-9]*.json"))]
        if not runs:
            continue
        cells = [spread([run["figures"][name]["value"] for run in runs]) for name in COLUMNS]
        for name in COLUMNS:
            floors[name] += [run["figures"][name]["floor"] for run in runs]
        minutes = spread([run["minutes"] for run in runs])
        lines.append(f"| {family}:cpu | {images:,} | {minutes} | {len(runs)} | {' | '.join(cells)} |")
    known = [f"{statistics.mean(values):.3g}" if values else "" for values in floors.values()]
    return "\n".join([*lines, f"| real images | | | | {' | '.join(known)} |"])


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="images to train on")
    parser.add_argument("held_out", help="images to judge against")
    parser.add_argument("--only", choices=list(IMAGES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    RUNS.mkdir(parents=True, exist_ok=True)
    for seed in chosen.seeds:
        for family in [chosen.only] if chosen.only else IMAGES:
            run(family, seed, chosen.train, chosen.held_out)
    head, _, rest = PAGE.read_text().partition("<!-- results -->\n")
    PAGE.write_text(f"{head}<!-- results -->\n{page()}\n<!-- /results -->{rest.partition('<!-- /results -->')[2]}")


if __name__ == "__main__":
    main()
