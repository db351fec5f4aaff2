"""report.html: a run at a glance, in one file without scripts: newest samples, curves, sample timeline, settings."""

import base64
import html
import io
import json
from pathlib import Path
from typing import Any

from zerosum.curves import by_panel, signals, thin
from zerosum.recipe import flatten
from zerosum.run import Run, write

MAX_PICTURES = 12
"""Pictures in the sample timeline."""

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; image-rendering: pixelated } .newest { width: 32rem }
pre { font: inherit; white-space: pre-wrap; margin: 0 } figure pre { max-height: 20rem; overflow: auto; font-size: 12px }
.row { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; width: 15rem } figcaption { opacity: .7 }
.curves { background: #fff; border-radius: 6px; padding: .5rem; image-rendering: auto }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0; border-bottom: 1px solid #8884 }
"""


def write_report(run: Run) -> Path:
    """Write the run's report.html from what its folder holds, and return its path."""
    recipe, stats, card = run.plain_recipe(), run.stats(), run.card()
    images = int(stats[-1]["images"]) if stats else 0
    title = html.escape(f"{recipe['family']} on {recipe['data']['path']}")
    pictures = run.pictures()
    parts = [
        f"<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{title}</title>",
        f"<style>{STYLE}</style><h1>{title}</h1>",
        f"<p>{images:,} of {recipe['train']['images']:,} images seen; trained on {card.num_examples:,} examples.</p>",
        diagnosis(run.diagnoses()),
        f"<h2>Newest samples</h2>{shown(pictures[-1], 'samples', 'newest')}" if pictures else "",
        "<h2>Curves</h2>" + curves(stats),
        "<h2>Samples over time</h2><p>The same latents, as the run went on; last, real data.</p><div class='row'>",
        *(figure(picture) for picture in [*thin(pictures, MAX_PICTURES), *run.sheets("real")]),
        "</div><h2>Settings</h2>" + table(list(flatten(recipe))),
        "<h2>Environment</h2>" + table(list(flatten(json.loads((run.folder / "environment.json").read_text())))),
    ]
    path = run.folder / "report.html"
    write(path, "\n".join(parts))
    return path


def diagnosis(rows: list[dict[str, Any]]) -> str:
    """The doctor's newest verdict, and how it came about."""
    if not rows:
        return ""
    newest = rows[-1]
    says = {"because": "evidence", "try": "advice", "note": "remarks"}
    items = "".join(f"<li>{word}: {html.escape(text)}</li>" for word, field in says.items() for text in newest.get(field, ()))
    return f"<h2>Verdict: {html.escape(newest['verdict'])}</h2><ul>{items}</ul>{curves(signals(rows))}"


def curves(stats: list[dict[str, float]]) -> str:
    """The statistics as one picture: losses, metrics, scores and probabilities, gradient norms, speed and rates."""
    panels = by_panel(stats)
    if not panels:
        return "<p>Nothing logged yet.</p>"
    from matplotlib.figure import Figure

    num_rows = -(-len(panels) // 2)
    plot = Figure(figsize=(11, 2.6 * num_rows), dpi=72)
    plot.subplots_adjust(0.06, 0.25 / num_rows, 0.99, 1 - 0.15 / num_rows, wspace=0.15, hspace=0.35)
    for place, (group, lines) in enumerate(panels.items(), 1):
        axes = plot.add_subplot(num_rows, 2, place, title=f"{group} by images seen")
        for label, points in lines.items():
            axes.plot(*zip(*points, strict=True), label=label, linewidth=1)
        axes.legend(fontsize="small", frameon=False)
    stream = io.BytesIO()
    plot.savefig(stream, format="svg", metadata={"Date": None})
    return f"<img class='curves' alt='curves' src='{data_uri(stream.getvalue(), 'image/svg+xml')}'>"


def figure(picture: Path) -> str:
    """A captioned sheet."""
    caption = f"{int(picture.stem):,} images" if picture.stem.isdigit() else "real data"
    return f"<figure>{shown(picture, caption)}<figcaption>{caption}</figcaption></figure>"


def shown(sheet: Path, name: str, kind: str = "") -> str:
    """A picture, or the lines of a text."""
    if sheet.suffix == ".txt":
        return f"<pre class='{kind}'>{html.escape(sheet.read_text(encoding='utf-8'))}</pre>"
    return f"<img class='{kind}' src='{embed(sheet)}' alt='{name}'>"


def embed(picture: Path) -> str:
    """A PNG file as a data URI."""
    return data_uri(picture.read_bytes(), "image/png")


def data_uri(content: bytes, kind: str) -> str:
    """Content as a URI that needs no file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def table(rows: list[tuple[str, object]]) -> str:
    """Names and values as an HTML table."""
    cells = (f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"
