"""A recipe as a form: a field for every leaf, by its type and with its docstring as help; and back, with errors in words."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from zerosum.recipe import Recipe, flatten
from zerosum.schedules import Schedule

Kind = Literal["switch", "choice", "whole", "number", "text", "words"]
Value = bool | int | float | str | None

ESSENTIAL = (
    "data.path",
    "data.resolution",
    "train.images",
    "train.batch",
    "train.seed",
    "gan.stabilisers.augment",
    "jobs.stop_when",
    "jobs.recover",
)
"""What most people change: shown first."""


@dataclass(frozen=True)
class Field:
    """One leaf of a recipe."""

    name: str
    """Dotted, such as data.resolution."""
    kind: Kind
    value: Value
    """As it is shown."""
    help: str
    choices: tuple[str | int, ...] = ()
    optional: bool = False
    """Whether it may be left empty."""

    @property
    def section(self) -> str:
        """What it belongs to: gan, optimisers.generator, data, train ..."""
        return self.name.rpartition(".")[0]


class FormError(ValueError):
    """Values that the recipe refuses, each in words."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)
        """Field, or section where several go together, -> what is wrong."""


def read_fields(recipe: Recipe) -> list[Field]:
    """The form of a recipe, in the recipe's order."""
    plain = json.loads(recipe.to_json())
    found = list(leaves(recipe.gan, plain["gan"], "gan"))
    for player, optimiser in recipe.optimisers.items():
        found += leaves(optimiser, plain["optimisers"][player], f"optimisers.{player}")
    for section in ("data", "train", "average", "jobs"):
        found += leaves(getattr(recipe, section), plain[section], section)
    return found


def heading(recipe: Recipe, section: str) -> str:
    """A section's name, and what its settings are for."""
    settings: Any = recipe
    for name in section.split("."):
        settings = settings[name] if isinstance(settings, dict) else getattr(settings, name)
    return f"{section}: {(type(settings).__doc__ or '').strip().partition(chr(10))[0]}"


def leaves(settings: Any, plain: Mapping[str, Any], prefix: str) -> Iterator[Field]:
    """The fields of a dataclass with settings, and of those within it."""
    hints, told = get_type_hints(type(settings)), getattr(type(settings), "__pydantic_fields__", {})
    for item in fields(settings):
        name, value = f"{prefix}.{item.name}", getattr(settings, item.name)
        if is_dataclass(value) and not isinstance(value, Schedule):
            yield from leaves(value, plain[item.name], name)
            continue
        if any(get_origin(part) is tuple for part in get_args(hints[item.name])):
            continue  # a table, which stays as the recipe has it
        kind, choices, optional = kind_of(hints[item.name])
        text = " ".join((getattr(told.get(item.name), "description", None) or "").split())
        yield Field(name, kind, shown(plain[item.name], kind), text, choices, optional)


def kind_of(hint: Any) -> tuple[Kind, tuple[str | int, ...], bool]:
    """How a type is asked for, its choices, and whether it may be empty."""
    parts = get_args(hint)
    if get_origin(hint) in (Union, UnionType) and NoneType in parts:
        (inner,) = (part for part in parts if part is not NoneType)
        # An empty field is None, so numbers that may be None are asked for as text.
        return ("text", (), True) if inner is not bool else ("choice", ("True", "False"), True)
    if get_origin(hint) is Literal:
        return "choice", parts, False
    if get_origin(hint) is tuple:
        return "words", (), False
    kinds: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number"}
    return kinds.get(hint, "text"), (), False


def shown(value: Any, kind: Kind) -> Value:
    """A value of plain JSON as its field shows it."""
    if kind == "words":
        return " ".join(map(str, value))
    if kind == "text":
        return "" if value is None else str(value)
    result: Value = value
    return result


