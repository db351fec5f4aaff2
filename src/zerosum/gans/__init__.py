"""The families: one file is one GAN, its name on the command line and its place in the registry."""

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import get_type_hints

from zerosum.game import GAN, Shapes
from zerosum.recipe import GANConfig, Recipe


@dataclass(frozen=True)
class Family:
    """What a family's module holds."""

    name: str
    gan: Callable[[GANConfig, Shapes], GAN]
    config: type[GANConfig]
    recipes: Mapping[str, Callable[..., Recipe]]
    summary: str
    """First line of the module's docstring."""


def names() -> list[str]:
    """The families that come with zerosum."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Family:
    """The family of that name: one of `names()`, or an importable package.module of the user's own.

    Raises:
        ValueError: there is none, or the module is not a family.
    """
    name = name.replace("-", "_") if "." not in name else name
    if name in names():
        return _read(name, importlib.import_module(f"{__name__}.{name}"))
    if "." not in name or not re.fullmatch(r"\w+(\.\w+)*", name):
        raise ValueError(unknown("family", name, names()) + "; or give a module of your own as package.module, not as a path")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"no module {name!r} can be imported from here; the families are {', '.join(names())}") from None
    return _read(name, module)


def get_recipe(spec: str) -> Recipe:
    """The recipe written as `family:recipe`; `family` alone means its recipe `cpu`, or its first one.

    Raises:
        ValueError: an unknown family or recipe.
    """
    name, _, chosen = spec.partition(":")
    family = find(name)
    if not chosen:
        chosen = "cpu" if "cpu" in family.recipes else next(iter(family.recipes))
    if chosen not in family.recipes:
        raise ValueError(unknown(f"recipe of {family.name}", chosen, list(family.recipes)))
    return family.recipes[chosen]()


def unknown(kind: str, name: str, choices: list[str]) -> str:
    """The message for a name that is none of the choices, with the nearest one."""
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}The choices are {', '.join(choices)}"


def _read(name: str, module: ModuleType) -> Family:
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    gans = [value for value in own if inspect.isclass(value) and issubclass(value, GAN)]
    config = getattr(module, "Config", None)
    if len(gans) != 1 or not (inspect.isclass(config) and issubclass(config, GANConfig)):
        raise ValueError(f"{module.__name__} is not a family: it needs one GAN class and a Config, see CONTRIBUTING.md")
    public = (value for value in own if inspect.isfunction(value) and not value.__name__.startswith("_"))
    recipes = {value.__name__: value for value in public if get_type_hints(value).get("return") is Recipe}
    if not recipes:
        raise ValueError(f"{module.__name__} has no recipe: a public function annotated `-> Recipe`, see CONTRIBUTING.md")
    return Family(name, gans[0], config, recipes, (module.__doc__ or "").strip().partition("\n")[0])
