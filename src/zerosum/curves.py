"""A run's statistics as curves: which panel each is drawn in, and how many of its points."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Curve = list[tuple[float, float]]
"""Points of images seen and value."""

MAX_POINTS = 1_000
"""Points drawn of one curve."""
SIGNALS = {
    "images": "images",
    "accuracy": "accuracy of the discriminator/training examples",
    "accuracy_held_out": "accuracy of the discriminator/held-out examples",
    "overfitting": "accuracy of the discriminator/overfitting",
    "distance": "distance to real examples/samples",
    "distance_floor": "distance to real examples/held-out examples",
    "diversity": "variety of samples/diversity",
    "missing_share": "variety of samples/share missing",
    "duplicates": "variety of samples/duplicates",
    "copies": "variety of samples/copies",
    "label_agreement": "agreement with labels/samples",
    "error": "difference to targets/held-out pairs",
    "error_train": "difference to targets/training pairs",
}
"""What is drawn of the doctor's findings: panel/name."""
PANELS_LAST = ("rate", "images_per_second")


def signals(diagnoses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The doctor's findings as lines of statistics."""
    return [{name: row[field] for field, name in SIGNALS.items() if field in row} for row in diagnoses]


def by_panel(rows: Sequence[Mapping[str, Any]], most: int = MAX_POINTS) -> dict[str, dict[str, Curve]]:
    """Curves by name in their panels, losses, scores and norms before rates and speed; what is no number is left out."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in ("images", "step")]
    panels: dict[str, dict[str, Curve]] = {}
    for group in sorted({panel(name) for name in names}, key=lambda group: (group in PANELS_LAST, group)):
        for name in (name for name in names if panel(name) == group):
            points = [(row["images"], row[name]) for row in rows if isinstance(row.get(name), int | float)]
            if points:
                panels.setdefault(group, {})[name.removeprefix(f"{group}/")] = thin(points, most)
    return panels


def panel(name: str) -> str:
    """The panel that a statistic is drawn in."""
    if name.startswith("score"):
        return "scores"
    return "probabilities" if name.startswith("D(") else name.partition("/")[0]


def thin(items: list[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spread, first and last included."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
