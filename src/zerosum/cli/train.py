"""`zerosum train FAMILY[:RECIPE] [--data PATH] [--out DIR] [--any.field value]`: train, or resume a run."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from zerosum import api, distributed, gans
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.recipe import Recipe

USAGE = """usage: zerosum train FAMILY[:RECIPE] [--data PATH] [--out DIR] [--any.field VALUE ...]

Trains the recipe on your data, or resumes the run in DIR. Without --data: an embedded set of real images.
`zerosum ls` lists families and recipes; `zerosum train FAMILY:RECIPE --help` lists every field and its value.
FAMILY may be a module of your own: zerosum train examples.my_gan:tiny"""


@dataclass(frozen=True)
class Train:
    """Train a GAN, or resume a run."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    """What to train. `--data PATH` is short for `--data.path PATH`."""
    out: Path
    """The run folder. If it holds an unfinished run of the same recipe, that is resumed."""


def main(arguments: list[str]) -> int:
    """Train or resume."""
    if not arguments or arguments[0].startswith("-"):
        return say(USAGE) if arguments[:1] in (["-h"], ["--help"]) else _no_family(arguments)
    name, *rest = arguments
    recipe = gans.get_recipe(name)
    default = Train(recipe, Path("runs") / re.sub(r"\W+", "-", name))
    rest = [re.sub(r"^--data(?==|$)", "--data.path", word) for word in rest]
    chosen = options(Train, f"zerosum train {name}", rest, default)
    if chosen.recipe.family != recipe.family:
        raise ValueError(
            f"--family {chosen.recipe.family}: choose the family by its name: zerosum train {chosen.recipe.family}"
        )
    console = Console(quiet=distributed.rank() > 0)
    console.print(f"training [bold]{name}[/] on {chosen.recipe.data.path}, into {chosen.out}")
    api.train(chosen.recipe, chosen.out, console=console)
    console.print(f"samples   {newest_samples(chosen.out)}\nreport    {chosen.out / 'report.html'}")
    console.print(f"use it    zerosum sample {chosen.out} -n 64 --out grid.png")
    return 0


def _no_family(arguments: list[str]) -> int:
    found = f", not {arguments[0]!r}" if arguments else ""
    raise ValueError(f"zerosum train needs a family first{found}, such as dcgan:cpu; `zerosum ls` lists them")


def newest_samples(folder: Path) -> Path:
    """The newest grid of samples of a run."""
    return max((folder / "samples").glob("[0-9]*.png"))
