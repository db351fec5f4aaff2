"""`zerosum doctor` as its user meets it, and the options of `zerosum train` that go with it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zerosum
from zerosum import api
from zerosum.cli import main
from zerosum.cli.train import spelled_out
from zerosum.diagnose.verdict import HEALTHY, VERDICTS
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.supervision import SOFTER

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run on data of its own."""
    folder = tmp_path_factory.mktemp("doctor")
    images = np.random.default_rng(0).integers(0, 255, (120, 16, 16, 1), np.uint8)
    np.save(folder / "data.npy", images)
    assert main(["train", "dcgan:tiny", "--data", str(folder / "data.npy"), "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Run:
    """A copy of it, with its data, to damage."""
    shutil.copytree(finished, tmp_path / "copy")
    folder = tmp_path / "copy" / "run"
    recipe = folder / "recipe.json"
    recipe.write_text(recipe.read_text().replace(str(finished), str(tmp_path / "copy")))
    return Run(folder)


def asked(run: Run, *options: str) -> int:
    return main(["doctor", str(run.folder), *options])


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """What is said of a user's mistake."""
    try:
        status = main(arguments)
    except SystemExit as done:
        status = int(str(done.code))
    text = "".join(capfd.readouterr())
    assert status == 2
    assert "Traceback" not in text
    return " ".join(text.split())


def plain(run: Run, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What is printed as JSON, strictly read."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    capsys.readouterr()
    status = asked(run, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert status == int(found["verdict"] not in HEALTHY)
    return found


def test_a_run_is_given_a_verdict(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status = asked(run)
    text = capsys.readouterr().out
    (verdict,) = re.findall(r"^verdict: (.*)$", text, re.MULTILINE)
    assert verdict in VERDICTS
    assert status == int(verdict not in HEALTHY)
    assert "after 480 images" in text
    heading, *rows = text.splitlines()
    assert {"images", "accuracy", "distance", "diversity", "duplicates"} <= set(heading.split())
    assert [row.split()[0] for row in rows[:2]] == ["240", "480"]


def test_json_holds_verdict_and_signals(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = plain(run, capsys)
    assert {"verdict", "evidence", "advice", "remarks", "images", "signals"} == set(found)
    assert found["images"] == found["signals"]["images"] == 480
    assert found["signals"] == {name: run.diagnoses()[-1][name] for name in found["signals"]}


def test_a_healthy_run_gives_0_and_an_ailing_one_1(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.diagnosis_file.write_text(json.dumps({"images": 480, "distance": 0.2, "accuracy": 0.7}) + "\n")
    assert asked(run) == 0
    run.append_diagnosis({"images": 480, "finite": False})
    assert asked(run) == 1
    assert "verdict: diverging" in capsys.readouterr().out


def test_what_training_has_not_written_down_is_examined_now(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = plain(run, capsys)
    content = {file: file.read_bytes() for file in run.folder.rglob("*") if file.is_file() and file != run.diagnosis_file}
    run.diagnosis_file.unlink()
    again = plain(run, capsys)
    for name, value in before["signals"].items():
        if not isinstance(value, dict):
            assert again["signals"][name] == value, name
    assert again["signals"]["gradient_norms"].keys() == before["signals"]["gradient_norms"].keys()
    assert {file: file.read_bytes() for file in content} == content
    assert not run.diagnosis_file.exists(), "asking leaves no trace"


def test_a_checkpoint_newer_than_the_last_examination_is_examined(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.cut_rows(240)
    assert plain(run, capsys)["images"] == 480


def test_a_run_that_needs_no_new_examination_needs_no_data(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (run.folder.parent / "data.npy").unlink()
    assert plain(run, capsys)["images"] == 480


def test_advice_is_about_the_rates_that_recoveries_have_left(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.append_diagnosis({"images": 480, "finite": False})
    (run.folder / "recoveries.json").write_text(json.dumps([{"images": 400, "back_to": 160, "rates_times": SOFTER}]))
    asked(run)
    assert f"--optimisers.generator.rate {1e-3 * SOFTER * 0.2:.2g}" in capsys.readouterr().out


def test_changed_data_is_refused(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    run.diagnosis_file.unlink()
    np.save(run.folder.parent / "data.npy", np.zeros((120, 16, 16, 1), np.uint8))
    text = refused(["doctor", str(run.folder)], capfd)
    assert f"data.npy is no longer what {run.folder} was trained on; examine it where that data is" in text


def test_gone_data_is_named(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    run.diagnosis_file.unlink()
    (run.folder.parent / "data.npy").unlink()
    assert "data.npy" in refused(["doctor", str(run.folder)], capfd)


def test_a_run_without_a_checkpoint(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run.folder / "checkpoints", run.folder / "kept")
    run.diagnosis_file.unlink()
    shutil.rmtree(run.folder / "checkpoints")
    text = refused(["doctor", str(run.folder)], capfd)
    assert "has no checkpoint yet; train it further with the command it was started with" in text
    (run.folder / "kept").rename(run.folder / "checkpoints")
    for folder in run.checkpoints():
        (folder / "state.pt").write_bytes(b"")
    assert "every checkpoint of" in refused(["doctor", str(run.folder)], capfd)


@pytest.mark.parametrize("place", ["tests", "no/such/folder"])
def test_what_is_not_a_run(place: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert f"{place} is not a run: it has no recipe.json" in refused(["doctor", place], capfd)


def test_a_gan_of_ones_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    zerosum.train("examples.my_gan:tiny", tmp_path / "run")
    text = refused(["doctor", str(tmp_path / "run")], capfd)
    assert "a module of its own: if you trust it, say --family examples.my_gan" in text
    assert main(["doctor", str(tmp_path / "run"), "--family", "examples.my_gan"]) in (0, 1)


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """What would have been trained."""
    chosen: list[Recipe] = []
    monkeypatch.setattr(api, "train", lambda recipe, out, console: chosen.append(recipe))
    return chosen


@pytest.mark.parametrize(
    ("words", "recover", "stop_when"),
    [
        ([], 0, "finished"),
        (["--recover"], 3, "finished"),
        (["--recover", "2"], 2, "finished"),
        (["--recover=1"], 1, "finished"),
        (["--recover", "0"], 0, "finished"),
        (["--recover", "--stop-when", "converged"], 3, "converged"),
        (["--stop-when=converged", "--recover"], 3, "converged"),
        (["--jobs.recover", "2", "--jobs.stop-when", "converged"], 2, "converged"),
    ],
)
def test_short_options(words: list[str], recover: int, stop_when: str, recipes: list[Recipe], tmp_path: Path) -> None:
    assert main(["train", "dcgan:tiny", *words, "--data=emoji", "--out", str(tmp_path)]) == 0
    (recipe,) = recipes
    assert (recipe.jobs.recover, recipe.jobs.stop_when, recipe.data.path) == (recover, stop_when, "emoji")


def test_short_options_leave_longer_ones_alone() -> None:
    words = ["--data.path", "a=b", "--data=c=d", "--data.mirror", "True", "--out", "--recovered"]
    assert spelled_out(words) == ["--data.path", "a=b", "--data.path=c=d", "--data.mirror", "True", "--out", "--recovered"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recover", "7"], "jobs.recover must be from 0 to 3, not 7"),
        (["--recover", "-1"], "-1"),
        (["--recover=often"], "often"),
        (["--stop-when", "bored"], "converged"),
        (["--train.balance", "1.0"], "train.balance must be between 0.5 (cannot tell) and 1 (always right), not 1.0; try 0.8"),
        (["--data.held-out", "-1"], "held_out must not be negative, not -1"),
    ],
)
def test_mistaken_options(words: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert message in refused(["train", "dcgan:tiny", *words, "--out", str(tmp_path / "run")], capfd)
    assert not (tmp_path / "run").exists()
