"""A run under the doctor's eyes: brought back when it diverges, ended when it has converged."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import zerosum
from zerosum import api, supervision
from zerosum.api import build_gan, train
from zerosum.data import open_data
from zerosum.diagnose.examination import Signals
from zerosum.diagnose.verdict import WINDOW, Diagnosis, Players, Verdict
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.schedules import constant, cosine, exponential, linear
from zerosum.supervision import SOFTER, make_players, softened
from zerosum.training.loop import DivergedError
from zerosum.training.state import State

CPU = torch.device("cpu")
RATE = 1e-3


@pytest.fixture(autouse=True)
def without_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take longer than these runs."""
    if "report" not in request.node.name:
        monkeypatch.setattr(api, "write_report", lambda run: None)


def watched(recover: int = 0, images: int = 480, **jobs: Any) -> Recipe:
    """dcgan:tiny, logged every 80 images, examined every 32, with a checkpoint every 160."""
    recipe = zerosum.get_recipe("dcgan:tiny")
    every = {"diagnose_every": 32, "sample_every": 480, "keep": 9, "recover": recover, **jobs}
    return replace(recipe, train=replace(recipe.train, images=images), jobs=replace(recipe.jobs, **every))


def with_rates(recipe: Recipe, factor: float) -> Recipe:
    return replace(recipe, optimisers=softened(recipe.optimisers, [{"rates_times": factor}]))


def diverge(monkeypatch: pytest.MonkeyPatch, images: int, above: float) -> None:
    """Let weights count as NaN from so many images on while the rate is above a value."""
    finite = State.is_finite
    monkeypatch.setattr(
        State, "is_finite", lambda state: finite(state) and not (state.images >= images and state.rates()["generator"] > above)
    )


def say(monkeypatch: pytest.MonkeyPatch, verdict: Callable[[Signals], Verdict]) -> None:
    """Let the doctor come to these verdicts."""

    def diagnose(history: Sequence[Signals], players: Players) -> Diagnosis:
        return Diagnosis(verdict(history[-1]), ("so it is",), ())

    monkeypatch.setattr(supervision, "diagnose", diagnose)


def final_state(folder: Path) -> dict[str, Any]:
    state = Run(folder).newest_state(CPU)
    assert state is not None
    return state


def same_weights(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(value, other[key][name]) for key in ("gan", "average") for name, value in one[key].items())


def names(folders: list[Path]) -> list[int]:
    return [int(folder.name) for folder in folders]


