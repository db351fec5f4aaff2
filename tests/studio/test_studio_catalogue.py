"""The catalogue: runs at a glance, whatever lies in the folder."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

import zerosum
from zerosum.locking import locked, trainer
from zerosum.run import Run
from zerosum.studio.cards import cards, comparison, heading, words
from zerosum.studio.catalogue import catalogue, check_folder_of_runs, find_run, open_sheet, thumbnail

HEALTHY = {"learning", "in equilibrium"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue") / "run"
    zerosum.train("dcgan:tiny", folder)
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "runs" / "one")
    return tmp_path / "runs"


def test_a_finished_run(runs: Path) -> None:
    (entry,) = catalogue(runs)
    assert (entry.name, entry.state, entry.family, entry.data, entry.progress) == ("one", "finished", "dcgan", "fashion", 1.0)
    assert entry.verdict == "learning"
    assert entry.speed
    assert entry.seconds_left is None
    assert thumbnail(Run(runs / "one")).startswith("data:image/webp;base64,")


def test_training_is_seen_by_its_lock(runs: Path) -> None:
    stats = runs / "one" / "stats.jsonl"
    stats.write_text("".join(stats.read_text().splitlines(keepends=True)[:2]))
    shutil.rmtree(runs / "one" / "checkpoints")
    assert trainer(runs / "one") is None
    assert catalogue(runs)[0].state == "stopped"
    with locked(runs / "one"):
        assert trainer(runs / "one") == os.getpid()
        (entry,) = catalogue(runs)
        assert entry.state == "training"
        assert entry.seconds_left
        assert 0 < entry.progress < 1
    assert trainer(runs / "one") is None
    (runs / "one" / ".trainer").write_text(str(2**31 - 1))
    assert trainer(runs / "one") is None


def test_damaged_and_foreign_folders_do_not_stop_the_others(runs: Path) -> None:
    for name, text in {"broken": "{", "list": "[]", "newer": '{"version": 99}', "bare": '{"version": 1, "family": 3}'}.items():
        (runs / name).mkdir()
        (runs / name / "recipe.json").write_text(text)
    shutil.copytree(runs / "one", runs / "odd")
    (runs / "odd" / "stats.jsonl").write_text('{"images": "many"}\n{"images": 3, "metric/kid": NaN}\nno line\n')
    (runs / "odd" / "diagnosis.jsonl").write_text('{"images": null, "verdict": 7, "evidence": 3, "advice": [4]}\n')
    (runs / "empty").mkdir()
    (runs / "file").write_text("nothing")
    states = {entry.name: entry.state for entry in catalogue(runs)}
    assert states == {"one": "finished", "odd": "finished", **dict.fromkeys(("broken", "list", "newer", "bare"), "damaged")}
    entries = catalogue(runs)
    assert "newer" in cards(entries, {}, HEALTHY, "one")
    assert all(words(entry, HEALTHY) and heading(entry, HEALTHY) for entry in entries)


def test_texts_of_a_run_folder_are_never_html(runs: Path) -> None:
    evil, run = "<img src=x onerror=alert(1)>", runs / "a'><b onclick=x>"
    shutil.move(runs / "one", run)
    recipe = json.loads((run / "recipe.json").read_text())
    recipe["data"]["path"], recipe["family"] = evil, evil
    (run / "recipe.json").write_text(json.dumps(recipe))
    row = {"images": 5, "verdict": evil, "evidence": [evil], "advice": [evil], "remarks": [evil]}
    (run / "diagnosis.jsonl").write_text(json.dumps(row) + "\n")
    (run / "stats.jsonl").write_text(json.dumps({"images": 5, f"metric/{evil}": 1.0}) + "\n")
    (entry,) = catalogue(runs)
    for text in (cards([entry], {}, HEALTHY, None), heading(entry, HEALTHY), words(entry, HEALTHY), comparison([entry, entry])):
        assert "<img" not in text
        assert "<b onclick" not in text


@pytest.mark.parametrize("name", ["..", "../one", "/etc", "one/../one", ".", "", "One", "one/"])
def test_names_are_looked_up_and_never_paths(runs: Path, name: str) -> None:
    assert find_run(runs, "one").folder == runs / "one"
    with pytest.raises(ValueError, match="there is no run"):
        find_run(runs, name)


def test_sheets_that_are_bombs_or_broken_are_not_shown(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = Run(runs / "one").pictures()[-1]
    assert open_sheet(newest) is not None
    newest.write_bytes(newest.read_bytes()[:200])
    assert open_sheet(newest) is None
    assert thumbnail(Run(runs / "one")) == ""
    Image.new("1", (9_000, 9_000)).save(newest)
    assert open_sheet(newest) is None


def test_folders_that_are_none_of_runs_are_refused(runs: Path) -> None:
    check_folder_of_runs(runs)
    with pytest.raises(ValueError, match="is a run itself: give the folder that it lies in"):
        check_folder_of_runs(runs / "one")
    with pytest.raises(ValueError, match="is a file"):
        check_folder_of_runs(runs / "one" / "recipe.json")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        check_folder_of_runs(runs / "none")