def read_form(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """The recipe with the values of a form.

    Args:
        values: by the fields' names; those left out stay.

    Raises:
        FormError: what the recipe refuses.
    """
    plain, problems = json.loads(recipe.to_json()), dict[str, str]()
    known = {field.name: field for field in read_fields(recipe)}
    for name, value in values.items():
        if name not in known:
            problems[name] = "there is no such setting in this recipe"
            continue
        try:
            place(plain, name, entered(known[name], value))
        except ValueError as problem:
            problems[name] = str(problem)
    if problems:
        raise FormError(problems)
    return validated(plain, recipe)


def validated(plain: Mapping[str, Any], recipe: Recipe) -> Recipe:
    """The recipe of plain JSON; all sections are looked at before the errors are raised."""
    try:
        return Recipe.from_plain(plain, type(recipe.gan))
    except ValidationError as error:
        # The gan's settings are validated by themselves, so their places lack the section.
        inside = error.title == type(recipe.gan).__name__
        raise FormError(dict(said(error, "gan" if inside else ""))) from None


def said(error: ValidationError, prefix: str) -> Iterator[tuple[str, str]]:
    """What pydantic found, by dotted name."""
    for item in error.errors():
        place = ".".join([*([prefix] if prefix else []), *(str(part) for part in item["loc"] if not isinstance(part, int))])
        yield place or "recipe", item["msg"].removeprefix("Value error, ")


def entered(field: Field, value: Value) -> Any:
    """A field's value as plain JSON.

    Raises:
        ValueError: it is empty, no choice, or begins like an option.
    """
    if field.kind == "words":
        words = str(value or "").replace(",", " ").split()
        if taken := next((word for word in words if word.startswith("-") and not is_number(word)), None):
            raise ValueError(f"{taken!r} begins with a hyphen: a name here cannot")
        return words
    if value is None or value == "":
        if field.optional or field.value == "":
            return None if field.optional else ""
        raise ValueError("this cannot be empty")
    if field.kind == "choice" and value not in field.choices:
        raise ValueError(f"choose one of {', '.join(map(str, field.choices))}, not {value!r}")
    if field.kind == "whole" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value.strip() if isinstance(value, str) else value


def is_number(word: str) -> bool:
    """Whether a word is a number, perhaps a negative one."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def place(plain: dict[str, Any], name: str, value: Any) -> None:
    """Set a leaf of nested mappings by its dotted name."""
    *sections, leaf = name.split(".")
    for section in sections:
        plain = plain[section]
    plain[leaf] = value


def option_words(base: Recipe, recipe: Recipe) -> list[str]:
    """The options of `zerosum train` that make one recipe of another of the same family and players.

    Raises:
        ValueError: a value that the command line would take for an option.
    """
    before, after = (dict(flatten(json.loads(each.to_json()))) for each in (base, recipe))
    words: list[str] = []
    for name, value in after.items():
        if before.get(name) == value:
            continue
        option = f"--{name.replace('_', '-')}"
        if not isinstance(value, list):
            words.append(f"{option}={value}")
            continue
        parts = [str(word) for row in value for word in (row if isinstance(row, list) else [row])]
        if any(part.startswith("-") and not is_number(part) for part in parts):
            raise ValueError(f"{name}: {value} begins with a hyphen, which the command line takes for an option")
        words += [option, *parts]
    return words


def nearest(recipe: Recipe, recipes: Mapping[str, Callable[[], Recipe]]) -> tuple[str, list[str]]:
    """The recipe of a family from which the fewest options lead to this one, and these options.

    Raises:
        ValueError: none has the same players.
    """
    found = [(name, make()) for name, make in recipes.items()]
    fitting = [(name, option_words(base, recipe)) for name, base in found if set(base.optimisers) == set(recipe.optimisers)]
    if not fitting:
        raise ValueError(
            f"no recipe of {recipe.family} has the players {', '.join(recipe.optimisers)}: resume it by its command"
        )
    return min(fitting, key=lambda pair: len(pair[1]))
