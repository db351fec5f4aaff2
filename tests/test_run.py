"""The run folder: whole or absent, refused when it does not fit, and never executed."""

import errno
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import zerosum
from zerosum.api import train
from zerosum.data import open_data
from zerosum.locking import locked
from zerosum.recipe import Recipe
from zerosum.run import Run, intact, open_run, replacing, write
from zerosum.schedules import constant
from zerosum.training.loop import DivergedError

CPU = torch.device("cpu")


@pytest.fixture
def recipe() -> Recipe:
    return zerosum.get_recipe("dcgan:tiny")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    train("dcgan:tiny", folder)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Run:
    """A finished run of one's own to damage."""
    return Run(Path(shutil.copytree(finished, tmp_path / "run")))


def test_changed_recipe_is_refused_with_the_differing_fields(run: Run, recipe: Recipe) -> None:
    changed = replace(recipe, train=replace(recipe.train, seed=9, batch=8))
    with pytest.raises(ValueError, match="started with other settings") as caught:
        train(changed, run.folder)
    assert f"train.batch  {recipe.train.batch} -> 8" in str(caught.value)
    assert "train.seed   0 -> 9" in str(caught.value)


def test_other_data_is_refused(run: Run, recipe: Recipe, tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.zeros((40, 28, 28), np.uint8))
    with pytest.raises(ValueError, match=r"data \(content\)"):
        train(replace(recipe, data=replace(recipe.data, path=str(tmp_path / "other.npy"))), run.folder)


def test_a_longer_run_goes_on_and_other_jobs_are_fine(run: Run, recipe: Recipe) -> None:
    images = recipe.train.images + 2 * recipe.train.batch
    longer = replace(recipe, train=replace(recipe.train, images=images), jobs=replace(recipe.jobs, keep=1))
    train(longer, run.folder)
    assert len(run.checkpoints()) == 1
    assert int(run.checkpoints()[0].name) >= images


