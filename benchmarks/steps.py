"""Training steps of every family through zerosum's engine, beside the same steps written by hand: python benchmarks/steps.py

Both in one process, taking turns, on one thread pinned to one core, by CPU time: medians, their ratio, and the quartiles of the
ratio over the rounds. The overhead is what the engine's loop, data, log and average add to the turns alone.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import torch

from plain import Plain, copy_weights
from zerosum import gans
from zerosum.api import build_gan, make_feed
from zerosum.data import open_data
from zerosum.game import GAN, Batch
from zerosum.recipe import Recipe, Stabilisers
from zerosum.training.balance import Balance
from zerosum.training.loop import Loop
from zerosum.training.state import State

CASES = ("gan:cpu", "dcgan:cpu", "cgan:cpu", "wgan:cpu", "wgan_gp:cpu", "wgan_gp:mlp", "sngan:cpu")
GOALS = {"dcgan:cpu": 1.15, "wgan_gp:mlp": 1.4, "sngan:cpu": 1.5}


def seconds(step: Callable[[], object]) -> float:
    """CPU time of one step."""
    start = time.process_time()
    step()
    return time.process_time() - start


def engine_step(recipe: Recipe) -> Callable[[], None]:
    """One step of zerosum's own loop, data included."""
    dataset = open_data(recipe.data)
    state = State(build_gan(recipe, dataset.card, torch.device("cpu")), recipe.optimisers, recipe.train.batch)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), torch.device("cpu"))
    loop = Loop(state, feed, 0, recipe.train.seed, recipe.average, log_every=recipe.jobs.log_every)

    def step() -> None:
        loop.images += recipe.train.batch
        loop.run()

    return step


def bare_step(recipe: Recipe, batches: list[Batch]) -> Callable[[], None]:
    """The turns alone, on batches that are already there."""
    state = State(build_gan(recipe, open_data(recipe.data).card, torch.device("cpu")), recipe.optimisers, recipe.train.batch)

    def step() -> None:
        for turn in state.gan.turns():
            state.gan.requires_grad_(False)
            state.gan.players()[turn.player].requires_grad_(True)
            for play in range(Balance(None).plays(turn, 100)):
                state.optimisers[turn.player].zero_grad(set_to_none=True)
                sum(turn.loss(batches[play], 0.0).terms.values()).backward()
                state.optimisers[turn.player].step()
                if turn.project:
                    turn.project(state.batch)

    return step


def plain_step(recipe: Recipe, batches: list[Batch]) -> Callable[[], None]:
    """The step written by hand, on images that are already there, drawn at random."""
    card = open_data(recipe.data).card
    plain, gan = Plain(recipe, card.shapes), build_gan(recipe, card, torch.device("cpu"))
    copy_players(gan, plain)
    pool = {key: torch.cat([batch[key] for batch in batches]).contiguous() for key in batches[0]}

    def step() -> None:
        drawn = torch.randint(len(pool["image"]), (plain.judge_steps, recipe.train.batch))
        plain.step({key: value[rows] for key, value in pool.items()} for rows in drawn)

    return step


def without_cures(recipe: Recipe) -> Recipe:
    """The recipe without minibatch layers and instance noise, which the steps written by hand do not have."""
    return replace(recipe, gan=replace(recipe.gan, stabilisers=Stabilisers()))


def copy_players(gan: GAN, plain: Plain) -> None:
    """zerosum's weights into the networks written by hand."""
    players = gan.players()
    copy_weights(players.pop("generator"), plain.generator)
    copy_weights(*players.values(), plain.judge)


def measure(name: str, repeats: int) -> dict[str, float | str]:
    """Times of one recipe's step in milliseconds, and their ratios."""
    recipe = without_cures(gans.get_recipe(name))
    dataset = open_data(recipe.data)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), torch.device("cpu"))
    batches = [feed.draw(number)[0] for number in range(8)]
    feed.close()
    steps = {"engine": engine_step(recipe), "bare": bare_step(recipe, batches), "plain": plain_step(recipe, batches)}
    times: dict[str, list[float]] = {key: [] for key in steps}
    for step in [*steps.values()] * 2:
        step()
    for number in range(repeats):
        # Each in turn is the first of a round, so that none always finds another's data in the cache.
        for key in [*steps, *steps][number % 3 :][:3]:
            times[key].append(seconds(steps[key]))
    pairs = [plain / engine for plain, engine in zip(times["plain"], times["engine"], strict=True)]
    low, _, high = quantiles(pairs, n=4)
    middle = {key: median(values) for key, values in times.items()}
    return {
        "case": name,
        **{f"{key}_ms": 1e3 * value for key, value in middle.items()},
        "ratio": middle["plain"] / middle["engine"],
        "ratio_low": low,
        "ratio_high": high,
        "overhead": median(e / b for e, b in zip(times["engine"], times["bare"], strict=True)) - 1,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, help="recipes, as family:recipe")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/steps.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"torch {torch.__version__}, one thread, CPU time, medians of {arguments.repeats}")
    print(f"{'recipe':<14}{'zerosum':>10}{'by hand':>10}{'ratio':>8}{'quartiles':>14}{'goal':>6}{'overhead':>10}")
    rows = []
    for case in arguments.cases:
        row = measure(case, arguments.repeats)
        rows.append(row)
        spread = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
        times = f"{row['engine_ms']:>7.1f} ms{row['plain_ms']:>7.1f} ms{row['ratio']:>8.2f}{spread:>14}"
        print(f"{case:<14}{times}{GOALS.get(case, ''):>6}{row['overhead']:>10.1%}", flush=True)
    arguments.out.write_text(json.dumps({"torch": torch.__version__, "steps": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
