"""The house's rules, read from the source: which room may import which, and what no file may be."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "zerosum"
FILES = sorted(SOURCE.rglob("*.py"))

WORDS = (
    "noise",
    "game",
    "schedules",
    "recipe",
    "datacard",
    "caches",
    "losses",
    "regularizers",
    "fidelity",
    "vocabulary",
    "ngrams",
    "spectra",
)
TOOLS = ("nn", "augment", "data", "distributed", "features")
RUN = ("run", "locking", "sampling", "latents", "pictures", "sounds", "curves")
VERBS = ("training", "evaluate", "diagnose", "apply", "export", "report", "studio")
DOORS = ("api", "judging", "supervision", "choosing", "sweeping", "playing", "cli", "__init__", "__main__")

MAY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(WORDS, WORDS),
    **{tool: (*WORDS, tool) for tool in TOOLS},
    "gans": (*WORDS, *TOOLS, "gans"),
    "run": (*WORDS, *TOOLS, "gans"),
    "locking": ("run",),
    "sampling": (*WORDS, *TOOLS, "gans", "latents", "pictures"),
    "latents": WORDS,
    "pictures": WORDS,
    "sounds": WORDS,
    "curves": (),
    **{verb: (*WORDS, *TOOLS, *RUN, verb) for verb in VERBS},
    **dict.fromkeys(DOORS, (*WORDS, *TOOLS, "gans", *RUN, *VERBS, *DOORS)),
}
"""Room -> the rooms it may import."""

BANNED_NAMES = {"utils", "helpers", "misc", "common", "base", "manager"}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_LOOP_LINES = 600, 60, 150


def room(file: Path) -> str:
    """The room a source file lies in."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(file: Path) -> set[str]:
    """The rooms of zerosum that a file imports, anywhere in it."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write imports in full"
            modules += (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "zerosum" else [node.module or ""]
            )
    return {module.split(".")[1] for module in modules if module.startswith("zerosum.")}


def room_table() -> str:
    """The table of ARCHITECTURE.md."""
    groups = {"words": WORDS, "tools": TOOLS, "families": ("gans",), "run": RUN, "verbs": VERBS, "doors": DOORS}
    reach = {"words": "words", "tools": "words", "families": "words, tools", "run": "words, tools, families"}
    reach |= {"verbs": "words, tools, run", "doors": "everything"}
    rows = [f"| {group} | {', '.join(f'`{room}`' for room in rooms)} | {reach[group]} |" for group, rooms in groups.items()]
    return "\n".join(["| group | rooms | may import |", "|---|---|---|", *rows])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_only_what_its_room_may(file: Path) -> None:
    forbidden = imported_rooms(file) - set(MAY[room(file)])
    assert not forbidden, f"{file} imports {sorted(forbidden)}; {room(file)} may import {MAY[room(file)]}"


@pytest.mark.parametrize("file", sorted((SOURCE / "gans").glob("[a-z]*.py")), ids=lambda file: file.stem)
def test_families_do_not_know_each_other(file: Path) -> None:
    assert "zerosum.gans" not in file.read_text()


def test_every_room_is_in_the_table() -> None:
    assert {room(file) for file in FILES} == set(MAY)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_and_functions_are_small_and_named(file: Path) -> None:
    text = file.read_text()
    assert file.stem not in BANNED_NAMES
    assert text.count("\n") <= (MAX_LOOP_LINES if file.name == "loop.py" else MAX_FILE_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, f"{file}: {node.name} is too long"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_everything_public_is_documented(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), f"{file} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{file}: {node.name} has no docstring"


def test_architecture_page_shows_this_table() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert room_table() in page, "run: python tests/test_architecture.py"


if __name__ == "__main__":
    path = ROOT / "ARCHITECTURE.md"
    head, _, rest = path.read_text().partition("<!-- rooms -->\n")
    path.write_text(f"{head}<!-- rooms -->\n{room_table()}\n<!-- /rooms -->{rest.partition('<!-- /rooms -->')[2]}")
    sys.stdout.write("ARCHITECTURE.md is up to date\n")
