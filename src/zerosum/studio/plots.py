"""Curves in the page: gradio's line plots, as many as there are panels."""

import importlib
from collections.abc import Mapping
from typing import Any

from zerosum.curves import Curve, by_panel, signals
from zerosum.run import Run

MAX_PANELS = 12
MAX_POINTS = 240
"""Of one curve in the page."""
FIRST = ("distance to real examples", "metric", "accuracy of the discriminator", "loss")
"""Panels that come first."""


def panels_of(run: Run) -> dict[str, dict[str, Curve]]:
    """A run's curves by panel, the doctor's and the metrics first."""
    found = by_panel(signals(run.diagnoses()), MAX_POINTS) | by_panel(run.stats(), MAX_POINTS)
    order = sorted(found, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return {name: found[name] for name in order}


def frame(curves: Mapping[str, Curve]) -> Any:
    """Curves as a table with the columns images, value and curve."""
    pandas: Any = importlib.import_module("pandas")
    rows = [(images, value, name) for name, points in curves.items() for images, value in points]
    return pandas.DataFrame(rows, columns=["images", "value", "curve"])


def plot(gr: Any, title: str = "", curves: Mapping[str, Curve] | None = None, visible: bool = False) -> Any:
    """A line plot of some curves, or an empty place for one."""
    return gr.LinePlot(
        frame(curves or {}),
        x="images",
        y="value",
        color="curve",
        title=title,
        x_title="images seen",
        y_title=" ",
        color_title=" ",
        height=230,
        min_width=360,
        visible=visible,
    )


def plots(gr: Any, run: Run) -> list[Any]:
    """Updates for `MAX_PANELS` places: a run's curves, the other places hidden."""
    shown = list(panels_of(run).items())[:MAX_PANELS]
    return [
        *(plot(gr, name, curves, True) for name, curves in shown),
        *(gr.update(visible=False) for _ in range(MAX_PANELS - len(shown))),
    ]
