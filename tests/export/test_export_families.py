"""Every family either becomes an ONNX file that computes the same, or says why not; docs/export.md has the table."""

import json
import sys
from functools import cache
from pathlib import Path

import onnx
import pytest
import torch

from zerosum import gans
from zerosum.api import build_gan
from zerosum.data import open_data
from zerosum.export.onnx import Exported, export_onnx
from zerosum.sampling import Sampler

PAGE = Path(__file__).parent.parent.parent / "docs" / "export.md"
START, END = "<!-- families -->\n", "\n<!-- /families -->"
HEAD = "| family | takes | gives |\n|---|---|---|"


@cache
def exported(family: str) -> Exported | str:
    """The family's tiny generator with its first weights, or why it cannot be exported."""
    recipe = gans.get_recipe(f"{family}:tiny")
    card = open_data(recipe.data).card
    gan = build_gan(recipe, card, torch.device("cpu")).for_sampling()
    try:
        return export_onnx(Sampler(gan, card), json.loads(recipe.to_json()))
    except ValueError as reason:
        return str(reason)


def row(family: str) -> str:
    """The family's line of the table."""
    found = exported(family)
    if isinstance(found, str):
        return f"| `{family}` | no: {found} | |"
    takes = ", ".join(f"{one.name} `[{', '.join(map(str, one.shape))}]`" for one in found.inputs)
    return f"| `{family}` | {takes} | {', '.join(found.outputs)} |"


@pytest.mark.parametrize("family", gans.names())
def test_it_is_exported_with_parity_or_says_why_not(family: str) -> None:
    assert row(family) in PAGE.read_text(), "run: python tests/export/test_export_families.py"
    found = exported(family)
    if isinstance(found, str):
        assert "cannot be exported" in found
        return
    assert 0 <= found.difference <= 1e-4
    model = onnx.load_from_string(found.content)
    onnx.checker.check_model(model, full_check=True)
    assert {domain.domain for domain in model.opset_import} <= {"", "ai.onnx"}
    made_by = {output: node.op_type for node in model.graph.node for output in node.output}
    normalised = [made_by.get(node.input[0]) for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert not {"Conv", "ConvTranspose"} & set(normalised), "a batch norm is left behind a convolution"
    assert str(Path(__file__).parents[2]).encode() not in found.content
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["family"] == family
    assert [one["name"] for one in json.loads(told["inputs"])] == [value.name for value in model.graph.input]


def test_holes_filled_smoothly_at_first_are_exported() -> None:
    recipe = gans.get_recipe("inpainting:fashion")
    card = open_data(recipe.data).card
    gan = build_gan(recipe, card, torch.device("cpu")).for_sampling()
    assert export_onnx(Sampler(gan, card), json.loads(recipe.to_json())).difference <= 1e-4


def test_the_table_has_no_other_families() -> None:
    text = PAGE.read_text()
    rows = text[text.index(START) + len(START) : text.index(END)].splitlines()[2:]
    assert [line.split("`")[1] for line in rows] == gans.names()


if __name__ == "__main__":
    text = PAGE.read_text()
    head, rest = text.partition(START)[0], text.partition(END)[2]
    PAGE.write_text(f"{head}{START}{HEAD}\n" + "\n".join(map(row, gans.names())) + END + rest)
    sys.stdout.write("docs/export.md is up to date\n")
