"""`zerosum data check PATH`: what is in a data set, what is wrong with it, and what training would do."""

from dataclasses import dataclass, field, replace

import tyro
from rich.console import Console

from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.data import check
from zerosum.recipe import Data

USAGE = "usage: zerosum data check PATH [--data.resolution 32 ...] [--json]"


@dataclass(frozen=True)
class Check:
    """Count, measure and inspect a data set before training on it."""

    path: tyro.conf.Positional[str]
    """A folder, archive or file of images, or the name of embedded data."""
    data: Data = field(default_factory=Data)
    """How training would prepare it."""
    json: bool = False
    """Print JSON instead of tables."""


def main(arguments: list[str]) -> int:
    """Check; the exit status is 1 if there are problems."""
    if arguments[:1] != ["check"]:
        if arguments[:1] in (["-h"], ["--help"]):
            return say(USAGE)
        raise ValueError(f"zerosum data does one thing: {USAGE}")
    chosen = options(Check, "zerosum data check", arguments[1:])
    report = check(replace(chosen.data, path=chosen.path))
    if chosen.json:
        say(report.to_json())
    else:
        report.render(Console())
    return int(report.has_problems)
