"""Start a run from a form made of a recipe, and resume one: by the command that a user would type, which is shown."""

from collections.abc import Mapping
from typing import Any

from zerosum.recipe import Recipe
from zerosum.studio.cards import problems, said
from zerosum.studio.forms import ESSENTIAL, Field, FormError, Value, heading, nearest, option_words, read_fields, read_form
from zerosum.studio.look import import_gradio
from zerosum.studio.trainings import check_name, command, written
from zerosum.studio.workshop import Workshop

SECONDS = 2
"""Between two looks at what a command printed."""


def train_tab(workshop: Workshop) -> None:
    """Build the tab."""
    gr = import_gradio()
    first, names = workshop.first, list(workshop.families[workshop.first])
    with gr.Row():
        family = gr.Dropdown(list(workshop.families), value=first, label="Family", elem_id="zs-family")
        recipe = gr.Dropdown(names, value="cpu" if "cpu" in names else names[0], label="Recipe", elem_id="zs-recipe")
        proposed = free_name(workshop, f"{first}-cpu")
        name = gr.Textbox(proposed, label="Name of the run", max_lines=1, interactive=True, elem_id="zs-name")

    def recipes_of(family: str) -> Any:
        names = list(workshop.families.get(family, {}))
        return gr.update(choices=names, value="cpu" if "cpu" in names else names[0])

    private = {"api_visibility": "private", "show_progress": "hidden"}
    family.input(recipes_of, family, recipe, **private)
    gr.on([family.input, recipe.change], lambda f, r: free_name(workshop, f"{f}-{r}"), [family, recipe], name, **private)

    @gr.render(inputs=[family, recipe], show_progress="hidden")  # type: ignore[untyped-decorator]
    def form(family: str, recipe: str) -> None:
        if recipe in workshop.families.get(family, {}):
            build_form(gr, workshop, f"{family}:{recipe}", workshop.families[family][recipe](), name)


def build_form(gr: Any, workshop: Workshop, spec: str, recipe: Recipe, name: Any) -> None:
    """The form of one recipe, with its buttons."""
    fields = read_fields(recipe)
    first = [field for field in fields if field.name in ESSENTIAL]
    rest: dict[str, list[Field]] = {}
    for field in fields:
        if field not in first:
            rest.setdefault(field.section, []).append(field)
    inputs = dict[str, Any]()
    with gr.Group(), gr.Row():
        inputs |= {field.name: component(gr, field) for field in sorted(first, key=lambda field: ESSENTIAL.index(field.name))}
    for section, members in rest.items():
        with gr.Accordion(heading(recipe, section), open=False), gr.Row():
            inputs |= {field.name: component(gr, field) for field in members}
    shown = gr.Code(written(command(spec, workshop.folder / "NAME", [])), language="shell", label="Command", interactive=False)
    with gr.Row():
        check = gr.Button("Check", elem_id="zs-check")
        start = gr.Button("Start training", variant="primary", elem_id="zs-start")
    told, output = (
        gr.HTML(elem_id="zs-started"),
        gr.Code(language=None, label="What it prints", visible=False, interactive=False),
    )
    watched, timer = gr.State(""), gr.Timer(SECONDS, active=False)

    def act(starting: bool, name: str, *values: Value) -> list[Any]:
        try:
            words = words_for(workshop, spec, recipe, name, dict(zip(inputs, values, strict=True)))
            if starting:
                workshop.trainings.start(words, workshop.folder / name)
        except FormError as error:
            return [gr.skip(), problems(error.problems), gr.skip(), gr.skip(), gr.skip()]
        except (ValueError, OSError) as error:
            return [gr.skip(), said(str(error), True), gr.skip(), gr.skip(), gr.skip()]
        if not starting:
            return [written(words), said("These settings are valid."), gr.skip(), gr.skip(), gr.skip()]
        text = f"{name} has started: it goes on when the studio is closed. Watch it, and stop it, under Runs."
        return [written(words), said(text), name, gr.update(visible=True, value=""), gr.update(active=True)]

    def watch(name: str) -> list[Any]:
        folder = workshop.folder / name
        going = workshop.trainings.is_running(folder)
        return [workshop.trainings.output(folder), gr.update(active=going)]

    private = {"api_visibility": "private"}
    outputs = [shown, told, watched, output, timer]
    check.click(lambda *values: act(False, *values), [name, *inputs.values()], outputs, **private)
    start.click(lambda *values: act(True, *values), [name, *inputs.values()], outputs, **private)
    timer.tick(watch, watched, [output, timer], show_progress="hidden", **private)


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
