"""`zerosum doctor RUN`: what ails a run, by which signs, and what to try; status 0 if nothing does, else 1."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from zerosum import api, distributed, gans
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.data import open_data, split
from zerosum.diagnose.examination import Signals
from zerosum.diagnose.verdict import HEALTHY, Players, diagnose
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.supervision import Supervisor, history, is_examined, make_players, softened

COLUMNS = {
    "accuracy": "accuracy",
    "overfitting": "overfitting",
    "distance": "distance",
    "diversity": "diversity",
    "missing_share": "missing",
    "duplicates": "duplicates",
    "copies": "copies",
    "label_agreement": "labels",
    "error": "error",
}
MAX_ROWS = 12


@dataclass(frozen=True)
class Doctor:
    """Say whether a run is in equilibrium, collapsing, overpowered, overfitting or diverging, and what to do."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    json: bool = False
    """Print JSON instead of a table."""


def main(arguments: list[str]) -> int:
    """Examine the newest checkpoint if training has not done so, and say the verdict."""
    chosen = options(Doctor, "zerosum doctor", arguments)
    run = Run(chosen.run)
    history, players = examinations(run, run.recipe(chosen.family))
    diagnosis, newest = diagnose(history, players), history[-1]
    if chosen.json:
        plain = {**asdict(diagnosis), "images": newest.images, "signals": newest.to_row()}
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
    else:
        Console().print(table(history))
        say(f"after {newest.images:,} images\n{diagnosis}")
    return 0 if diagnosis.verdict in HEALTHY else 1


def examinations(run: Run, recipe: Recipe) -> tuple[list[Signals], Players]:
    """What was found in a run, its newest checkpoint included, which is examined now if it was not in training.

    Raises:
        ValueError: the run has no intact checkpoint, or its data has changed.
        FileNotFoundError: its data is gone.
    """
    found, device = history(run), distributed.device()
    checkpoint = run.newest_checkpoint() if found else run.find_checkpoint()
    gan = gans.find(recipe.family).gan(recipe.gan, run.card().shapes)
    if not is_examined(gan, recipe.data):
        raise ValueError(
            f"{run.folder} mends pictures, or makes sounds of sounds, which the doctor cannot examine: use zerosum evaluate"
        )
    if checkpoint is not None and not (found and found[-1].images >= int(checkpoint.name)):
        dataset = open_data(recipe.data)
        if dataset.card.content != run.card().content:
            raise ValueError(f"{recipe.data.path} is no longer what {run.folder} was trained on; examine it where that data is")
        state = api.make_state(recipe, dataset, device)
        saved = run.newest_state(device)
        assert saved is not None
        state.load_state_dict(saved)
        supervisor = Supervisor(
            run, recipe, dataset, *split(len(dataset), recipe.data.held_out), gan.makes, lambda verdict: None
        )
        stats = run.stats()
        found.append(supervisor.look(state, stats[-1] if stats else {}))
    return found, make_players(gan, softened(recipe.optimisers, run.recoveries()), recipe.gan)


def table(history: list[Signals]) -> Table:
    """The newest examinations."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("images", justify="right")
    names = [name for name in COLUMNS if any(getattr(found, name) is not None for found in history)]
    for name in names:
        shown.add_column(COLUMNS[name], justify="right")
    for found in history[-MAX_ROWS:]:
        values = [getattr(found, name) for name in names]
        shown.add_row(f"{found.images:,}", *("" if value is None else f"{value:.3f}" for value in values))
    return shown
