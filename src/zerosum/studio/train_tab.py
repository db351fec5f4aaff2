"""Start a run from a form made of a recipe, and resume one: by the command that a user would type, which is shown."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from zerosum.recipe import Recipe
from zerosum.studio.cards import problems, said
from zerosum.studio.forms import ESSENTIAL, Field, FormError, Value, heading, nearest, option_words, read_fields, read_form
from zerosum.studio.look import closing, import_gradio, waiting
from zerosum.studio.trainings import check_name, command, written
from zerosum.studio.workshop import Workshop

SECONDS = 2
"""Between two looks at what a command printed."""


def train_tab(workshop: Workshop) -> None:
    """Build the tab."""
    gr = import_gradio()
    first = workshop.first
    with gr.Row():
        family = gr.Dropdown(list(workshop.families), value=first, label="Family", elem_id="zs-family")
        names, preferred = recipes_of(workshop, first)
        recipe = gr.Dropdown(names, value=preferred, label="Recipe", elem_id="zs-recipe")
        unused = free_name(workshop, f"{first}-{preferred}")
        name = gr.Textbox(unused, label="Name of the run", max_lines=1, interactive=True, elem_id="zs-name")
    spec = gr.State(f"{first}:{preferred}")

    @gr.render(inputs=spec, show_progress="hidden")  # type: ignore[untyped-decorator]
    def form(spec: str | None) -> None:
        if spec is not None:
            build_form(gr, workshop, spec, name, [told, watched, output, timer])

    # Not drawn anew: a form goes while the timer asks what the run prints that was started from it.
    told = gr.HTML(elem_id="zs-started")
    output = gr.Code(language=None, label="What it prints", visible=False, interactive=False)
    watched, timer = gr.State(""), gr.Timer(SECONDS, active=False)

    def proposed(family: str) -> list[Any]:
        names, preferred = recipes_of(workshop, family)
        return [gr.update(choices=names, value=preferred), f"{family}:{preferred}"]

    def named(spec: str | None) -> Any:
        return gr.skip() if spec is None else free_name(workshop, spec.replace(":", "-"))

    def watch(name: str) -> list[Any]:
        folder = workshop.folder / name
        return [workshop.trainings.output(folder), gr.update(active=workshop.trainings.is_running(folder))]

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    closed = {"fn": lambda: [None, ""], "outputs": [spec, told], "js": closing("#zs-form"), **quiet}
    gone = {"js": waiting("#zs-form"), **quiet}
    family.input(**closed).then(proposed, family, [recipe, spec], **gone)
    recipe.input(**closed).then(lambda *words: ":".join(words), [family, recipe], spec, **gone)
    spec.change(named, spec, name, **quiet)
    timer.tick(watch, watched, [output, timer], **quiet)


def recipes_of(workshop: Workshop, family: str) -> tuple[list[str], str]:
    """The names of a family's recipes, and the one that is proposed."""
    names = list(workshop.families[family])
    return names, "cpu" if "cpu" in names else names[0]


def build_form(gr: Any, workshop: Workshop, spec: str, name: Any, places: Sequence[Any]) -> None:
    """The form of one recipe, with its buttons.

    Args:
        name: the box with the run's name.
        places: for a message, for the name of the run that is watched, for what it prints, and the timer that looks at it.
    """
    family, _, chosen = spec.partition(":")
    recipe = workshop.families[family][chosen]()
    fields = read_fields(recipe)
    first = sorted((field for field in fields if field.name in ESSENTIAL), key=lambda field: ESSENTIAL.index(field.name))
    rest: dict[str, list[Field]] = {}
    for field in fields:
        if field not in first:
            rest.setdefault(field.section, []).append(field)
    inputs = dict[str, Any]()
    with gr.Column(elem_id="zs-form"):
        with gr.Group(), gr.Row():
            inputs |= {field.name: component(gr, field) for field in first}
        for section, members in rest.items():
            with gr.Accordion(heading(recipe, section), open=False), gr.Row():
                inputs |= {field.name: component(gr, field) for field in members}
        empty = written(command(spec, workshop.folder / "NAME", []))
        shown = gr.Code(empty, language="shell", label="Command", interactive=False)
        with gr.Row():
            check = gr.Button("Check", elem_id="zs-check")
            start = gr.Button("Start training", variant="primary", elem_id="zs-start")

    def act(starting: bool, name: str, *values: Value) -> list[Any]:
        same = [gr.skip()] * 3
        try:
            words = words_for(workshop, spec, recipe, name, dict(zip(inputs, values, strict=True)))
            if starting:
                workshop.trainings.start(words, workshop.folder / name)
        except FormError as error:
            return [gr.skip(), problems(error.problems), *same]
        except (ValueError, OSError) as error:
            return [gr.skip(), said(str(error), True), *same]
        if not starting:
            return [written(words), said("These settings are valid."), *same]
        text = f"{name} has started: it goes on when the studio is closed. Watch it, and stop it, under Runs."
        return [written(words), said(text), name, gr.update(visible=True, value=""), gr.update(active=True)]

    for button, starting in ((check, False), (start, True)):
        button.click(partial(act, starting), [name, *inputs.values()], [shown, *places], api_visibility="private")


def component(gr: Any, field: Field) -> Any:
    """What asks for a field."""
    told: Mapping[str, Any] = {
        "label": field.name if field.name in ESSENTIAL else field.name.rpartition(".")[2],
        "info": field.help or None,
        "min_width": 240,
        "elem_id": f"zs-field-{field.name}",
        "interactive": True,
    }
    match field.kind:
        case "switch":
            return gr.Checkbox(bool(field.value), **told)
        case "choice":
            return gr.Dropdown(list(field.choices), value=field.value, **told)
        case "whole":
            return gr.Number(field.value, precision=0, **told)
        case "number":
            return gr.Number(field.value, **told)
    hint = "empty: none" if field.optional else "words with spaces between" if field.kind == "words" else None
    return gr.Textbox(field.value, max_lines=1, placeholder=hint, **told)


def words_for(workshop: Workshop, spec: str, recipe: Recipe, name: str, values: Mapping[str, Value]) -> list[str]:
    """The command that starts a new run with the values of a form.

    Raises:
        ValueError: (FormError) values that the recipe refuses; a name that is no name or taken.
    """
    folder = workshop.folder / check_name(name)
    if (folder / "recipe.json").exists():
        raise ValueError(f"there is a run {name} already: choose another name, or resume it under Runs")
    return command(spec, folder, option_words(recipe, read_form(recipe, values)))


def resume(workshop: Workshop, name: str) -> str:
    """Go on with a run by the command that starts it; what was done, in words.

    Raises:
        ValueError: its family is of the user's own and not named, or it is being trained already.
        OSError: its folder cannot be written to.
    """
    run = workshop.run(name)
    family = str(run.plain_recipe()["family"])
    if family not in workshop.families:
        raise ValueError(
            f"{name} is a run of {family}, a module of its own: if you trust it, start the studio with --family {family}"
        )
    base, options = nearest(run.recipe(family), workshop.families[family])
    words = command(f"{family}:{base}", run.folder, options)
    workshop.trainings.start(words, run.folder)
    return f"{name} goes on: {written(words)}"


def free_name(workshop: Workshop, wanted: str) -> str:
    """A name for a new run that no folder has yet."""
    wanted = wanted.replace(".", "-")
    taken = {path.name for path in workshop.folder.iterdir()}
    return next(name for name in (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3))) if name not in taken)
