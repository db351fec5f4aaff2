"""The playground: the tools that fit a generator, each asking by its controls and showing its result."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from zerosum.studio.cards import said
from zerosum.studio.look import closing, import_gradio, picture_place, waiting
from zerosum.studio.tools import Choice, Control, Number, Result, Switch, Upload, Words, checked, defaults, fitting
from zerosum.studio.uploads import read_upload
from zerosum.studio.workshop import Workshop


@dataclass(frozen=True)
class Open:
    """What is open in the playground."""

    run: str
    checkpoint: str
    title: str
    """Of the tool."""
    redrawn: tuple[tuple[str, str], ...] = ()
    """The choices that redraw, by name: in pairs, for gradio hashes what it keeps."""


def play_tab(workshop: Workshop, temporary: Path, tab: Any) -> None:
    """Build the tab."""
    gr = import_gradio()
    with gr.Row():
        run = gr.Dropdown([], label="Run", min_width=240, elem_id="zs-play-run")
        checkpoint = gr.Dropdown(["newest"], value="newest", label="Checkpoint", min_width=160, elem_id="zs-play-checkpoint")
    told = gr.HTML(elem_classes="zs-told")
    title = gr.Radio([], show_label=False, visible=False, elem_classes="zs-pills", elem_id="zs-tools")
    what = gr.State(None)

    def opened(before: str | None) -> list[Any]:
        names = workshop.playable()
        if not names:
            return [gr.skip(), gr.skip(), gr.skip(), said("No run has a checkpoint yet: train one first."), None]
        if before in names:
            return [gr.update(choices=names), *[gr.skip()] * 4]
        return [gr.update(choices=names, value=names[0]), *chosen(names[0])]

    def chosen(name: str) -> list[Any]:
        try:
            checkpoints = workshop.checkpoints(name)
            titles = [tool.title for tool in fitting(workshop.tools, workshop.sampler(name))]
        except (ValueError, OSError, ImportError) as problem:
            return [gr.skip(), gr.update(choices=[], value=None, visible=False), said(str(problem), True), None]
        none = "" if titles else said("The playground has no tool for what this generator is given: use the command line.")
        radio = gr.update(choices=titles, value=next(iter(titles), None), visible=bool(titles))
        first = Open(name, "newest", titles[0]) if titles else None
        return [gr.update(choices=checkpoints, value="newest"), radio, none, first]

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(opened, run, [run, checkpoint, title, told, what], **quiet)
    closed = {"fn": lambda: None, "outputs": what, "js": closing("#zs-tool"), **quiet}
    gone = {"js": waiting("#zs-tool"), **quiet}
    run.input(**closed).then(chosen, run, [checkpoint, title, told, what], **gone)
    gr.on([checkpoint.input, title.input], **closed).then(Open, [run, checkpoint, title], what, **gone)

    @gr.render(inputs=what, show_progress="minimal")  # type: ignore[untyped-decorator]
    def panel(now: Open | None) -> None:
        if now is not None:
            try:
                build_panel(gr, workshop, temporary, now, what)
            except (ValueError, OSError) as problem:
                gr.HTML(said(str(problem), True))


def build_panel(gr: Any, workshop: Workshop, temporary: Path, now: Open, state: Any) -> None:
    """One tool's controls, and a place for its result."""
    sampler = workshop.sampler(now.run, now.checkpoint)
    tool = next(tool for tool in fitting(workshop.tools, sampler) if tool.title == now.title)
    run = workshop.run(now.run)
    controls = tool.controls(sampler, run, dict(now.redrawn))
    first = tool.use(sampler, run, defaults(controls)) if tool.live else Result(tool.help)
    shown = show(gr, temporary, first)
    with gr.Row(elem_id="zs-tool"):
        with gr.Column(scale=2, min_width=280):
            asked = [component(gr, control) for control in controls]
            go = gr.Button("Make", variant="primary", elem_id="zs-make")
        with gr.Column(scale=4, min_width=320):
            picture = picture_place(gr, **shown[0], show_label=False, elem_id="zs-result")
            both = gr.ImageSlider(
                **shown[1], format="png", interactive=False, show_label=False, max_height=640, elem_id="zs-both"
            )
            words = gr.HTML(shown[2]["value"], elem_id="zs-result-words")
    flat = [part for parts in asked for part in parts]

    def use(*values: Any) -> list[Any]:
        try:
            asked_for = checked(controls, gathered(controls, values, temporary))
            made = tool.use(workshop.sampler(now.run, now.checkpoint), run, asked_for)
        except (ValueError, OSError) as problem:
            return [gr.skip(), gr.skip(), said(str(problem), True)]
        return [gr.update(**update) for update in show(gr, temporary, made)]

    wiring = {"inputs": flat, "outputs": [picture, both, words], "concurrency_id": "generator", "api_visibility": "private"}
    go.click(use, **wiring)
    for control, parts in zip(controls, asked, strict=True):
        if isinstance(control, Choice) and control.redraws:
            redraw = partial(redrawing, now, control.name)
            parts[0].input(redraw, parts[0], state, api_visibility="private")
        elif tool.live:
            for part in parts:
                event = part.release if isinstance(part, gr.Slider) else part.input
                event(use, **wiring, show_progress="hidden", trigger_mode="always_last")


