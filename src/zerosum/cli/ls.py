"""`zerosum ls`: the families and their recipes, one line each."""

import inspect
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from zerosum import gans
from zerosum.cli.options import options


@dataclass(frozen=True)
class Ls:
    """List the families and their recipes."""


def main(arguments: list[str]) -> int:
    """Print the list."""
    options(Ls, "zerosum ls", arguments)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("family:recipe", no_wrap=True)
    table.add_column("what it is", no_wrap=True, overflow="ellipsis")
    for name in gans.names():
        family = gans.find(name)
        table.add_row(f"[bold]{name}[/]", family.summary)
        for recipe, make in family.recipes.items():
            table.add_row(f"  {name}:{recipe}", f"  {inspect.getdoc(make) or ''}".partition("\n")[0])
    terminal = Console()
    (terminal if terminal.is_terminal else Console(width=200)).print(table)
    return 0
