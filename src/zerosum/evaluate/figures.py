"""Figures with their provenance, as a table and as plain data."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.markup import escape
from rich.table import Table

DISTANCES = ("fid", "kid", "fid-infinity", "fid-per-class", "mifid")
LOWER_IS_BETTER = frozenset({*DISTANCES, "duplicates", "ms-ssim", "copied", "ppl", "reverse-kl"})
HIGHER_IS_BETTER = frozenset(
    {"precision", "recall", "density", "coverage", "inception-score", "cas", "lift", "modes", "high-quality", "r-precision"}
)
"""All other figures are best near their floor: neither too low nor too high."""

INCEPTION_ONLY = {
    "fid": "frechet",
    "kid": "kernel distance",
    "fid-infinity": "frechet infinity",
    "fid-per-class": "frechet per class",
    "mifid": "memorisation-informed frechet",
    "inception-score": "class score",
}
"""Names that promise Inception features, and what the same arithmetic is called with those of another judge."""


@dataclass(frozen=True)
class Figure:
    """One number, and all that is needed to believe or to repeat it."""

    name: str
    """As shown: "fid" only with the Inception judge, else "frechet (lite0)"."""
    value: float
    interval: tuple[float, float] | None
    """95 % confidence interval, for another draw of both real and generated examples; None: not known."""
    floor: float | None
    """The same figure for held-out real examples in place of generated ones."""
    judge: str
    """Name of the feature network."""
    judge_hash: str
    """sha256 of its weights."""
    resize: str
    """How images were brought to the judge's size, in words."""
    num_real: int
    num_fake: int
    split: str
    """Of the real data: train, test, ..."""
    seed: int
    """Of all that was drawn at random."""
    note: str = ""
    """What a reader must know before comparing it."""
    generator: str = ""
    """What made the samples: run folder, images seen and sha256 of the weights, or the images' path."""
    runtime: str = "torch"
    """What ran the judge: torch, or onnxruntime with its version. Figures differ by rounding only."""


def shown_name(metric: str, judge: str) -> str:
    """What a metric is called when this judge gave the features."""
    return metric if judge == "inception" or metric not in INCEPTION_ONLY else f"{INCEPTION_ONLY[metric]} ({judge})"


def to_plain(figures: Sequence[Figure]) -> dict[str, Any]:
    """What metrics.json holds: name -> all fields of the figure. Infinity and NaN, which JSON lacks, become None."""
    return {
        figure.name: {name: _finite(value) for name, value in asdict(figure).items() if name != "name"} for figure in figures
    }


def _finite(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_finite(bound) for bound in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_plain(plain: dict[str, Any]) -> list[Figure]:
    """The figures of a parsed metrics.json.

    Raises:
        ValueError: fields are missing or unknown.
    """
    figures = []
    for name, values in plain.items():
        wanted = {field.name for field in fields(Figure)} - {"name"}
        if set(values) | {"runtime"} != wanted:
            raise ValueError(f"figure {name!r} must have the fields {sorted(wanted)}, not {sorted(values)}: evaluate anew")
        interval = values["interval"]
        value = math.nan if values["value"] is None else values["value"]
        figures.append(Figure(**{**values, "name": name, "value": value, "interval": tuple(interval) if interval else None}))
    return figures


def table(figures: Sequence[Figure]) -> Table:
    """The figures for the terminal, with the judge in the title and the generator below."""
    judges = dict.fromkeys(
        f"{figure.judge} ({figure.judge_hash[:12]}, {figure.runtime}), {figure.resize}" for figure in figures
    )
    generators = dict.fromkeys(figure.generator for figure in figures if figure.generator)
    lines = Table(title=escape("\n".join(judges)), title_justify="left", caption_justify="left", caption_style="dim")
    lines.caption = escape("\n".join(generators)) or None
    lines.add_column("figure")
    for column in ("value", "95 % interval", "real against real", "real", "generated"):
        lines.add_column(column, justify="right")
    lines.add_column("note")
    for figure in figures:
        interval = "" if figure.interval is None else " .. ".join(_short(bound) for bound in figure.interval)
        floor = "" if figure.floor is None else _short(figure.floor)
        counts = f"{figure.num_real:,} ({figure.split})" if figure.num_real else "", f"{figure.num_fake:,}"
        cells = (figure.name, _short(figure.value), interval, floor, *counts, figure.note)
        lines.add_row(*map(escape, cells))
    return lines


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
