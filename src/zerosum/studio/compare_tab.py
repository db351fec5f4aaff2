"""Two runs beside each other: figures, samples of the same seeds, one curve of both, and what differs in their recipes."""

from typing import Any

import numpy as np

from zerosum.pictures import grid, scatter, to_image
from zerosum.recipe import flatten
from zerosum.run import Run
from zerosum.studio.cards import comparison, said, table
from zerosum.studio.catalogue import open_sheet, read_entry
from zerosum.studio.look import import_gradio, picture_place
from zerosum.studio.plots import panels_of, plot
from zerosum.studio.workshop import Workshop

MOST = 64
"""Samples of each."""


def compare_tab(workshop: Workshop, tab: Any) -> None:
    """Build the tab."""
    gr = import_gradio()
    with gr.Row():
        left, right = (gr.Dropdown([], label=label, elem_id=f"zs-{label.lower()}") for label in ("Left", "Right"))
        seed, n = (
            gr.Number(0, label="Seed", precision=0, minimum=0),
            gr.Slider(1, MOST, value=32, step=1, label="Samples of each"),
        )
    told = gr.HTML(elem_classes="zs-told")
    figures = gr.HTML(elem_id="zs-figures")
    with gr.Row():
        pictures = [picture_place(gr, visible=False) for _ in range(2)]
    curve = gr.Dropdown([], label="Curve", elem_id="zs-curve")
    both = plot(gr)
    with gr.Accordion("What differs in their recipes", open=False):
        settings = gr.HTML(elem_id="zs-settings")

    def opened(first: str | None, second: str | None) -> list[Any]:
        names = [entry.name for entry in workshop.entries() if entry.state != "damaged"]
        first = first if first in names else next(iter(names), None)
        second = second if second in names else next((name for name in names if name != first), first)
        return [gr.update(choices=names, value=first), gr.update(choices=names, value=second)]

    def compare(first: str | None, second: str | None, seed: float, n: float, name: str | None) -> list[Any]:
        if not first or not second:
            return [said("There is nothing to compare yet."), *[gr.skip()] * 6]
        runs = [workshop.run(first), workshop.run(second)]
        shown, notes = [], []
        for run in runs:
            image, note = samples(workshop, run, int(seed or 0), max(1, min(MOST, int(n))))
            shown.append(gr.update(value=image, visible=image is not None, label=run.folder.name))
            notes += [note] if note else []
        curves = joint_curves(runs)
        name = name if name in curves else next(iter(curves), None)
        drawn = plot(gr, name, curves[name], True) if name else gr.update(visible=False)
        rows = differences([run.plain_recipe() for run in runs])
        entries = [read_entry(run.folder) for run in runs]
        return [
            said("; ".join(notes)) if notes else "",
            comparison(entries),
            *shown,
            gr.update(choices=list(curves), value=name),
            drawn,
            table(["setting", first, second], rows) if rows else said("Their recipes are the same."),
        ]

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(opened, [left, right], [left, right], **quiet)
    gr.on(
        [left.change, right.change, seed.change, n.release, curve.input],
        compare,
        [left, right, seed, n, curve],
        [told, figures, *pictures, curve, both, settings],
        concurrency_id="generator",
        trigger_mode="always_last",
        **quiet,
    )


def samples(workshop: Workshop, run: Run, seed: int, n: int) -> tuple[Any, str]:
    """A sheet of samples of these seeds; of a generator that makes none of seeds, its newest sheet and a word about it."""
    try:
        made = workshop.sampler(run.folder.name).sample(n, seed=seed)
    except (ValueError, OSError) as problem:
        newest = run.pictures()[-1:]
        return (open_sheet(newest[0]) if newest else None), f"{run.folder.name}: its newest sheet is shown, for {problem}"
    if made.ndim == 4:
        return to_image(grid(made.astype(np.uint8, copy=False))), ""
    import io

    from PIL import Image

    return Image.open(io.BytesIO(scatter(made.astype(np.float32, copy=False)))), ""


def joint_curves(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Every curve by "panel: name", with a line for each run that has it."""
    found: dict[str, dict[str, Any]] = {}
    for number, run in enumerate(runs):
        label = run.folder.name if run.folder != runs[0].folder or not number else f"{run.folder.name} (right)"
        for panel, curves in panels_of(run).items():
            for name, points in curves.items():
                found.setdefault(panel if name == panel else f"{panel}: {name}", {})[label] = points
    return found


def differences(recipes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The settings in which two recipes differ, as plain data: nothing is imported for it."""
    before, after = (dict(flatten(recipe)) for recipe in recipes)
    names = list(dict.fromkeys([*before, *after]))
    return [
        (name, str(before.get(name, "-")), str(after.get(name, "-"))) for name in names if before.get(name) != after.get(name)
    ]
