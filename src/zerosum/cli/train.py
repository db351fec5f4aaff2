"""`zerosum train FAMILY[:RECIPE] [--data PATH] [--out DIR] [--any.field value]`: train, or resume a run."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from zerosum import api, distributed, gans, judging
from zerosum.choosing import choose
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.data.glance import glance
from zerosum.recipe import Data, Recipe
from zerosum.run import Run

USAGE = """usage: zerosum train [FAMILY[:RECIPE]] [--data PATH] [--out DIR] [--any.field VALUE ...]

Trains the recipe on your data, or resumes the run in DIR. Without --data: an embedded set of real images.
Without FAMILY, but with --data: what has served best for such data on this device, and it says why.
--stop-when converged ends it once the doctor finds it in equilibrium; --recover brings it back if it diverges, at most 3 times.
--augment diffaug|ada: the discriminator sees transformed images only, so that few of them last longer.
--estimate trains for half a minute, says what memory and time the run will take, and leaves nothing behind.
--start RUN begins with that run's networks (fine-tuning); --freeze discriminator.layers.0 ... keeps layers as they are.
`zerosum ls` lists families and recipes; `zerosum train FAMILY:RECIPE --help` lists every field and its value.
FAMILY may be a module of your own: zerosum train examples.my_gan:tiny"""

SHORT = {
    "--data": "--data.path",
    "--augment": "--gan.stabilisers.augment",
    "--stop-when": "--jobs.stop_when",
    "--recover": "--jobs.recover",
    "--start": "--train.start",
    "--freeze": "--train.freeze",
}
"""Short names of options."""


@dataclass(frozen=True)
class Train:
    """Train a GAN, or resume a run."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    """What to train. Short names: `--data` for `--data.path`, `--augment` for `--gan.stabilisers.augment`, `--stop-when` and
    `--recover` for those of `--jobs`, `--start` and `--freeze` for those of `--train`."""
    out: Path
    """The run folder. If it holds an unfinished run of the same recipe, that is resumed."""
    estimate: bool = False
    """Train for half a minute only, and say what memory and time the run will take; the run folder is left as it is."""


def main(arguments: list[str]) -> int:
    """Train or resume."""
    if arguments[:1] in (["-h"], ["--help"]):
        return say(USAGE)
    first = distributed.rank() == 0
    if not arguments or arguments[0].startswith("-"):
        path = data_path(arguments)
        choice = choose(path, glance(path), distributed.device().type)
        name, recipe, rest = choice.name, choice.recipe, arguments
        if first:
            say("\n".join([f"chose {name}, because", *(f"  {reason}" for reason in choice.reasons)]))
    else:
        name, *rest = arguments
        recipe = gans.get_recipe(name)
    default = Train(recipe, api.default_folder(name))
    if not hasattr(recipe.gan, "stabilisers") and any(word.partition("=")[0] == "--augment" for word in rest):
        raise ValueError(f"--augment: {recipe.family} has no gan.stabilisers; leave it out, or train a family that has them")
    chosen = options(Train, f"zerosum train {name}", spelled_out(rest), default)
    if chosen.recipe.family != recipe.family:
        raise ValueError(
            f"--family {chosen.recipe.family}: choose the family by its name: zerosum train {chosen.recipe.family}"
        )
    if chosen.estimate:
        cost = api.estimate(chosen.recipe, chosen.out)
        return say(cost.sentences(distributed.device())) if first else 0
    if first:
        say(f"training {name} on {chosen.recipe.data.path}, into {chosen.out}")
    api.train(chosen.recipe, chosen.out, console=Console(quiet=not first))
    return say(whereabouts(Run(chosen.out), chosen.recipe.family, chosen.recipe.data)) if first else 0


def spelled_out(words: list[str]) -> list[str]:
    """The arguments with short names of options replaced by full ones; `--recover` (3) and `--estimate` need no value."""
    full = []
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        full.append(SHORT.get(name, name) + equals + value)
        if word == "--recover" and not "".join(words[number + 1 : number + 2]).isdigit():
            full.append("3")
        if word == "--estimate" and words[number + 1 : number + 2] not in (["True"], ["False"]):
            full.append("True")
    return full


def whereabouts(run: Run, family: str, data: Data) -> str:
    """Where a run's results are, how healthy it is, whether its best checkpoint beats its last, and how to use it."""
    own = f" --family {family}" if "." in family else ""
    pictures = [f"samples   {picture}" for picture in run.pictures()[-1:]]
    verdicts = [f"verdict   {row['verdict']} (why: zerosum doctor {run.folder}{own})" for row in run.diagnoses()[-1:]]
    warnings = []
    if decline := judging.find_decline(run):
        last, best = decline
        warnings = [f"beware    {last.name} is {last.value:.4g} at the end, but was {best.value:.4g} for {best.generator}"]
        own = f" --checkpoint best{own}"
    folder = shlex.quote(str(run.folder))
    use = f"use it    zerosum sample {folder} -n 64 --out {'sounds' if data.kind == 'audio' else 'grid.png'}{own}"
    if data.kind == "captions" and (captions := run.card().captions):
        use = f"use it    zerosum sample {folder} --prompt {shlex.quote(captions.example)} -n 8 --out grid.png{own}"
    elif data.kind == "tokens":
        use = f"use it    zerosum sample {folder} -n 10{own}"
    elif data.kind == "audio" and is_given_source(family):
        use = f"use it    zerosum vocode {folder} SOUND ... --out vocoded{own}"
    elif data.kind not in ("images", "audio"):
        verb, out = verb_for(data)
        use = f"use it    zerosum {verb} {folder} PICTURE ... --out {out}{own}"
    return "\n".join([*pictures, f"report    {run.folder / 'report.html'}", *verdicts, *warnings, use])


def is_given_source(family: str) -> bool:
    """Whether the family makes its samples from a source."""
    return "source" in getattr(gans.find(family).gan, "given", ())


def verb_for(data: Data) -> tuple[str, str]:
    """The verb that makes pictures from pictures with a run on such data, and a folder for them."""
    if data.has_holes:
        return "inpaint", "filled"
    if data.kind == "photographs":
        return ("restore", "restored") if data.scale == 1 else ("upscale", "upscaled")
    return ("colour", "coloured") if data.kind == "colouring" else ("translate", "translated")


def data_path(arguments: list[str]) -> str:
    """The data that is named among arguments without a family.

    Raises:
        ValueError: none is.
    """
    for number, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if SHORT.get(name, name) == "--data.path" and (equals or arguments[number + 1 :]):
            return value if equals else arguments[number + 1]
    found = f", not {arguments[0]!r}" if arguments else ""
    raise ValueError(
        f"zerosum train needs a family first{found}, such as dcgan:cpu; `zerosum ls` lists them. Or give --data PATH and "
        "one is chosen"
    )
