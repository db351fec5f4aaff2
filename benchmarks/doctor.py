"""Planted failures and healthy runs, and what the doctor says of them.

    python benchmarks/doctor.py [--seeds 0 1 2] [--only NAME ...]

Examinations are left in runs/doctor and not repeated; the rows of docs/doctor.md that they give are made anew, others stay.
"""

import argparse
import dataclasses
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from zerosum import api, get_recipe, train
from zerosum.data import Dataset, Images, open_data, split
from zerosum.data.feed import Feed
from zerosum.diagnose.examination import Reference, Signals, examine
from zerosum.diagnose.verdict import HEALTHY, Players, diagnose
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.schedules import Schedule
from zerosum.training.loop import DivergedError, Job, Loop
from zerosum.training.state import State

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "doctor"
PAGE = ROOT / "docs" / "doctor.md"
IMAGES = 32_000
"""Length of the runs on images."""
LENGTHS = {
    "gan:cpu": 256_000,
    "wgan_gp:cpu": 96_000,
    "gan:ring": 1_024_000,
    "gan:ring_collapse": 64_000,
    "stylegan2:cpu": 96_000,
}
"""Of those that take longer, or less."""
EVERY = 16
"""Examinations in a run."""


@dataclass(frozen=True)
class Case:
    """A run with a known ailment, or none."""

    recipe: str
    expected: tuple[str, ...]
    """Verdicts that name it."""
    rates: dict[str, float] = dataclasses.field(default_factory=dict)
    """Factors of the players' learning rates."""
    keep: Callable[[Dataset, np.ndarray], np.ndarray] = lambda dataset, positions: positions
    """Of the positions to train on, those that the discriminator is shown."""
    shuffled: bool = False
    """Whether labels are shuffled."""
    cure: Callable[[Recipe], Recipe] = lambda recipe: recipe
    """What the doctor advised."""


def few(dataset: Dataset, positions: np.ndarray) -> np.ndarray:
    """200 examples."""
    return np.sort(np.random.default_rng(0).permutation(positions)[:200])


def balanced(recipe: Recipe) -> Recipe:
    """--train.balance 0.8."""
    return replace(recipe, train=replace(recipe.train, balance=0.8))


def slower(recipe: Recipe) -> Recipe:
    """A tenth of the discriminator's rate."""
    return paced(recipe, 0.1)


def faster(recipe: Recipe) -> Recipe:
    """Ten times the discriminator's rate."""
    return paced(recipe, 10)


def paced(recipe: Recipe, factor: float) -> Recipe:
    """The recipe with another rate of its discriminator."""
    optimiser = recipe.optimisers["discriminator"]
    changed = replace(optimiser, rate=scaled(optimiser.rate, factor, 1))
    return replace(recipe, optimisers={**recipe.optimisers, "discriminator": changed})


def augmented(recipe: Recipe) -> Recipe:
    """--augment ada --gan.stabilisers.augment-images 50000."""
    stabilisers = replace(recipe.gan.stabilisers, augment="ada", augment_images=50_000)  # type: ignore[attr-defined]
    return replace(recipe, gan=replace(recipe.gan, stabilisers=stabilisers))


def half_the_classes(dataset: Dataset, positions: np.ndarray) -> np.ndarray:
    """Examples of the first five classes."""
    assert isinstance(dataset, Images)
    assert dataset.labels is not None
    return positions[dataset.labels[positions] < 5]


def half_the_ring(dataset: Dataset, positions: np.ndarray) -> np.ndarray:
    """Points of the ring's upper half."""
    return positions[dataset.batch(positions)["point"][:, 1].numpy() > 0.3]


CASES = {
    **{f"healthy {name}": Case(f"{name}:cpu", HEALTHY) for name in ("gan", "dcgan", "cgan", "wgan", "wgan_gp", "sngan")},
    "healthy ring": Case("gan:ring", HEALTHY),
    "collapsing ring": Case("gan:ring_collapse", ("mode collapse",)),
    "half the ring": Case("gan:ring", ("mode collapse",), keep=half_the_ring),
    "half the classes": Case("dcgan:cpu", ("mode collapse",), keep=half_the_classes),
    "discriminator rate x 50": Case("dcgan:cpu", ("discriminator overpowers",), {"discriminator": 50}),
    "discriminator rate / 50": Case("dcgan:cpu", ("generator overpowers",), {"discriminator": 1 / 50}),
    "200 images": Case("dcgan:cpu", ("discriminator overfits",), keep=few),
    "200 images, stylegan2": Case("stylegan2:cpu", ("discriminator overfits",), keep=few),
    "both rates x 1000": Case("dcgan:cpu", ("diverging",), {"discriminator": 1000, "generator": 1000}),
    "critic rate x 1000": Case("wgan_gp:cpu", ("diverging",), {"critic": 1000, "generator": 1000}),
    "shuffled labels": Case("cgan:cpu", ("labels ignored",), shuffled=True),
}


