"""Prompts as their user meets them: samples in rows, the way between, whether they show what was asked for."""

import json
from pathlib import Path

import numpy as np
import pytest

import zerosum
from zerosum.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts") / "run"
    zerosum.train("text_to_image:tiny", folder)
    return folder


def sampled(run: Path, tmp_path: Path, *options: object) -> np.ndarray:
    out = tmp_path / "samples.npz"
    assert main(["sample", str(run), *map(str, options), "--out", str(out)]) == 0
    samples: np.ndarray = np.load(out)["samples"]
    return samples


def test_every_prompt_has_its_row(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sampled(run, tmp_path, "--prompt", "apple", "--prompt", "qzx blue heart", "-n", 3, "--seed", 5)
    assert rows.shape == (6, 16, 16, 3)
    for row, prompt in enumerate(("apple", "blue heart")):
        assert np.array_equal(rows[3 * row : 3 * row + 3], sampled(run, tmp_path, "--prompt", prompt, "-n", 3, "--seed", 5))
    way = sampled(run, tmp_path, "--prompt", "apple", "--prompt", "rocket", "--interpolate", "-n", 5, "--seed", 5)
    assert np.array_equal(way[0], rows[0])
    assert main(["sample", str(run), "--prompt", "apple", "--out", str(tmp_path / "grid.png")]) == 0
    assert (tmp_path / "grid.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give a prompt, such as"),
        (["--prompt", "qwxyz"], "no word of 'qwxyz' is among"),
        (["--prompt", ""], "no word of '' is among"),
        (["--prompt", "apple", "--label", "3"], "--label"),
        (["--prompt", "apple", "--prompt", "rocket", "--interpolate", "--stops", "3"], "between prompts there is one"),
        (["--prompt", "apple", "--sweep", "truncation=1,2"], "--prompt and --sweep do not go together"),
        (["--prompt", "apple", "--temperature", "2"], "--temperature and --prefix are for text"),
    ],
)
def test_mistakes_are_answered_in_words(
    run: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grid.png"
    assert main(["sample", str(run), *options, "--out", str(out)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert message.removeprefix("--") in said
    assert "Traceback" not in said
    assert not out.exists()


def test_a_run_is_judged_by_what_was_asked_for(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "metrics.json"
    assert main(["evaluate", str(run), "-n", "64", "--metrics", "r-precision", "--json", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    (name,) = found
    assert name.startswith("r-precision")
    figure = found[name]
    assert figure["interval"][0] <= figure["value"] <= figure["interval"][1] <= 1
    assert figure["floor"] > 0.2, "real images are told apart better than by chance"
    assert f"by chance {1 / figure['num_real']:.3g}" in figure["note"]
    assert 50 < figure["num_real"] <= 64
    assert main(["evaluate", str(run), "-n", "64", "--metrics", "modes"]) == 2
