"""Pages of the documentation that are made from what there is: a hook of mkdocs, see mkdocs.yml and scripts/docs.

The README becomes the first page, ARCHITECTURE, CONTRIBUTING and CHANGELOG pages of their own, and every family has a page from
its docstring, its game, its settings, its recipes, and what docs/results.md and docs/images know of it. None is named here.
"""

import ast
import inspect
import posixpath
import re
import sys
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from zerosum import gans
from zerosum.api import build_gan
from zerosum.data import open_data
from zerosum.data.sources import MIXTURES
from zerosum.game import GAN, HasLatents, HasReach
from zerosum.gans import Family
from zerosum.recipe import Data, GANConfig, Recipe

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MOVED = {name: name.lower() for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")}
MOVED |= {"README.md": "index.md", "README.zh-CN.md": "zh-CN.md", "examples/my_gan.py": "my_gan.md"}
"""Files of the repository -> their pages."""


def pages() -> dict[str, str]:
    """Every page that is made: its place -> its Markdown."""
    found = {place: relinked((ROOT / name).read_text(), "", place) for name, place in MOVED.items() if name.endswith(".md")}
    return found | {f"families/{name}.md": family_page(gans.find(name)) for name in gans.names()}


def relinked(text: str, folder: str, place: str) -> str:
    """Markdown with links that hold where the page now is; those to files that have no page become plain text.

    Args:
        folder: where the links were relative to, in the repository.
        place: of the page, in docs.
    """

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        origin = posixpath.normpath(posixpath.join(folder, target))
        page = MOVED.get(origin) or (origin.removeprefix("docs/") if origin.startswith("docs/") else None)
        if page is None:
            return label.removeprefix("!").strip("[]")
        return f"{label}({posixpath.relpath(page, posixpath.dirname(place) or '.')}{anchor})"

    return re.sub(r"(!?\[[^\]]*\])\(([^)#:\s]+)(#[^)]*)?\)", link, text)


def with_links_to_families(text: str, place: str) -> str:
    """Tables whose rows begin with a family's name lead to its page."""
    up = posixpath.relpath("families", posixpath.dirname(place) or ".")

    def link(found: re.Match[str]) -> str:
        return f"| [`{found[1]}`]({up}/{found[1]}.md) |" if found[1] in gans.names() else found[0]

    return re.sub(r"^\| `(\w+)` \|", link, text, flags=re.MULTILINE)


def family_page(family: Family) -> str:
    """The page of a family."""
    module = inspect.getmodule(family.gan)
    assert module
    _, _, text = inspect.getdoc(module).partition("\n")  # type: ignore[union-attr]
    recipe = family.recipes["tiny"]()
    gan = build_gan(recipe, open_data(recipe.data).card, torch.device("cpu"))
    parts = [
        f"# {family.name}",
        f"**{sentence(family.summary)}**",
        *pictures(family.name),
        text.strip(),
        "## The game",
        f"A step, as `{family.name}:tiny` plays it; how often is a setting of most recipes.",
        game(gan),
        "## Recipes",
        recipes(family),
        *results(family.name),
        "## Settings",
        f"Options `--gan.*` of `zerosum train {family.name}:RECIPE`. A recipe has values of its own for some.",
        settings(family.config),
    ]
    return "\n\n".join(parts) + "\n"


def sentence(summary: str) -> str:
    """What a family is, without its name."""
    text = summary.partition(": ")[2] or summary
    return text[:1].upper() + text[1:]


def game(gan: GAN) -> str:
    """Who plays, and what a step of the game is."""
    rows = ["| turn | lowers | how often |", "|---|---|---|"]
    for turn in gan.turns():
        equation = (inspect.getdoc(turn.loss) or "").partition("\n\n")[0].replace("\n", " ")
        often = ["every step" if turn.every == 1 else f"every {turn.every}th step"]
        if callable(turn.repeat):
            often.append("as many times as the step says")
        elif turn.repeat > 1:
            often.append(f"{turn.repeat} times, each on a fresh batch")
        often += ["differentiates a gradient"] * turn.second_order
        rows.append(f"| {turn.player} | {cell(equation)} | {', '.join(often)} |")
    sizes = {name: sum(weight.numel() for weight in player.parameters()) for name, player in gan.players().items()}
    does = [
        f"Learns from {quoted(gan.needs)}; makes `{gan.makes}`"
        + (f", given {quoted(gan.given)}." if gan.given else " from noise alone."),
        "Its latents can be truncated, mixed, moved and found." if isinstance(gan, HasLatents) else "",
        "Makes pictures of any size from pictures." if isinstance(gan, HasReach) else "",
        f"Players: {', '.join(f'`{name}`' for name in sizes)}.",
    ]
    return "\n".join(rows) + "\n\n" + " ".join(filter(None, does))


def quoted(keys: frozenset[str]) -> str:
    """Keys of a batch, as code."""
    return ", ".join(f"`{key}`" for key in sorted(keys))


def recipes(family: Family) -> str:
    """The recipes in a table, with the first lines of their docstrings."""
    rows = ["| recipe | what | size | batch | images |", "|---|---|---|---|---|"]
    for name, make in family.recipes.items():
        recipe: Recipe = make()
        what = (inspect.getdoc(make) or "").partition("\n\n")[0].replace("\n", " ")
        cells = (f"`{family.name}:{name}`", cell(what), size(recipe.data), recipe.train.batch, f"{recipe.train.images:,}")
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def size(data: Data) -> str:
    """Of an example, with its unit."""
    if data.path in MIXTURES:
        return "2 numbers"
    sizes = {"tokens": f"{data.num_tokens} tokens", "audio": f"{data.samples:,} samples"}
    return sizes.get(data.kind, f"{data.resolution} pixels")


def settings(config: type[GANConfig]) -> str:
    """The fields of a family's Config, with their defaults and docstrings."""
    rows, docs = ["| setting | default | what |", "|---|---|---|"], field_docs(config)
    for field in fields(config):  # type: ignore[arg-type]
        default = field.default if field.default is not MISSING else getattr(field.default, "default", "")
        shown = f"`{default}`" if not hasattr(default, "__dataclass_fields__") else "none of them"
        rows.append(f"| `{field.name}` | {cell(shown)} | {cell(docs.get(field.name, ''))} |")
    return "\n".join(rows)


def field_docs(kind: type[Any]) -> dict[str, str]:
    """The docstrings below the fields of a dataclass."""
    body = ast.parse(inspect.getsource(kind)).body[0].body  # type: ignore[attr-defined]
    found = {}
    for field, doc in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
            found[field.target.id] = " ".join(str(doc.value.value).split())  # type: ignore[union-attr]
    return found


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", "\\|")


def pictures(name: str) -> list[str]:
    """The pictures in docs/images that have the family in their names."""
    files = sorted(file.name for file in (DOCS / "images").glob("*.png") if name in re.split(r"[-.]", file.name))
    return [" ".join(f"![{Path(file).stem}](../images/{file})" for file in files)] if files else []


def results(name: str) -> list[str]:
    """The rows of docs/results.md that are the family's, each table under its heading and the name of its data."""
    heading, data, header, rows = "", "", list[str](), dict[tuple[str, ...], list[str]]()
    lines = (DOCS / "results.md").read_text().splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif found := re.fullmatch(r"<!-- (\w+) -->", line):
            data = found[1]
        elif after.startswith("|---"):
            header = [line, after]
        elif line.startswith((f"| {name}:", f"| `{name}:")):
            rows.setdefault((heading, data, *header), []).append(line)
    tables = [
        f"{heading}, `{data}` ([results](../results.md)):\n\n" + "\n".join([*header, *own])
        for (heading, data, *header), own in rows.items()
    ]
    return ["## What it reached here", *tables] if tables else []


def families_table() -> str:
    """All families: what they learn from, what they are given, and what they are."""
    rows = ["| family | learns from | is given | what it is |", "|---|---|---|---|"]
    for name in gans.names():
        family = gans.find(name)
        recipe = family.recipes["tiny"]()
        gan = build_gan(recipe, open_data(recipe.data).card, torch.device("cpu"))
        rows.append(f"| `{name}` | {quoted(gan.needs)} | {quoted(gan.given) or 'noise alone'} | {cell(family.summary)} |")
    return "\n".join(rows)


def on_config(config: Any) -> Any:
    """List every page in the navigation: families by name, and pages of docs that mkdocs.yml does not place."""
    placed = {page for entry in flat(config["nav"]) for page in [entry]}
    left = [file.name for file in sorted(DOCS.glob("*.md")) if file.name not in placed]
    for section in config["nav"]:
        if "Guides" in section:
            section["Guides"] += left
        if "Families" in section:
            section["Families"] += [{name: f"families/{name}.md"} for name in gans.names()]
    return config


def flat(nav: Any) -> list[str]:
    """The pages of a navigation."""
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in flat(entry)]


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to the pages of the site."""
    place = page.file.src_uri
    if "<!-- families -->" in markdown:
        markdown = markdown.replace("<!-- families -->", families_table())
    if (DOCS / place).is_file():
        markdown = relinked(markdown, "docs", place)
    return with_links_to_families(markdown, place)


if __name__ == "__main__":
    sys.stdout.write("\n".join(pages()) + "\n")
