"""What the README says is what there is."""

import re
from pathlib import Path

from zerosum import gans

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_every_family_and_recipe_is_in_the_table() -> None:
    for name in gans.names():
        row = next(line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
        for recipe in set(gans.find(name).recipes) - {"cpu", "tiny"}:
            assert f"`{recipe}`" in row


def test_every_command_names_a_recipe_there_is() -> None:
    for spec in re.findall(r"zerosum(?:\.|\s)train[ (]+\"?([a-z_]+:[a-z0-9_]+)", README):
        gans.get_recipe(spec)


def test_every_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_placeholder_is_left() -> None:
    assert not re.search(r"\{[a-z]+\}", README)
