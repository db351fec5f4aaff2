"""What a GAN's images add to the few real ones that it was trained on, for a classifier of garments.

    python benchmarks/augment.py DATASETS [--family cgan] [--real 20 100] [--seeds 0 1 2]

DATASETS holds fashion-mnist/ (the four IDX files). For every seed other real images are drawn from the training images, a
conditional GAN is trained on them and nothing else, and `zerosum augment` measures on the 10,000 test images what its images
add. Every run is left in runs/augment and not repeated; the table of docs/augment.md is written anew.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import zerosum
from results import scaled
from zerosum.apply.augmentation import write_idx
from zerosum.cli import augment
from zerosum.data.idx import labels_beside, read_idx
from zerosum.evaluate.classifier import draw_each
from zerosum.evaluate.intervals import student_interval
from zerosum.run import write

ROOT = Path(__file__).parents[1]
RUNS, PAGE = ROOT / "runs" / "augment", ROOT / "docs" / "augment.md"
IMAGES, GENERATED = 60_000, 200
"""Length of a training, and generated images per class."""


def draw_few(folder: Path, datasets: Path, per_class: int, seed: int) -> str:
    """Write `per_class` training images of every class as IDX files."""
    origin = datasets / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    beside = labels_beside(origin)
    assert beside
    images, labels = read_idx(origin, 3), read_idx(beside, 1)
    chosen = np.sort(draw_each(labels.astype(np.int64), per_class, seed))
    folder.mkdir(parents=True, exist_ok=True)
    write_idx(folder / "images-idx3-ubyte.gz", images[chosen])
    write_idx(folder / "labels-idx1-ubyte.gz", labels[chosen])
    return str(folder / "images-idx3-ubyte.gz")


def run(datasets: Path, family: str, per_class: int, seed: int) -> None:
    """Draw, train, augment, and note the figures and the minutes of CPU time of the training."""
    folder = RUNS / f"{family}-{per_class}-{seed}"
    done = folder.with_suffix(".json")
    if done.exists():
        return
    few = draw_few(RUNS / f"real-{per_class}-{seed}", datasets, per_class, seed)
    recipe = scaled(zerosum.get_recipe(f"{family}:cpu"), IMAGES)
    stabilisers = replace(recipe.gan.stabilisers, augment="ada", augment_images=IMAGES)
    data = replace(recipe.data, path=few, held_out=0)
    train, gan = replace(recipe.train, seed=seed), replace(recipe.gan, stabilisers=stabilisers)
    begun = time.process_time()
    zerosum.train(replace(recipe, gan=gan, data=data, train=train), folder)
    minutes = (time.process_time() - begun) / 60
    tests = str(datasets / "fashion-mnist" / "t10k-images-idx3-ubyte.gz")
    options = ["--per-class", str(GENERATED), "--against", tests, "--seeds", "3", "--seed", str(1_000_000 * (seed + 1))]
    augment.main([few, "--run", str(folder), "--out", str(RUNS / f"made-{folder.name}"), *options])
    figures = json.loads((RUNS / f"made-{folder.name}" / "metrics.json").read_text())
    write(done, json.dumps({"minutes": minutes, "figures": figures}, indent=2))


def rows(family: str, per_class: int) -> list[str]:
    """The rows of the table, as far as there are runs."""
    found, lifts = list[str](), list[float]()
    for file in sorted(RUNS.glob(f"{family}-{per_class}-[0-9]*.json")):
        done = json.loads(file.read_text())
        lift, accepted = done["figures"]["lift"], done["figures"]["accepted"]
        lifts.append(lift["value"])
        without, with_generated = lift["note"].split(" ", 1)[0], lift["note"].split(", ", 1)[1].split(" ", 1)[0]
        low, high = lift["interval"]
        kept = f"{accepted['value']:.2f} ({accepted['floor']:.2f})"
        seed = file.stem.rpartition("-")[2]
        cells = (per_class, seed, without, with_generated, f"{lift['value']:+.3f} ({low:+.3f} .. {high:+.3f})", kept)
        found.append(f"| {' | '.join(map(str, cells))} | {done['minutes']:.1f} |")
    if len(lifts) > 1:
        low, high = student_interval(lifts)
        mean = f"**{statistics.mean(lifts):+.3f}** ({low:+.3f} .. {high:+.3f})"
        found.append(f"| {per_class} | all | | | {mean} | | |")
    return found


def main() -> None:
    """Run what is not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--family", default="cgan")
    parser.add_argument("--real", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    chosen = parser.parse_args()
    for seed in chosen.seeds:
        for per_class in chosen.real:
            run(chosen.datasets, chosen.family, per_class, seed)
    title = "| real per class | seed | accuracy without | with | gain (95 % interval) | accepted (real) | minutes of training |"
    table = [title, "|---|---|---|---|---|---|---|", *(row for count in chosen.real for row in rows(chosen.family, count))]
    print("\n".join(table))
    head, mark, rest = PAGE.read_text().partition(f"<!-- {chosen.family} -->\n")
    if mark:
        write(PAGE, head + mark + "\n".join(table) + "\n<!-- /" + rest.partition("<!-- /")[2])


if __name__ == "__main__":
    main()