def redrawing(now: Open, name: str, value: str) -> Open:
    """What is open, with a value of a choice."""
    kept = (pair for pair in now.redrawn if pair[0] != name)
    return replace(now, redrawn=(*kept, (name, value)))


def component(gr: Any, control: Control) -> list[Any]:
    """What asks for a control: one component, or two where it can be turned off."""
    told: dict[str, Any] = {
        "label": control.label,
        "info": control.help or None,
        "elem_id": f"zs-{control.name.replace(' ', '-')}",
        "interactive": True,
    }
    match control:
        case Number():
            switch = [gr.Checkbox(False, label=f"With {control.label.lower()}", interactive=True)] if control.optional else []
            if control.slides:
                return [*switch, gr.Slider(control.low, control.high, value=control.value, step=control.step, **told)]
            return [*switch, gr.Number(control.value, minimum=control.low, maximum=control.high, precision=0, **told)]
        case Choice():
            return [gr.Dropdown(list(control.choices), value=control.value, **told)]
        case Switch():
            return [gr.Checkbox(control.value, **told)]
        case Words():
            return [gr.Textbox(control.value, **told)]
        case Upload():
            # A file, not an image component: that would decode it before it is checked.
            return [gr.File(label=control.label, file_types=["image"], height=140, elem_id=told["elem_id"], interactive=True)]
    raise AssertionError(control)


def gathered(controls: Sequence[Control], values: Sequence[Any], temporary: Path) -> dict[str, Any]:
    """Values by the controls' names; an upload is checked and decoded.

    Raises:
        ValueError: an upload that is refused.
    """
    found, left = dict[str, Any](), list(values)
    for control in controls:
        value = left.pop(0)
        if isinstance(control, Number) and control.optional:
            number = left.pop(0)
            value = number if value else None
        if isinstance(control, Upload) and value is not None:
            path = Path(value).resolve()
            if not path.is_relative_to(temporary.resolve()):
                raise ValueError("this is no uploaded file")
            value = read_upload(path)
        found[control.name] = value
    return found


def show(gr: Any, temporary: Path, result: Result) -> list[dict[str, Any]]:
    """What the places for a picture, for before and after, and for words become."""
    if result.media:
        file = temporary / f"{hashlib.sha256(result.media).hexdigest()[:24]}{result.suffix}"
        file.write_bytes(result.media)
    both = (result.before, result.after) if result.before and result.after else None
    return [
        {"value": str(file) if result.media else None, "visible": bool(result.media)},
        {"value": both, "visible": both is not None},
        {"value": said(result.words)},
    ]
