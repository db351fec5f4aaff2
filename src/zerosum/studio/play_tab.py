"""The playground: the tools that fit a generator, each asking by its controls and showing its result."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zerosum.studio.cards import said
from zerosum.studio.look import import_gradio, picture_place
from zerosum.studio.tools import Choice, Control, Number, Result, Switch, Upload, Words, checked, defaults, fitting
from zerosum.studio.uploads import read_upload
from zerosum.studio.workshop import Workshop


def play_tab(workshop: Workshop, temporary: Path, tab: Any) -> None:
    """Build the tab."""
    gr = import_gradio()
    with gr.Row():
        run = gr.Dropdown([], label="Run", elem_id="zs-play-run")
        checkpoint = gr.Dropdown(["newest"], value="newest", label="Checkpoint", elem_id="zs-play-checkpoint")
    told = gr.HTML(elem_classes="zs-told")
    title = gr.Radio([], show_label=False, visible=False, elem_classes="zs-pills", elem_id="zs-tools")
    redrawn = gr.State({})

    def opened(name: str | None) -> list[Any]:
        names = workshop.playable()
        name = name if name in names else next(iter(names), None)
        if name is None:
            return [gr.update(choices=[]), gr.skip(), gr.skip(), said("No run has a checkpoint yet: train one first.")]
        return [gr.update(choices=names, value=name), *chosen(name)]

    def chosen(name: str) -> list[Any]:
        try:
            checkpoints = workshop.checkpoints(name)
            titles = [tool.title for tool in fitting(workshop.tools, workshop.sampler(name))]
        except (ValueError, OSError, ImportError) as problem:
            return [gr.skip(), gr.update(choices=[], value=None, visible=False), said(str(problem), True)]
        none = "" if titles else said("There is no tool yet for what this generator is given.")
        radio = gr.update(choices=titles, value=next(iter(titles), None), visible=bool(titles))
        return [gr.update(choices=checkpoints, value="newest"), radio, none]

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(opened, run, [run, checkpoint, title, told], **quiet)
    run.input(chosen, run, [checkpoint, title, told], **quiet)
    title.input(dict, None, redrawn, **quiet)

    @gr.render(inputs=[run, checkpoint, title, redrawn], show_progress="minimal")  # type: ignore[untyped-decorator]
    def panel(run: str | None, checkpoint: str, title: str | None, values: dict[str, Any]) -> None:
        if run and title:
            try:
                build_panel(gr, workshop, temporary, (run, checkpoint), title, values, redrawn)
            except (ValueError, OSError) as problem:
                gr.HTML(said(str(problem), True))


def build_panel(
    gr: Any, workshop: Workshop, temporary: Path, which: tuple[str, str], title: str, redrawn: dict[str, Any], state: Any
) -> None:
    """One tool's controls, and a place for its result."""
    sampler = workshop.sampler(*which)
    tool = next((tool for tool in fitting(workshop.tools, sampler) if tool.title == title), None)
    if tool is None:
        return
    run = workshop.run(which[0])
    controls = tool.controls(sampler, run, redrawn)
    shown = (
        show(gr, temporary, tool.use(sampler, run, defaults(controls))) if tool.live else show(gr, temporary, Result(tool.help))
    )
    with gr.Row():
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
            made = tool.use(workshop.sampler(*which), run, checked(controls, gathered(controls, values, temporary)))
        except (ValueError, OSError) as problem:
            return [gr.skip(), gr.skip(), said(str(problem), True)]
        return [gr.update(**update) for update in show(gr, temporary, made)]

    wiring = {"inputs": flat, "outputs": [picture, both, words], "concurrency_id": "generator", "api_visibility": "private"}
    go.click(use, **wiring)
    for control, parts in zip(controls, asked, strict=True):
        if isinstance(control, Choice) and control.redraws:
            parts[0].input(lambda value, name=control.name: {**redrawn, name: value}, parts[0], state, api_visibility="private")
        elif tool.live:
            for part in parts:
                event = part.release if isinstance(part, gr.Slider) else part.input
                event(use, **wiring, show_progress="hidden", trigger_mode="always_last")


def component(gr: Any, control: Control) -> list[Any]:
    """What asks for a control: one component, or two where it can be turned off."""
    told: dict[str, Any] = {
        "label": control.label,
        "info": control.help or None,
        "elem_id": f"zs-{control.name.replace(' ', '-')}",
    }
    match control:
        case Number():
            switch = [gr.Checkbox(False, label=f"With {control.label.lower()}")] if control.optional else []
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
            return [gr.File(label=control.label, file_types=["image"], height=140, elem_id=told["elem_id"])]
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
