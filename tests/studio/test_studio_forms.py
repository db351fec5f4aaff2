"""Forms: every recipe of every family becomes a form and comes back, and its options say the same to the command line."""

from dataclasses import replace
from pathlib import Path

import pytest

from zerosum import gans
from zerosum.cli.options import options
from zerosum.cli.train import Train
from zerosum.recipe import Recipe
from zerosum.studio.forms import FormError, heading, nearest, option_words, read_fields, read_form

SPECS = [f"{name}:{recipe}" for name in gans.names() for recipe in gans.find(name).recipes]


def parsed(base: Recipe, words: list[str]) -> Recipe:
    """What the command line makes of options."""
    return options(Train, "zerosum train", words, Train(base, Path("out"))).recipe


@pytest.mark.parametrize("spec", SPECS)
def test_a_form_left_as_it_is_gives_its_recipe(spec: str) -> None:
    recipe = gans.get_recipe(spec)
    fields = read_fields(recipe)
    assert read_form(recipe, {field.name: field.value for field in fields}) == recipe
    assert all(field.help for field in fields), [field.name for field in fields if not field.help]


@pytest.mark.parametrize("name", gans.names())
def test_options_lead_from_one_recipe_to_another(name: str) -> None:
    recipes = [make() for make in gans.find(name).recipes.values()]
    for other in recipes[1:]:
        if set(other.optimisers) == set(recipes[0].optimisers):
            assert parsed(recipes[0], option_words(recipes[0], other)) == other


def test_every_kind_of_field_is_changed_and_reaches_the_command_line() -> None:
    recipe = gans.get_recipe("dcgan:tiny")
    values = {
        "data.path": "--out=elsewhere; rm -rf ~ $(id) 'x'",
        "data.mirror": True,
        "data.labels": "age smiling",
        "data.sides": "B A",
        "gan.kernel": 5,
        "gan.stabilisers.augment": "ada",
        "gan.stabilisers.augment_schedule": "cosine(0, 0.3, over=2000)",
        "optimisers.generator.rate": "linear(0.001, 0, over=800)",
        "optimisers.generator.eps": 1e-7,
        "train.images": 320.0,
        "train.balance": "0.8",
        "train.freeze": "discriminator.layers.0",
        "jobs.evaluate_every": "",
    }
    changed = read_form(recipe, values)
    assert changed.data.path == values["data.path"]
    assert changed.data.labels == ("age", "smiling")
    assert changed.train == replace(recipe.train, images=320, balance=0.8, freeze=("discriminator.layers.0",))
    assert str(changed.optimisers["generator"].rate) == "linear(0.001, 0, over=800)"
    words = option_words(recipe, changed)
    assert parsed(recipe, words) == changed
    assert not any(word.startswith("--out") for word in words)
    assert nearest(changed, gans.find("dcgan").recipes) == ("tiny", words)


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        ({"data.resolution": 3}, "data", "between 4 and 4096 pixels, not 3"),
        ({"train.images": 0}, "train", "images must be above 0"),
        ({"train.images": None}, "train.images", "cannot be empty"),
        ({"train.batch": 1.5}, "train.batch", "integer"),
        ({"data.path": " "}, "data", "data.path is empty"),
        ({"gan.kernel": 6}, "gan.kernel", "choose one of 4, 5"),
        ({"gan.latent": -1}, "gan", "latent"),
        ({"optimisers.generator.rate": "soon"}, "optimisers.generator.rate", "not a value or schedule"),
        ({"train.freeze": "--out=elsewhere"}, "train.freeze", "begins with a hyphen"),
        ({"data.sides": "A"}, "data.sides", "required"),
        ({"train.cheat": 1}, "train.cheat", "no such setting"),
        ({"family": "os.system"}, "family", "no such setting"),
    ],
)
def test_what_the_recipe_refuses_is_said_by_field(values: dict[str, object], name: str, words: str) -> None:
    with pytest.raises(FormError, match=words) as refused:
        read_form(gans.get_recipe("dcgan:tiny"), values)  # type: ignore[arg-type]
    assert any(place.startswith(name) for place in refused.value.problems), refused.value.problems


def test_all_problems_of_a_form_are_said_at_once() -> None:
    with pytest.raises(FormError) as refused:
        read_form(gans.get_recipe("dcgan:tiny"), {"data.resolution": 3, "train.images": -5, "jobs.keep": 0})
    assert set(refused.value.problems) == {"data", "train", "jobs"}


def test_sections_are_headed_by_what_they_are_for() -> None:
    assert heading(gans.get_recipe("wgan:tiny"), "optimisers.critic") == "optimisers.critic: How one player moves."
