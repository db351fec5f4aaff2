"""The documentation's pages that are made: every family has one, whole, and every link leads somewhere."""

import posixpath
import re
from dataclasses import fields
from pathlib import Path

import pytest
from scripts import site_pages

from zerosum import gans

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", gans.names())
def test_a_page_for_every_family(name: str) -> None:
    family = gans.find(name)
    page = site_pages.family_page(family)
    assert page.startswith(f"# {name}\n\n**")
    assert re.search(r"\b20\d\d, ", page), "the paper"
    turns = page.partition("| turn | lowers |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(turns) >= 2
    for turn in turns:
        assert turn.split(" | ")[1].strip(), f"{turn}: its loss has no docstring"
    for recipe in family.recipes:
        assert f"| `{name}:{recipe}` | " in page
    for field in fields(family.config):  # type: ignore[arg-type]
        row = re.search(rf"^\| `{field.name}` \| .+ \| (.+) \|$", page, re.MULTILINE)
        assert row, f"{field.name} has no description"


def test_results_and_pictures_are_found() -> None:
    page = site_pages.family_page(gans.find("biggan"))
    assert "biggan:cpu" in page.partition("## What it reached here")[2]
    assert "](../images/fashion-biggan.png)" in page


def test_every_link_of_the_made_pages_leads_somewhere() -> None:
    made = site_pages.pages()
    there = {*made, *(file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.*"))}
    for place, text in made.items():
        for target in re.findall(r"\]\(([^)#:\s]+)", site_pages.with_links_to_families(text, place)):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(place), target)) in there, f"{place} links to {target}"


def test_links_move_with_their_page() -> None:
    text = "[a](docs/data.md#kinds) ![b](docs/images/demo.png) [c](ARCHITECTURE.md) [`d`](benchmarks/steps.py) [e](https://x.y)"
    assert site_pages.relinked(text, "", "families/x.md") == (
        "[a](../data.md#kinds) ![b](../images/demo.png) [c](../architecture.md) `d` [e](https://x.y)"
    )
    assert site_pages.relinked("[a](../examples/my_gan.py) [b](data.md)", "docs", "latents.md") == "[a](my_gan.md) [b](data.md)"


def test_tables_of_families_lead_to_their_pages() -> None:
    text = "| `dcgan` | x |\n| `pairs` | y |"
    assert site_pages.with_links_to_families(text, "index.md") == "| [`dcgan`](families/dcgan.md) | x |\n| `pairs` | y |"
