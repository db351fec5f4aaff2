"""The runs of the folder, and one of them closely: progress, the doctor's words, samples over time and curves, live."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zerosum.studio.cards import cards, heading, said, words
from zerosum.studio.catalogue import Entry, open_sheet, thumbnail
from zerosum.studio.look import PRESSED, import_gradio, picture_place
from zerosum.studio.plots import MAX_PANELS, plot, plots
from zerosum.studio.train_tab import resume
from zerosum.studio.workshop import Workshop

SECONDS = 3
"""Between two looks at the folder."""


def runs_tab(workshop: Workshop, page: Any) -> None:
    """Build the tab."""
    gr = import_gradio()
    chosen, seen = gr.State(""), gr.State("")
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            listed = gr.HTML(js_on_load=PRESSED, elem_id="zs-runs")
        with gr.Column(scale=5, min_width=320):
            head = gr.HTML(elem_id="zs-head")
            with gr.Row():
                stop = gr.Button("Stop", variant="stop", visible=False, size="sm", elem_id="zs-stop")
                again = gr.Button("Resume", visible=False, size="sm", elem_id="zs-resume")
            told = gr.HTML(elem_id="zs-told", elem_classes="zs-told")
            place = gr.Slider(0, 1, step=1, label="Samples over time", visible=False, elem_id="zs-time")
            with gr.Row():
                sheet = picture_place(gr, visible=False, elem_id="zs-sheet")
                real = picture_place(gr, label="Real", visible=False)
            doctor = gr.HTML(elem_id="zs-doctor")
            with gr.Accordion("What the command printed", open=False, visible=False) as fold:
                output = gr.Code(language=None, interactive=False, show_label=False)
            with gr.Row():
                places = [plot(gr) for _ in range(MAX_PANELS)]
    detail = [head, stop, again, place, sheet, real, doctor, fold, output, *places]

    def look(name: str, before: str, at: float | None, force: bool = False) -> list[Any]:
        entries = workshop.entries()
        entry = next((entry for entry in entries if entry.name == name), entries[0] if entries else None)
        now = (
            "|".join(f"{each.name} {each.state} {each.images} {each.modified}" for each in entries) + f"#{entry and entry.name}"
        )
        if now == before and not force:
            return [gr.skip()] * (3 + len(detail))
        small = {each.name: thumbnail(workshop.run(each.name)) for each in entries if each.state != "damaged"}
        shown = cards(entries, small, workshop.healthy, entry.name if entry else None)
        follow = at is None or before.rpartition("#")[2] != (entry and entry.name)
        return [shown, entry.name if entry else "", now, *show(gr, workshop, entry, None if follow else at)]

    def press(event: gr.EventData, before: str) -> list[Any]:  # type: ignore[name-defined]
        return ["", *look(str(event.run), before, None, True)]

    def at_place(name: str, number: float) -> Any:
        pictures = workshop.run(name).pictures()
        return picture(gr, pictures, int(number)) if pictures else gr.skip()

    def act(name: str, stopping: bool) -> list[Any]:
        try:
            text, bad = (
                (workshop.trainings.stop(workshop.run(name).folder), False) if stopping else (resume(workshop, name), False)
            )
        except (ValueError, OSError) as problem:
            text, bad = str(problem), True
        return [said(text, bad), *look(name, "", None, True)]

    everything = [listed, chosen, seen, *detail]
    page.load(lambda: look("", "", None), None, everything, show_progress="hidden", api_visibility="private")
    gr.Timer(SECONDS).tick(look, [chosen, seen, place], everything, show_progress="hidden", api_visibility="private")
    listed.press(press, [seen], [told, *everything], show_progress="hidden", api_visibility="private")
    place.input(at_place, [chosen, place], sheet, show_progress="hidden", trigger_mode="always_last", api_visibility="private")
    stop.click(lambda name: act(name, True), chosen, [told, *everything], api_visibility="private")
    again.click(lambda name: act(name, False), chosen, [told, *everything], api_visibility="private")


def show(gr: Any, workshop: Workshop, entry: Entry | None, at: float | None) -> list[Any]:
    """Updates for the closer look at a run.

    Args:
        at: the place in time that is looked at; None: the newest.
    """
    hidden = gr.update(visible=False)
    if entry is None or entry.state == "damaged":
        head = heading(entry, workshop.healthy) if entry else ""
        return [head, hidden, hidden, hidden, hidden, hidden, "", hidden, "", *[hidden] * MAX_PANELS]
    run = workshop.run(entry.name)
    pictures, output = run.pictures(), workshop.trainings.output(run.folder)
    last = max(0, len(pictures) - 1)
    number = last if at is None or at >= last - 1 else int(at)
    real = open_sheet(run.samples_folder / "real.png")
    return [
        heading(entry, workshop.healthy),
        gr.update(visible=entry.state == "training"),
        gr.update(visible=entry.state == "stopped"),
        gr.update(maximum=max(1, last), value=number, visible=last > 0),
        picture(gr, pictures, number) if pictures else hidden,
        gr.update(value=real, visible=real is not None),
        words(entry, workshop.healthy),
        gr.update(visible=bool(output)),
        output,
        *plots(gr, run),
    ]


def picture(gr: Any, pictures: Sequence[Path], number: int) -> Any:
    """An update that shows the sheet of that number."""
    file = pictures[max(0, min(number, len(pictures) - 1))]
    image = open_sheet(file)
    return gr.update(value=image, visible=image is not None, label=f"After {int(file.stem):,} images")
