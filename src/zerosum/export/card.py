"""The model card of a released generator, written from its run: what it is, of what data, how good, and how to use it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from zerosum.game import HasReach
from zerosum.recipe import flatten
from zerosum.run import Run
from zerosum.sampling import Sampler

FIELDS = ("data.", "train.", "gan.", "optimisers.", "average.")
"""What of a recipe a reader wants to see."""


def model_card(sampler: Sampler, run: Run, recipe: Mapping[str, Any], has_samples: bool) -> str:
    """README.md, with the front matter that model hubs read; what only the author can say is left to fill in."""
    family = str(recipe["family"])
    parts = [
        f"---\n# license: fill in, such as apache-2.0\nlibrary_name: zerosum\ntags: [gan, {family}]\n---\n",
        f"# {family} on {recipe['data']['path']}\n",
        "![Samples as they come](samples.png)\n\n*Samples as they come, the first seeds.*\n" if has_samples else "",
        what(sampler, recipe),
        use(sampler),
        f"## Data\n\n{data(sampler, recipe)}\n",
        f"## How good it is\n\n{metrics(sampler, run)}\n",
        f"## Verdict of the doctor\n\n{verdict(run)}\n",
        f"## Recipe\n\n{settings(recipe)}\n",
        "## Licence\n\nTo be filled in by the author, who knows the licence of the data: \n\n"
        "- licence of these weights: \n- licence of the data: \n- whom to ask: \n",
    ]
    return "\n".join(part for part in parts if part)


def what(sampler: Sampler, recipe: Mapping[str, Any]) -> str:
    """What the generator makes of what."""
    shape = sampler.card.shapes[sampler.gan.makes]
    makes = f"images of {shape[1]} x {shape[2]} x {shape[0]}" if len(shape) == 3 else f"{sampler.gan.makes}s of {list(shape)}"
    if isinstance(sampler.gan, HasReach):
        makes = "pictures of pictures of any size" + (f", {sampler.gan.scale} times as large" if sampler.gan.scale > 1 else "")
    classes = sampler.card.labels.classes if "label" in sampler.gan.given else ()
    told = f", of {len(classes)} classes: {', '.join(classes)}" if classes else ""
    return f"A generator that makes {makes}{told}. Checkpoint: {sampler.name}. Trained with zerosum.\n"


def use(sampler: Sampler) -> str:
    """How to load it."""
    call = "images = gan.sample(16, seed=0)  # uint8 [N, H, W, C]"
    command = "zerosum sample FOLDER -n 16 --out grid.png"
    if "source" in sampler.gan.given:
        scale = sampler.gan.scale if isinstance(sampler.gan, HasReach) else 1
        command = f"zerosum {'upscale' if scale > 1 else 'translate'} FOLDER PICTURE --out made/"
        call = "# gan.gan is the torch module"
    return f"""## Use

```python
import zerosum

gan = zerosum.load("FOLDER")  # this folder, or its name on the hub
{call}
```

or `{command}`.
"""


def data(sampler: Sampler, recipe: Mapping[str, Any]) -> str:
    """What it was trained on."""
    card, settings = sampler.card, recipe["data"]
    number = f"{card.num_examples:,} examples" if card.num_examples else "an unknown number of examples"
    return (
        f"`{settings['path']}`, {number}, {settings.get('kind', 'images')} brought to {settings['resolution']} pixels. "
        f"sha256 of the prepared data: `{card.content}`."
    )


def metrics(sampler: Sampler, run: Run) -> str:
    """The figures that were measured of this very generator, with their intervals."""
    figures: dict[str, dict[str, Any]] = {}
    for folder in (*run.best_checkpoints(), run.folder):
        with suppress(OSError, ValueError):
            figures |= json.loads((folder / "metrics.json").read_text())
    own = {name: figure for name, figure in figures.items() if figure.get("generator") == sampler.name}
    if not own:
        return "Nobody has measured this generator yet; `zerosum evaluate` does."
    rows = [
        "| figure | value | 95 % interval | real against real | examples, real and made | judge |",
        "|---|---|---|---|---|---|",
    ]
    for name, figure in own.items():
        interval, floor = figure["interval"], figure["floor"]
        cells = (
            name,
            number(figure["value"]),
            "not known" if interval is None else " to ".join(map(number, interval)),
            "" if floor is None else number(floor),
            f"{figure['num_real']:,} and {figure['num_fake']:,}",
            f"{figure['judge']} {figure['judge_hash'][:12]}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def number(value: float | None) -> str:
    """A figure in four digits."""
    return "not finite" if value is None else f"{value:.4g}"


def verdict(run: Run) -> str:
    """What the doctor found last in training."""
    rows = run.diagnoses()
    if not rows:
        return "It was not examined in training."
    last = rows[-1]
    lines = [f"- because: {text}" for text in last.get("evidence", ())] + [
        f"- note: {text}" for text in last.get("remarks", ())
    ]
    return "\n".join([f"**{last['verdict']}**, after {int(last['images']):,} images\n", *lines])


def settings(recipe: Mapping[str, Any]) -> str:
    """The settings as a table."""

    def rows() -> Iterator[str]:
        for name, value in flatten(recipe):
            if name.startswith(FIELDS):
                yield f"| `{name}` | `{value}` |"

    return "\n".join(["| setting | value |", "|---|---|", *rows()])
