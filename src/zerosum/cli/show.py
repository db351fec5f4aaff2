"""`zerosum show RUN`: its recipe, progress and last values."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.recipe import flatten
from zerosum.run import Run


@dataclass(frozen=True)
class Show:
    """Show a run's recipe, progress and last values."""

    run: tyro.conf.Positional[Path]
    """The run folder."""


def main(arguments: list[str]) -> int:
    """Print the tables."""
    run = Run(options(Show, "zerosum show", arguments).run)
    recipe, card, stats, checkpoints = run.plain_recipe(), run.card(), run.stats(), run.checkpoints()
    seen, length = int(stats[-1]["images"]) if stats else 0, recipe["train"]["images"]
    labels = f", {len(card.labels.classes)} classes" if card.labels.classes else ""
    say(f"{recipe['family']} on {recipe['data']['path']} ({card.num_examples:,} examples{labels})")
    say(f"{seen:,} of {length:,} images seen ({seen / length:.0%})")
    say(f"newest checkpoint: {checkpoints[-1] if checkpoints else 'none yet'}")
    for best in run.best_checkpoints()[-1:]:
        say(f"best checkpoint: {best}")
    console = Console()
    if stats:
        console.print(rows("last values", last_values(stats)))
    console.print(rows("recipe", [(name, str(value)) for name, value in flatten(recipe)]))
    return 0


def last_values(stats: list[dict[str, float]]) -> list[tuple[str, str]]:
    """The newest line's values, and before them the newest metrics, which stand in lines of their own."""
    lines = [row for row in stats if "images_per_second" in row][-1:] or stats[-1:]
    metrics = {name: (value, row["images"]) for row in stats for name, value in row.items() if name.startswith("metric/")}
    shown = [(name, f"{value:.5g} at {int(images):,} images") for name, (value, images) in metrics.items()]
    return shown + [(name, f"{value:.5g}") for name, value in lines[0].items() if name not in metrics]


def rows(title: str, pairs: list[tuple[str, str]]) -> Table:
    """A table of names and values."""
    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    for pair in pairs:
        table.add_row(*map(escape, pair))
    return table