CURES: dict[str, tuple[Callable[[Recipe], Recipe], ...]] = {
    "discriminator rate x 50": (slower, balanced),
    "discriminator rate / 50": (faster, balanced),
    "200 images": (augmented,),
    "200 images, stylegan2": (augmented,),
}
"""What the doctor advises, tried."""
RESCUES = [(recipe, 1000.0) for recipe in ("gan:cpu", "dcgan:cpu", "sngan:cpu")]
"""Runs at so many times their rates, with leave to recover."""


def scaled(schedule: Schedule, factor: float, length: float) -> Schedule:
    """The schedule with other values, over another length."""
    start, end = schedule.start * factor, schedule.end * factor
    return replace(schedule, start=start, end=end, over=schedule.over * length, delay=schedule.delay * length)


def shortened(case: Case, seed: int) -> Recipe:
    """The case's recipe, with its rates, over a shorter run."""
    recipe = get_recipe(case.recipe)
    images = LENGTHS.get(case.recipe, IMAGES)
    images -= images % recipe.train.batch
    length = images / recipe.train.images
    optimisers = {
        name: replace(optimiser, rate=scaled(optimiser.rate, case.rates.get(name, 1), length))
        for name, optimiser in recipe.optimisers.items()
    }
    return replace(recipe, optimisers=optimisers, train=replace(recipe.train, images=images, seed=seed))


def play(case: Case, seed: int) -> list[Signals]:
    """Train, with an examination now and then."""
    recipe = case.cure(shortened(case, seed))
    dataset, device = open_data(recipe.data), torch.device("cpu")
    if case.shuffled:
        assert isinstance(dataset, Images)
        dataset.labels = np.random.default_rng(seed).permutation(dataset.labels)
    train, held_out = split(len(dataset), recipe.data.held_out)
    shown = case.keep(dataset, train)
    gan = api.build_gan(recipe, dataset.card, device)
    state = State(gan, recipe.optimisers, recipe.train.batch, recipe.train.balance)
    # Memorisation shows only beside the examples that were shown.
    reference = Reference(dataset, shown if case.keep is few else train, held_out, gan.makes)
    found: list[Signals] = []

    def look(state: State, means: dict[str, float]) -> None:
        progress = state.images / recipe.train.images
        found.append(
            examine(state.gan, state.average, reference, images=state.images, progress=progress, batch=state.batch, means=means)
        )

    every = math.ceil(recipe.train.images / EVERY / recipe.train.batch) * recipe.train.batch
    feed = Feed(dataset, shown, batch=recipe.train.batch, seed=seed, channels_last=recipe.train.channels_last)
    loop = Loop(state, feed, recipe.train.images, seed, recipe.average, [Job(every, look)], log_every=every)
    try:
        loop.run()
    except DivergedError:
        found.append(Signals(images=state.images, finite=False))
    finally:
        feed.close()
    return found


def rescue(recipe: str, factor: float, seed: int) -> dict[str, Any]:
    """Train at rates that are `factor` times too high, with leave to recover: what came of it."""
    folder = RUNS / f"{rescue_name(recipe, factor)}-{seed}"
    case = Case(recipe, HEALTHY, dict.fromkeys(get_recipe(recipe).optimisers, factor))
    settings = shortened(case, seed)
    every = settings.train.images // EVERY
    jobs = replace(settings.jobs, recover=3, log_every=every, diagnose_every=every, checkpoint_every=every, keep=EVERY)
    with suppress(DivergedError):
        train(replace(settings, jobs=jobs), folder, console=Console(quiet=True))
    run = Run(folder)
    newest, recoveries = run.diagnoses()[-1], [recovery["reason"] for recovery in run.recoveries()]
    found = {name: newest.get(name) for name in ("images", "verdict", "distance", "diversity")}
    return {"recipe": recipe, "factor": factor, "seed": seed, "recoveries": recoveries, **found}


def verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """What the doctor says at every examination of a run."""
    history = [Signals.from_row(row) for row in rows]
    players = Players({"generator": 1e-3, "discriminator": 1e-3}, ("discriminator",))
    return [diagnose(history[: number + 1], players).verdict for number in range(len(history))]


