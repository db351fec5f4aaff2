"""Runs in HTML: cards, verdicts, figures. Every text of a run folder is escaped: it may come from elsewhere."""

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from zerosum.studio.catalogue import Entry, finite

SIGNALS = {
    "distance": "distance to real examples",
    "diversity": "diversity of samples",
    "accuracy": "accuracy, training examples",
    "accuracy_held_out": "accuracy, held-out examples",
    "missing_share": "share of looks missing",
    "duplicates": "duplicates",
    "copies": "copies of training examples",
}
"""The doctor's findings that two runs are compared by."""
SAYS = {"evidence": "Because", "advice": "Try", "remarks": "Note"}


def cards(entries: Sequence[Entry], thumbnails: Mapping[str, str], healthy: Collection[str], chosen: str | None) -> str:
    """All runs as buttons that carry their names; the page reports which is pressed."""
    if not entries:
        return "<p class='zs-empty'>No runs here yet. Start one under <b>Train</b>, or with <code>zerosum train</code>.</p>"
    shown = (card(entry, thumbnails.get(entry.name, ""), healthy, entry.name == chosen) for entry in entries)
    return f"<div class='zs-cards'>{''.join(shown)}</div>"


def card(entry: Entry, thumbnail: str, healthy: Collection[str], chosen: bool) -> str:
    """One run."""
    picture = f"<img src='{thumbnail}' alt='newest samples'>" if thumbnail else "<span class='zs-blank'></span>"
    name = html.escape(entry.name)
    pressed = "true" if chosen else "false"
    return (
        f"<button type='button' class='zs-card' data-run='{name}' aria-pressed='{pressed}'>{picture}"
        f"<span class='zs-about'><b>{name}</b><span class='zs-dim'>{html.escape(about(entry))}</span>"
        f"{bar(entry)}<span>{state(entry)} {badge(entry, healthy)}</span>{metrics(entry.metrics)}</span></button>"
    )


def about(entry: Entry) -> str:
    """Family and data, or what is wrong."""
    return entry.problem if entry.state == "damaged" else f"{entry.family} on {entry.data.rsplit('/', 1)[-1] or entry.data}"


def state(entry: Entry) -> str:
    """What a run is doing, and for how long yet."""
    left = entry.seconds_left
    more = f", {duration(left)} left" if left is not None else ""
    return f"<span class='zs-state zs-{entry.state}'>{entry.state}{more}</span>"


def bar(entry: Entry) -> str:
    """How far a run is."""
    if entry.state == "damaged":
        return ""
    return (
        f"<span class='zs-bar'><i style='width:{100 * entry.progress:.1f}%'></i></span>"
        f"<span class='zs-dim'>{entry.images:,} of {entry.length:,} images</span>"
    )


def badge(entry: Entry, healthy: Collection[str]) -> str:
    """The doctor's verdict."""
    kind = "none" if not entry.diagnosis else "well" if entry.verdict in healthy else "ill"
    return "" if entry.state == "damaged" else f"<span class='zs-badge zs-{kind}'>{html.escape(entry.verdict)}</span>"


def metrics(values: Mapping[str, float]) -> str:
    """The newest of each metric."""
    shown = "".join(f"<span><b>{value:.4g}</b> {html.escape(name)}</span>" for name, value in values.items())
    return f"<span class='zs-metrics'>{shown}</span>" if shown else ""


def duration(seconds: float) -> str:
    """Seconds in words."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def heading(entry: Entry, healthy: Collection[str]) -> str:
    """A run's name, what it is of, how far it is."""
    return (
        f"<div class='zs-heading'><h2>{html.escape(entry.name)}</h2>"
        f"<span class='zs-dim'>{html.escape(about(entry))}</span> {state(entry)} {badge(entry, healthy)}"
        f"{bar(entry)}{metrics(entry.metrics)}</div>"
    )


def words(entry: Entry, healthy: Collection[str]) -> str:
    """What the doctor says of a run."""
    if not entry.diagnosis:
        return (
            "<p class='zs-dim'>The doctor has not examined this run: it does so when the first sheet of samples is due, "
            "and not where pictures are made of pictures.</p>"
        )
    lines = []
    for key, word in SAYS.items():
        found = entry.diagnosis.get(key, ())
        texts = [text for text in (found if isinstance(found, list | tuple) else ()) if isinstance(text, str)]
        if texts:
            lines.append(f"<dt>{word}</dt>" + "".join(f"<dd>{html.escape(text)}</dd>" for text in texts))
    seen = finite(entry.diagnosis.get("images")) or 0
    after = f"<p>{badge(entry, healthy)} <span class='zs-dim'>after {int(seen):,} images</span></p>"
    return f"{after}<dl class='zs-words'>{''.join(lines)}</dl>"


def comparison(entries: Sequence[Entry]) -> str:
    """Runs beside each other, a line for each figure."""
    rows: list[tuple[str, list[str]]] = [
        ("family", [entry.family for entry in entries]),
        ("data", [entry.data.rsplit("/", 1)[-1] for entry in entries]),
        ("images seen", [f"{entry.images:,}" for entry in entries]),
        ("verdict", [entry.verdict for entry in entries]),
    ]
    names = list(dict.fromkeys(name for entry in entries for name in entry.metrics))
    rows += [(name, [figure(entry.metrics.get(name)) for entry in entries]) for name in names]
    rows += [
        (label, [figure(entry.diagnosis.get(name)) for entry in entries])
        for name, label in SIGNALS.items()
        if any(name in entry.diagnosis for entry in entries)
    ]
    return table(["", *(entry.name for entry in entries)], [[name, *values] for name, values in rows])


def figure(value: object) -> str:
    """A number with four digits, or a dash."""
    number = finite(value)
    return "-" if number is None else f"{number:.4g}"


def table(head: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table, escaped."""
    titles = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<div class='zs-scroll'><table class='zs-table'><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def problems(found: Mapping[str, str]) -> str:
    """What a form's values lack, by field."""
    lines = "".join(f"<li><code>{html.escape(name)}</code> {html.escape(text)}</li>" for name, text in found.items())
    return f"<div class='zs-problems' role='alert'><b>Not started: these settings are not valid</b><ul>{lines}</ul></div>"


def said(text: str, bad: bool = False) -> str:
    """One sentence to the user."""
    return f"<div class='{'zs-problems' if bad else 'zs-said'}' role='{'alert' if bad else 'status'}'>{html.escape(text)}</div>"