@pytest.mark.parametrize("times", [1, 3])
def test_a_diverging_run_goes_back_and_on_with_lower_rates(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    diverge(monkeypatch, 300, above=RATE * SOFTER**times * 1.5)
    say(monkeypatch, lambda found: "learning" if found.finite else "diverging")
    train(watched(recover=3), tmp_path / "run")
    run = Run(tmp_path / "run")
    reason = "training diverged at 320 images: a weight became NaN or infinite"
    one = {"images": 320, "reason": reason, "back_to": 160, "rates_times": SOFTER}
    assert json.loads((run.folder / "recoveries.json").read_text()) == [one] * times
    rates = {row["images"]: row["rate/generator"] for row in run.stats()}
    assert list(rates) == [80, 160, 240, 320, 400, 480], "no line of what was given up remains"
    assert [rates[images] for images in (80, 160)] == [RATE] * 2
    assert [rates[images] for images in (240, 480)] == pytest.approx([RATE * SOFTER**times] * 2)
    assert [row["images"] for row in run.diagnoses()] == list(range(32, 481, 32))
    assert "diverging" not in [row["verdict"] for row in run.diagnoses()]
    assert names(run.checkpoints()) == [160, 320, 480]
    assert f"{reason}. Recovery {times} of 3: back to 160 images, and on with all learning rates times" in caplog.text


def test_without_a_checkpoint_it_starts_again_as_if_the_rates_had_been_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(with_rates(watched(images=240), SOFTER), tmp_path / "lower")
    diverge(monkeypatch, 150, above=RATE / 2)
    train(watched(recover=1, images=240, checkpoint_every=240), tmp_path / "recovered")
    assert [row["back_to"] for row in Run(tmp_path / "recovered").recoveries()] == [0]
    assert same_weights(final_state(tmp_path / "lower"), final_state(tmp_path / "recovered"))


def test_a_recovered_run_keeps_its_rates_when_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverge(monkeypatch, 300, above=RATE / 2)
    say(monkeypatch, lambda found: "learning" if found.finite else "diverging")
    train(watched(recover=1), tmp_path / "whole")
    train(watched(recover=1, images=352), tmp_path / "halved")
    train(watched(recover=1), tmp_path / "halved")
    halved = Run(tmp_path / "halved")
    assert [row["back_to"] for row in halved.recoveries()] == [160]
    assert halved.stats()[-1]["rate/generator"] == pytest.approx(RATE * SOFTER)
    assert same_weights(final_state(tmp_path / "whole"), final_state(halved.folder))


@pytest.mark.parametrize("recover", [0, 2])
def test_a_run_that_cannot_be_saved_says_so(recover: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverge(monkeypatch, 180, above=0)
    recipe, run = watched(recover=recover, images=240), Run(tmp_path / "run")
    for _ in range(2):
        with pytest.raises(
            DivergedError, match=r"diverged at 192 .*; the last good checkpoint is .*000160. Start a new .*--recover"
        ):
            train(recipe, run.folder)
        assert len(run.recoveries()) == recover, "the same command again is given no further recoveries"
        newest = run.diagnoses()[-1]
        assert (newest["images"], newest["finite"], newest["verdict"]) == (192, False, "diverging")
        assert newest["evidence"] == ["losses, weights or samples are no longer finite numbers"]
        assert "--optimisers.discriminator.rate" in newest["advice"][0]


def test_real_nan_is_recovered_from_as_often_as_allowed(tmp_path: Path) -> None:
    recipe = watched(recover=1, images=240, log_every=16, diagnose_every=16, checkpoint_every=16)
    hot = linear(RATE, 1e30, over=16, delay=128)
    recipe = replace(recipe, optimisers={name: replace(o, rate=hot) for name, o in recipe.optimisers.items()})
    with pytest.raises(DivergedError, match=r"training diverged at 160 images: .* became NaN or infinite; the last good"):
        train(recipe, tmp_path / "run")
    (recovery,) = Run(tmp_path / "run").recoveries()
    assert 64 <= recovery["back_to"] <= 112, "the last examinations before are not trusted"


def test_other_settings_in_a_folder_without_checkpoints_start_with_their_own_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge(monkeypatch, 40, above=0)
    recipe, run = watched(recover=1, images=160), Run(tmp_path / "run")
    with pytest.raises(DivergedError, match="no checkpoint had been written yet. Start a new run with lower rates"):
        train(recipe, run.folder)
    assert len(run.recoveries()) == 1
    monkeypatch.undo()
    train(with_rates(recipe, 0.5), run.folder)
    assert run.recoveries() == []
    assert run.stats()[-1]["rate/generator"] == RATE / 2


def test_divergence_by_the_doctors_word_drops_later_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, kept = Run(tmp_path / "run"), list[list[int]]()
    back = Run.add_recovery

    def add_recovery(run: Run, recovery: dict[str, Any]) -> None:
        kept.append(names(run.checkpoints()))
        back(run, recovery)
        kept.append(names(run.checkpoints()))

    monkeypatch.setattr(Run, "add_recovery", add_recovery)
    say(monkeypatch, lambda found: "diverging" if found.images == 320 and not run.recoveries() else "learning")
    train(watched(recover=1, images=400, diagnose_every=80, checkpoint_every=80), run.folder)
    assert kept == [[80, 160, 240, 320, 336], [80]], "of the two examinations before it neither is trusted"
    (recovery,) = run.recoveries()
    assert recovery == {"images": 336, "reason": "the doctor finds the run diverging", "back_to": 80, "rates_times": SOFTER}
    assert run.stats()[-1]["images"] == 400
    assert names(run.checkpoints()) == [80, 160, 240, 320, 400]


def test_the_doctors_word_alone_ends_no_run_that_may_not_recover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, lambda found: "diverging")
    train(watched(images=240), tmp_path / "run")
    assert names(Run(tmp_path / "run").checkpoints()) == [160, 240]


def test_unhealthy_checkpoints_are_not_gone_back_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts: dict[int, Verdict] = {32: "learning", 64: "in equilibrium", 96: "mode collapse", 128: "stalled", 160: "stalled"}
    run = Run(tmp_path / "run")
    say(monkeypatch, lambda found: verdicts.get(found.images, "diverging" if not run.recoveries() else "learning"))
    train(watched(recover=1, images=240, checkpoint_every=32), run.folder)
    assert [row["back_to"] for row in run.recoveries()] == [64]


def test_a_converged_run_ends_early_and_the_same_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, run = watched(diagnose_every=16, stop_when="converged"), Run(tmp_path / "run")
    # A verdict after the one that ended the run must not undo it.
    say(monkeypatch, lambda found: "in equilibrium" if 32 <= found.images < 32 + 16 * WINDOW else "learning")
    with caplog.at_level(logging.INFO, "zerosum"):
        train(recipe, run.folder)
    end = 32 + 16 * WINDOW
    assert f"converged at {end} images" in caplog.text
    assert names(run.checkpoints()) == [end]
    before = (run.checkpoints()[-1] / "state.pt").read_bytes()
    caplog.clear()
    with caplog.at_level(logging.INFO, "zerosum"):
        train(recipe, run.folder)
    assert f"has converged: {end} of 480 images seen. To train it further, leave out --stop-when" in caplog.text
    assert (run.checkpoints()[-1] / "state.pt").read_bytes() == before
    train(replace(recipe, jobs=replace(recipe.jobs, stop_when="finished")), run.folder)
    assert names(run.checkpoints())[-1] == 480


def test_a_run_in_equilibrium_goes_on_where_it_is_not_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, lambda found: "in equilibrium")
    train(watched(diagnose_every=16, images=160), tmp_path / "run")
    assert names(Run(tmp_path / "run").checkpoints()) == [160]