def test_finished_run_is_left_alone(run: Run, recipe: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    before = (run.checkpoints()[-1] / "state.pt").read_bytes()
    with caplog.at_level(logging.INFO, "zerosum"):
        train(recipe, run.folder)
    assert "is finished" in caplog.text
    assert (run.checkpoints()[-1] / "state.pt").read_bytes() == before


def test_a_folder_of_something_else_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(ValueError, match="is not empty and not a run; choose another --out"):
        train(recipe, tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_newer_version_is_refused(run: Run, recipe: Recipe) -> None:
    run.recipe_file.write_text(json.dumps(json.loads(run.recipe_file.read_text()) | {"version": 99}))
    for use in (lambda: zerosum.load(run.folder), lambda: train(recipe, run.folder)):
        with pytest.raises(ValueError, match="format version 99, this zerosum reads up to 1: upgrade zerosum"):
            use()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"family": "dcgan"}', '{"version": 1}'])
def test_damaged_recipe_is_named(run: Run, text: str) -> None:
    run.recipe_file.write_text(text)
    with pytest.raises(ValueError, match=r"recipe\.json is damaged"):
        zerosum.load(run.folder)


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "no checksums"])
def test_damaged_checkpoint_falls_back_to_the_one_before(run: Run, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    *_, before, newest = run.checkpoints()
    file = newest / ("checksums.json" if damage == "no checksums" else "average.safetensors")
    content = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[-1] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    with caplog.at_level(logging.WARNING, "zerosum"):
        assert run.newest_checkpoint() == before
    assert f"{newest} is damaged; falling back" in caplog.text
    zerosum.load(run.folder)


def test_damaged_checkpoint_is_trained_and_written_again(run: Run, recipe: Recipe) -> None:
    newest = run.checkpoints()[-1]
    whole = torch.load(newest / "state.pt", weights_only=True)
    (newest / "state.pt").write_bytes(b"")
    train(recipe, run.folder)
    assert intact(newest)
    again = torch.load(newest / "state.pt", weights_only=True)
    assert all(torch.equal(value, again["gan"][name]) for name, value in whole["gan"].items())


def test_no_usable_checkpoint_is_said(run: Run) -> None:
    for checkpoint in run.checkpoints():
        (checkpoint / "state.pt").unlink()
    with pytest.raises(ValueError, match="every checkpoint of .* is damaged"):
        zerosum.load(run.folder)
    with pytest.raises(ValueError, match="every checkpoint of .* is damaged; restore one from a copy, or start a new run"):
        train(run.recipe(), run.folder)
    shutil.rmtree(run.folder / "checkpoints")
    with pytest.raises(ValueError, match="has no checkpoint yet; train it further"):
        zerosum.load(run.folder)
    with pytest.raises(ValueError, match=r"is not a run: it has no recipe\.json"):
        zerosum.load(run.folder / "samples")


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hacked",)


def test_a_hostile_checkpoint_is_not_executed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zerosum.run import checksum

    monkeypatch.chdir(tmp_path)
    newest = run.checkpoints()[-1]
    torch.save({"gan": Hostile()}, newest / "state.pt")
    sums = {name: checksum(newest / name) for name in ("state.pt", "average.safetensors")}
    (newest / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(pickle.UnpicklingError):
        run.newest_state(CPU)
    assert not (tmp_path / "hacked").exists()


def test_full_disk_leaves_the_old_checkpoint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run.newest_checkpoint()

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left on device. What was there before is intact"):
        run.save(10**6, {"step": 1}, {}, keep=3)
    assert run.newest_checkpoint() == before
    assert not list((run.folder / "checkpoints").glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_write_that_really_fails_half_way(recipe: Recipe, tmp_path: Path) -> None:
    """A process that may write no file beyond 100 kB: its checkpoint fails, in words, and nothing half-written stays."""

    def limit() -> None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, "-m", "zerosum", "train", "dcgan:tiny", "--gan.generator-width=64", f"--out={tmp_path / 'run'}"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert Run(tmp_path / "run").checkpoints() == []
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_nan_in_the_loss_stops_and_names_the_last_good_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    hot = {name: replace(optimiser, rate=constant(1e30)) for name, optimiser in recipe.optimisers.items()}
    with pytest.raises(DivergedError, match="training diverged at .* Start a new run with lower rates"):
        train(replace(recipe, optimisers=hot), tmp_path / "run")
    assert all(intact(checkpoint) for checkpoint in Run(tmp_path / "run").checkpoints())


@pytest.mark.parametrize("line", ['{"images": 99', "garbage}", "[1]", "{}"])
def test_half_written_line_of_statistics_is_passed_over(run: Run, line: str) -> None:
    rows = run.stats()
    with run.stats_file.open("a") as file:
        file.write(line)
    assert run.stats() == rows


@pytest.mark.parametrize("sums", ["[]", "{}", '{"state.pt": 1}'])
def test_checksums_that_say_nothing_do_not_count(run: Run, sums: str) -> None:
    (run.checkpoints()[-1] / "checksums.json").write_text(sums)
    assert run.newest_checkpoint() == run.checkpoints()[-2]


def test_damaged_later_checkpoints_do_not_push_out_good_ones(run: Run) -> None:
    newest = run.checkpoints()[-1]
    (newest / "state.pt").write_bytes(b"")
    saved = run.save(int(newest.name) - 1, {"step": 1}, {"weight": torch.zeros(1)}, keep=1)
    assert run.checkpoints() == [saved]
    assert intact(saved)


def test_checkpoints_are_in_order_of_images_beyond_nine_digits(run: Run) -> None:
    for images in (999_999_936, 1_000_000_000):
        run.save(images, {"step": 1}, {"weight": torch.zeros(1)}, keep=9)
    assert run.checkpoints()[-1].name == "1000000000"


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_damaged_data_card_is_named(run: Run, content: str | None) -> None:
    (run.folder / "data.json").unlink() if content is None else (run.folder / "data.json").write_text(content)
    with pytest.raises(ValueError, match=r"data\.json is damaged"):
        zerosum.load(run.folder)


def test_a_folder_from_elsewhere_cannot_have_its_code_imported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.folder / "evil.py").write_text("raise SystemExit('EVIL')")
    monkeypatch.syspath_prepend(str(run.folder))
    recipe = json.loads(run.recipe_file.read_text())
    run.recipe_file.write_text(json.dumps(recipe | {"family": "evil.module"}))
    for use in (lambda: zerosum.load(run.folder), run.recipe):
        with pytest.raises(ValueError, match="a module of its own: if you trust it, say --family evil.module"):
            use()
    assert run.plain_recipe()["family"] == "evil.module"


def test_a_run_killed_at_its_very_start_starts_again(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / ".data.json.new").write_text("{")
    train(recipe, tmp_path / "run")
    assert Run(tmp_path / "run").checkpoints()


def test_a_run_without_a_checkpoint_may_be_started_with_other_settings(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    other = replace(recipe, train=replace(recipe.train, seed=1))
    train(other, tmp_path / "run")
    assert Run(tmp_path / "run").recipe() == other


@pytest.mark.parametrize("change", ["optimiser", "batch"])
def test_settings_that_cannot_work_leave_no_folder(recipe: Recipe, tmp_path: Path, change: str) -> None:
    players = {"critic": recipe.optimisers["discriminator"], "generator": recipe.optimisers["generator"]}
    wrong = (
        replace(recipe, optimisers=players)
        if change == "optimiser"
        else replace(recipe, data=replace(recipe.data, resolution=9))
    )
    with pytest.raises(ValueError, match=r"the players are|a power of two"):
        train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_one_process_trains_into_a_folder(run: Run, recipe: Recipe) -> None:
    with locked(run.folder), pytest.raises(ValueError, match="another process is training into"):
        train(recipe, run.folder)


def test_shorter_than_what_is_there_is_finished_and_changes_nothing(run: Run, recipe: Recipe) -> None:
    before = run.recipe_file.read_text()
    train(replace(recipe, train=replace(recipe.train, images=recipe.train.batch)), run.folder)
    assert run.recipe_file.read_text() == before


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with replacing(target) as new:
        (new / "a").write_text("1")
    with pytest.raises(OSError, match="cannot write"), replacing(target) as new:
        (new / "a").write_text("2")
        raise OSError(errno.EIO, "broken")
    assert (target / "a").read_text() == "1"
    assert os.listdir(tmp_path) == ["folder"]


def test_write_replaces_in_one_step(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write(tmp_path / "file", text)
        assert (tmp_path / "file").read_text() == text
    assert os.listdir(tmp_path) == ["file"]


def test_diagnoses_are_lines_and_those_beyond_a_checkpoint_are_cut(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.diagnoses() == []
    run.cut_rows(0)
    assert os.listdir(tmp_path) == [], "nothing to cut, nothing written"
    for images in (80, 160, 240):
        run.append_diagnosis({"images": images, "verdict": "learning", "missing_classes": ["bag"]})
        run.append_stats({"images": images})
    run.cut_rows(160)
    assert [row["images"] for row in run.stats()] == [80, 160]
    assert run.diagnoses() == [{"images": images, "verdict": "learning", "missing_classes": ["bag"]} for images in (80, 160)]
    run.cut_rows(0)
    assert (run.diagnoses(), run.stats()) == ([], [])


def test_a_recovery_is_written_down_and_drops_later_checkpoints(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.recoveries() == []
    for images in (80, 160, 240):
        run.save(images, {"step": 1}, {"weight": torch.zeros(1)}, keep=9)
    first, second = ({"images": 250, "reason": "NaN", "back_to": back_to, "rates_times": 0.5} for back_to in (160, 0))
    run.add_recovery(first)
    assert [int(folder.name) for folder in run.checkpoints()] == [80, 160]
    run.add_recovery(second)
    assert run.recoveries() == [first, second]
    assert run.checkpoints() == []


@pytest.mark.parametrize("text", ["", "{", "3"])
def test_damaged_recoveries_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "recoveries.json").write_text(text)
    with pytest.raises(ValueError, match=r"recoveries\.json is damaged"):
        Run(tmp_path).recoveries()


@pytest.mark.parametrize("change", ["nothing", "jobs", "rates", "data"])
def test_recoveries_are_of_one_recipe_and_its_data(recipe: Recipe, tmp_path: Path, change: str) -> None:
    card = open_data(recipe.data).card
    run = open_run(tmp_path / "run", recipe, card)
    run.add_recovery({"images": 80, "reason": "NaN", "back_to": 0, "rates_times": 0.5})
    if change == "jobs":
        recipe = replace(recipe, jobs=replace(recipe.jobs, keep=9), train=replace(recipe.train, images=960))
    elif change == "rates":
        recipe = replace(recipe, optimisers={name: replace(o, rate=constant(1e-5)) for name, o in recipe.optimisers.items()})
    elif change == "data":
        card = replace(card, content="other")
    open_run(run.folder, recipe, card)
    assert len(run.recoveries()) == (change in ("nothing", "jobs"))
