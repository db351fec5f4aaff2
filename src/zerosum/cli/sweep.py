"""`zerosum sweep FAMILY:RECIPE --over FIELD=LOW..HIGH --trials N --metric NAME --out DIR`: many runs, and the best of them."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from zerosum import distributed, gans
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.cli.train import spelled_out
from zerosum.recipe import Recipe, differences
from zerosum.sweeping import Sweep, read_ranges, varied

USAGE = """usage: zerosum sweep FAMILY[:RECIPE] --over FIELD=RANGE [...] --trials N --out DIR [--any.field VALUE ...]

Trains the recipe many times with some fields varied, and says which values served best. RANGE is LOW..HIGH (on a logarithmic
scale from a factor of ten on) or a,b,c. FIELD is any that `zerosum train FAMILY:RECIPE --help` lists, or lr: the learning rates
of all players. A number in place of a schedule is where that schedule starts.
Trials are judged while they train, by --metric (kid); one that falls behind the median is ended. Each is a run folder in DIR.
The same command goes on where it was left, and with more --trials it adds some. All other options are those of `zerosum train`.

  zerosum sweep dcgan:cpu --over lr=1e-4..1e-3 gan.latent=32,64,128 --trials 20 --data photos/ --out sweeps/rates"""


@dataclass(frozen=True)
class Options:
    """Vary fields of a recipe."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    """What to train."""
    over: tuple[str, ...]
    """Fields and their ranges: FIELD=LOW..HIGH or FIELD=a,b,c."""
    out: Path
    """The folder of the sweep. If it holds this sweep already, that goes on."""
    trials: int = 20
    """Runs in all."""
    metric: str = "kid"
    """What decides, of the metrics that `zerosum train --jobs.metrics` takes."""
    seed: int = 0
    """Of the values that are drawn; all trials have the recipe's own --train.seed."""


def main(arguments: list[str]) -> int:
    """Sweep, print and write."""
    if not arguments or arguments[:1] in (["-h"], ["--help"]):
        return say(USAGE)
    name, *rest = arguments
    if name.startswith("-"):
        raise ValueError(f"zerosum sweep needs a family first, not {name!r}, such as dcgan:cpu; `zerosum ls` lists them")
    if distributed.launched():
        raise ValueError("zerosum sweep trains its runs in one process: leave torchrun away")
    recipe = gans.get_recipe(name)
    default = Options(recipe, (), Path("sweeps") / name.replace(":", "-"))
    chosen = options(Options, f"zerosum sweep {name}", spelled_out(rest), default)
    if chosen.trials < 1:
        raise ValueError(f"--trials must be at least 1, not {chosen.trials}")
    sweep = Sweep(chosen.recipe, read_ranges(chosen.over, chosen.recipe), chosen.metric, chosen.out, chosen.seed)
    console = Console(markup=False, soft_wrap=True)
    try:
        sweep.run(chosen.trials, console.print)
    finally:
        if sweep.finished():
            sweep.write_results()
    Console(width=None if console.is_terminal else 160).print(sweep.table())
    best = sweep.finished()[0]
    if best.value is None:
        raise ValueError(f"every trial failed; the first: {best.user_attrs.get('failed')}")
    return say(
        f"table     {chosen.out / 'table.csv'}\nplot      {chosen.out / 'sweep.png'}\n"
        f"best      {chosen.out / f'{best.number:03d}'}\n"
        f"use it    {command(name, varied(chosen.recipe, sweep.values(best)))}\n"
        "The best of many is better than it will be again: train it with other seeds (--train.seed) before you rely on it"
    )


def command(name: str, recipe: Recipe) -> str:
    """The command that trains a recipe which came from the one of that name."""
    changed = differences(gans.get_recipe(name), recipe)
    options = [f"--{field} {shlex.quote(str(value))}" for field, _, value in changed if not field.startswith("jobs.")]
    return " ".join(["zerosum train", name, *options])