def confusion() -> str:
    """Case by case: verdicts at the end, when the ailment was first named, and alarms that were false."""
    lines = [
        "| run | recipe | verdict at the end (seeds) | first named after | other ailments named in passing |",
        "|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        runs = [json.loads(path.read_text()) for path in sorted(RUNS.glob(f"{file_name(name)}-[0-9]*.json"))]
        if not runs:
            continue
        said = [verdicts(run["rows"]) for run in runs]
        ends = Counter(run[-1] for run in said)
        share = [next((number + 1 for number, word in enumerate(run) if word in case.expected), None) for run in said]
        first = [number / len(run) for number, run in zip(share, said, strict=True) if number]
        named = "" if case.expected == HEALTHY or not first else f"{statistics.median(first):.0%} of the run"
        false = Counter(word for run in said for word in run if word not in (*case.expected, *HEALTHY))
        cells = [", ".join(f"{word} ({count})" for word, count in found.items()) for found in (ends, false)]
        lines.append(f"| {name} | {case.recipe} | {cells[0]} | {named} | {cells[1]} |")
    return "\n".join(lines)


def cures() -> str:
    """What became of ailing runs with and without what the doctor advises."""
    lines = ["| run | tried | verdict at the end | distance at the end | without: distance |", "|---|---|---|---|---|"]
    for name, cure in ((name, cure) for name, tried in CURES.items() for cure in tried):
        cured, ailing = (
            [json.loads(path.read_text())["rows"] for path in sorted(RUNS.glob(f"{file_name(word)}-[0-9]*.json"))]
            for word in (f"{name} {cure.__name__}", name)
        )
        if not cured:
            continue
        ends = Counter(verdicts(rows)[-1] for rows in cured)
        said = ", ".join(f"{word} ({count})" for word, count in ends.items())
        distances = [", ".join(f"{rows[-1]['distance']:.3f}" for rows in runs) for runs in (cured, ailing)]
        lines.append(f"| {name} | {(cure.__doc__ or '').strip('.')} | {said} | {distances[0]} | {distances[1]} |")
    return "\n".join(lines)


def rescues() -> str:
    """Of the runs that diverged, how many were saved."""
    lines = ["| recipe | rates times | runs | diverged | saved | recoveries each |", "|---|---|---|---|---|---|"]
    for recipe, factor in RESCUES:
        runs = [json.loads(path.read_text()) for path in sorted(RUNS.glob(f"{rescue_name(recipe, factor)}-[0-9]*.json"))]
        if not runs:
            continue
        diverged = [run for run in runs if run["recoveries"] or run["verdict"] == "diverging"]
        saved = [run for run in diverged if run["verdict"] in HEALTHY]
        counts = ", ".join(str(len(run["recoveries"])) for run in diverged)
        lines.append(f"| {recipe} | {factor:g} | {len(runs)} | {len(diverged)} | {len(saved)} | {counts} |")
    return "\n".join(lines)


def renewed(old: str, new: str) -> str:
    """A table with those of its rows anew that there are runs of here; the first two cells say which row it is."""
    rows = {tuple(line.split("|")[:3]): line for line in (*old.splitlines(), *new.splitlines())}
    return "\n".join(rows.values())


def file_name(case: str) -> str:
    """Of a case's results, without seed."""
    return case.replace(" ", "-").replace("/", "by")


def rescue_name(recipe: str, factor: float) -> str:
    """Of a rescue's results, without seed."""
    return f"rescue-{recipe.partition(':')[0]}-{factor:g}"


def main() -> None:
    """Play what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", help="names of cases")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    RUNS.mkdir(parents=True, exist_ok=True)
    cases = CASES | {
        f"{name} {cure.__name__}": replace(CASES[name], cure=cure) for name, tried in CURES.items() for cure in tried
    }
    for seed in chosen.seeds:
        for name, case in cases.items():
            path = RUNS / f"{file_name(name)}-{seed}.json"
            if path.exists() or (chosen.only and name not in chosen.only):
                continue
            begun = time.process_time()
            found = play(case, seed)
            seconds = time.process_time() - begun
            path.write_text(
                json.dumps({"case": name, "seed": seed, "seconds": seconds, "rows": [row.to_row() for row in found]})
            )
            print(f"{name}, seed {seed}: {seconds:.0f} s", flush=True)
        for recipe, factor in () if chosen.only else RESCUES:
            path = RUNS / f"{rescue_name(recipe, factor)}-{seed}.json"
            if not path.exists():
                path.write_text(json.dumps(rescue(recipe, factor, seed)))
                print(path.read_text(), flush=True)
    text = PAGE.read_text()
    for mark, table in {"verdicts": confusion(), "cures": cures(), "rescues": rescues()}.items():
        head, _, rest = text.partition(f"<!-- {mark} -->\n")
        old, _, rest = rest.partition(f"\n<!-- /{mark} -->")
        text = f"{head}<!-- {mark} -->\n{renewed(old, table)}\n<!-- /{mark} -->{rest}"
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