def test_examinations_are_due_with_the_grids_of_samples_unless_said_otherwise(tmp_path: Path) -> None:
    for name, every, expected in (("a", None, [48, 96, 112]), ("b", 32, [32, 64, 96, 112])):
        train(watched(images=112, diagnose_every=every, sample_every=48), tmp_path / name)
        assert [row["images"] for row in Run(tmp_path / name).diagnoses()] == expected


def test_diverging_before_the_first_examination_starts_again_and_leaves_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge(monkeypatch, 200, above=0)
    with pytest.raises(DivergedError, match="training diverged at 240 images"):
        train(watched(recover=1, diagnose_every=480), tmp_path / "run")
    assert [row["back_to"] for row in Run(tmp_path / "run").recoveries()] == [0]
    assert "Verdict: diverging" in (tmp_path / "run" / "report.html").read_text()


def test_two_processes_are_balanced_and_examined_like_two_micro_batches(tmp_path: Path) -> None:
    recipe = watched(images=160)
    train(replace(recipe, train=replace(recipe.train, balance=0.75, micro_batches=2)), tmp_path / "parts")
    both = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "zerosum", "train"]
    options = ["--train.images=160", "--train.balance=0.75", "--jobs.diagnose-every=32", f"--out={tmp_path / 'processes'}"]
    done = subprocess.run([*both, "dcgan:tiny", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts, processes = (final_state(tmp_path / name) for name in ("parts", "processes"))
    assert same_weights(parts, processes)
    assert parts["balance"] == processes["balance"]
    found, again = (supervision.history(Run(tmp_path / name)) for name in ("parts", "processes"))
    assert [replace(row, gradient_norms=None, update_ratios=None) for row in found] == [
        replace(row, gradient_norms=None, update_ratios=None) for row in again
    ]


@pytest.mark.parametrize(
    "schedule",
    [constant(2e-4), linear(2e-4, 0, over=90, delay=10), cosine(1e-5, 1e-3, over=100), exponential(1, 1e-3, over=50)],
)
def test_softened_schedules_are_lower_everywhere(schedule: Any) -> None:
    optimisers = {name: replace(o, rate=schedule) for name, o in watched().optimisers.items()}
    twice = softened(optimisers, [{"rates_times": 0.2}, {"rates_times": 0.1}])
    for images in (0, 10, 30, 77, 1_000):
        assert twice["generator"].rate(images) == pytest.approx(0.02 * schedule(images), rel=1e-9)
    assert twice["generator"].beta1 == optimisers["generator"].beta1
    assert softened(optimisers, []) == optimisers


@pytest.mark.parametrize(
    ("spec", "judges", "cures"),
    [
        ("dcgan:tiny", ("discriminator",), {"augment", "minibatch", "instance_noise"}),
        ("wgan_gp:tiny", ("critic",), {"augment", "instance_noise"}),
        ("gan:ring", ("discriminator",), {"minibatch", "instance_noise"}),
        ("stylegan2:tiny", ("discriminator",), {"augment", "instance_noise"}),
    ],
)
def test_players_of_a_family(spec: str, judges: tuple[str, ...], cures: set[str]) -> None:
    recipe = zerosum.get_recipe(spec)
    players = make_players(build_gan(recipe, open_data(recipe.data).card, CPU), recipe.optimisers, recipe.gan)
    assert (players.discriminators, players.cures) == (judges, cures)
    assert players.rates == {name: optimiser.rate(0) for name, optimiser in recipe.optimisers.items()}
    assert all(rate > 0 for rate in players.rates.values()), "also of rates that have fallen to zero"
