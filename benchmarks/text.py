"""The game against maximum likelihood on real sentences: the second stage of textgan and seqgan beside the first.

    python benchmarks/text.py FOLDER --out runs/text [--families textgan seqgan] [--corpora wordnet kjv] [--seeds 0 1 2]

FOLDER holds wordnet_examples.txt (example sentences of WordNet) and kjv.txt (verses). Runs that are there and finished are not
trained again, so the table can be printed anew. Every run is judged by `zerosum evaluate` on text that was held out.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

import zerosum
from zerosum import gans
from zerosum.cli import main as command
from zerosum.recipe import Recipe
from zerosum.run import Run

CORPORA = {"wordnet": ("wordnet_examples.txt", 1.0), "kjv": ("kjv.txt", 0.4)}
"""File, and the share of the recipe's length that is trained."""
COLDER = 0.85
"""A temperature at which maximum likelihood, too, gives up variety for likelier words (Caccia et al. 2020)."""
METRICS = ("bleu-2", "bleu-3", "bleu-4", "bleu-5", "self-bleu-3", "self-bleu-4", "perplexity", "coverage", "novelty", "repeats")


def recipe_for(name: str, path: Path, share: float, seed: int, start: Path | None) -> Recipe:
    """A recipe for a CPU on this text."""
    recipe = gans.get_recipe(name)
    images = max(1, round(recipe.train.images * share / recipe.train.batch)) * recipe.train.batch
    training = replace(recipe.train, images=images, seed=seed, start=start and str(start))
    jobs = replace(recipe.jobs, sample_every=images, checkpoint_every=images, keep=1)
    return replace(recipe, data=replace(recipe.data, path=str(path)), train=training, jobs=jobs)


def train_both(folder: Path, family: str, path: Path, share: float, seed: int) -> list[Path]:
    """Both stages, the second from the first."""
    stages = [folder / f"{path.stem}-{family}-{stage}-{seed}" for stage in ("likelihood", "gan")]
    for stage, name, start in zip(stages, ("cpu_likelihood", "cpu"), (None, stages[0]), strict=True):
        recipe = recipe_for(f"{family}:{name}", path, share, seed, start)
        if recipe.train.images not in [int(checkpoint.name) for checkpoint in Run(stage).checkpoints()]:
            zerosum.train(recipe, stage, console=Console(quiet=True))
    return stages


def judged(run: Path, temperature: float = 1.0) -> dict[str, float]:
    """The figures of a run by name, and those of real text in its place."""
    file = run / ("metrics.json" if temperature == 1 else f"metrics-{temperature}.json")
    if not file.is_file() and command(["evaluate", str(run), "--temperature", str(temperature), "--out", str(file)]):
        raise SystemExit(f"{run} cannot be judged")
    figures = json.loads(file.read_text())
    return {name: figure["value"] for name, figure in figures.items()} | {
        f"{name} (real)": figure["floor"] for name, figure in figures.items()
    }


def row(name: str, figures: Sequence[dict[str, float]], suffix: str = "") -> str:
    """Means over seeds, and the least and the largest, as a row of a table."""
    cells = []
    for metric in METRICS:
        values = [found[metric + suffix] for found in figures]
        cells.append(
            f"{np.mean(values):.3g} ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else f"{values[0]:.3g}"
        )
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Train, judge and print a table for each text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/text"))
    parser.add_argument("--families", nargs="+", default=["textgan", "seqgan"])
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA), choices=list(CORPORA))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only-train", action="store_true", help="do not judge")
    chosen = parser.parse_args()
    for corpus in chosen.corpora:
        name, share = CORPORA[corpus]
        runs = {
            family: [train_both(chosen.out, family, chosen.folder / name, share, seed) for seed in chosen.seeds]
            for family in chosen.families
        }
        if chosen.only_train:
            continue
        print(f"\n{corpus}, seeds {chosen.seeds}\n\n| | {' | '.join(METRICS)} |\n|{'---|' * (len(METRICS) + 1)}")
        for family, stages in runs.items():
            print(row(f"{family}, maximum likelihood", [judged(first) for first, _ in stages]))
            print(row(f"{family}, maximum likelihood, colder", [judged(first, COLDER) for first, _ in stages]))
            print(row(f"{family}, game", [judged(second) for _, second in stages]))
        print(row("real text that was held out", [judged(stages[0][1]) for stages in runs.values()][:1], " (real)"))


if __name__ == "__main__":
    main()
