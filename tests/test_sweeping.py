"""A sweep: ranges as they are written, runs that fall behind ended early, killed and gone on with, every mistake in words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import zerosum
from zerosum import api, sweeping
from zerosum.cli import main
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.schedules import linear
from zerosum.sweeping import Sweep, read_range, read_ranges, varied

OVER = ("lr=1e-4..1e-2", "gan.latent=4,8")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take longer than these runs."""
    monkeypatch.setattr(api, "write_report", lambda run: None)


def tiny() -> Recipe:
    """dcgan:tiny over 240 images, judged by 24 samples every 80."""
    recipe = zerosum.get_recipe("dcgan:tiny")
    jobs = replace(recipe.jobs, evaluate_every=80, evaluate_samples=24, diagnose_every=240)
    return replace(recipe, train=replace(recipe.train, images=240), jobs=jobs)


def sweep(folder: Path, metric: str = "kid", recipe: Recipe | None = None) -> Sweep:
    recipe = recipe or tiny()
    return Sweep(recipe, read_ranges(OVER, recipe), metric, folder)


def judged(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Let every evaluation come out the same from the fifth trial on, and well before."""
    monkeypatch.setattr(Sweep, "_values", lambda self, run: [(80, 1.0 if int(run.folder.name) < 5 else value)])


def test_ranges() -> None:
    recipe = tiny()
    wide, narrow = read_range("optimisers.generator.rate=1e-4..1e-3", recipe), read_range("train.balance=0.7..0.9", recipe)
    assert (wide.low, wide.high, wide.logarithmic) == (1e-4, 1e-3, True)
    assert not narrow.logarithmic
    whole = read_range("--gan.generator-width=8..32", recipe)
    assert (whole.name, whole.whole, whole.corners) == ("gan.generator_width", True, (8, 32))
    assert read_range("train.balance=None, 0.8", recipe).choices == (None, 0.8)
    assert read_range("gan.noise=normal,uniform", recipe).choices == ("normal", "uniform")
    schedules = read_range("lr=1e-3,linear(1e-3, 0, over=240)", recipe)
    assert schedules.choices == (1e-3, "linear(1e-3, 0, over=240)")


def test_a_number_is_where_a_schedule_starts() -> None:
    recipe = tiny()
    falling = replace(recipe.optimisers["generator"], rate=linear(4e-4, 1e-4, over=100))
    recipe = replace(recipe, optimisers={**recipe.optimisers, "generator": falling})
    found = varied(recipe, {"lr": 8e-4, "gan.latent": 4})
    assert found.optimisers["generator"].rate == linear(8e-4, 2e-4, over=100)
    assert found.optimisers["discriminator"].rate(0) == found.optimisers["discriminator"].rate(1e9) == 8e-4
    assert found.gan.latent == 4  # type: ignore[attr-defined]
    assert varied(recipe, {"gan.noise": "uniform", "train.balance": None}).gan.noise == "uniform"  # type: ignore[attr-defined]


def test_trials_are_runs_and_more_can_be_added(tmp_path: Path) -> None:
    said = list[str]()
    sweep(tmp_path / "x").run(2, said.append)
    found = sweep(tmp_path / "x")
    found.run(3, said.append)
    assert len(found.finished()) == 3
    for trial in found.finished():
        run = Run(tmp_path / "x" / f"{trial.number:03d}")
        assert zerosum.load(run.folder).sample(1).shape == (1, 16, 16, 1)
        assert run.recipe().optimisers["generator"].rate(0) == found.values(trial)["lr"]
        assert (
            trial.value
            == [row["metric/kernel distance (lite0)"] for row in run.stats() if "metric/kernel distance (lite0)" in row][-1]
        )
    values = [trial.value for trial in found.finished()]
    assert values == sorted(values)
    found.write_results()
    assert (tmp_path / "x" / "sweep.png").read_bytes().startswith(b"\x89PNG")
    header, *rows = (tmp_path / "x" / "table.csv").read_text().splitlines()
    assert header == "run,kernel distance (lite0),lr,gan.latent,end"
    assert len(rows) == 3


def test_killed_in_a_trial_it_goes_on_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sweep(tmp_path / "whole")
    whole.run(3, lambda text: None)
    train = api.train

    def killed(recipe: Recipe, out: Path, *, watch: Any) -> object:
        stop = out.name == "001" and not Run(out).checkpoints()
        return train(recipe, out, watch=lambda images: watch(images) or (stop and images >= 96))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(api, "train", killed)
        sweep(tmp_path / "cut").run(3, lambda text: None)
    cut = sweep(tmp_path / "cut")
    assert [trial.state.name for trial in cut.study.trials] == ["COMPLETE", "RUNNING"]
    cut.run(3, lambda text: None)
    assert [(t.params, t.value) for t in cut.study.trials] == [(t.params, t.value) for t in whole.study.trials]


def test_what_falls_behind_is_ended_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, 2.0)
    found = sweep(tmp_path / "x")
    found.run(6, lambda text: None)
    assert [trial.state.name for trial in found.study.trials] == ["COMPLETE"] * 5 + ["PRUNED"]
    assert found.rows()[-1][-1] == "ended early at 80 images"
    ended = Run(tmp_path / "x" / "005")
    assert [int(folder.name) for folder in ended.checkpoints()] == [80], "it can be sampled, and trained further"


@pytest.mark.parametrize(("metric", "first"), [("kid", 1.0), ("recall", 2.0)])
def test_the_metric_says_which_way_is_better(
    metric: str, first: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweep, "_values", lambda self, run: [(80, 2.0 - int(run.folder.name))])
    found = sweep(tmp_path / "x", metric)
    found.run(2, lambda text: None)
    assert [trial.value for trial in found.finished()] == [first, 3 - first]


def test_a_trial_that_fails_is_noted_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--data.path",
        "fashion",
        "--train.images",
        "160",
        "--jobs.evaluate-samples",
        "24",
        "--jobs.diagnose-every",
        "160",
    ]
    out = tmp_path / "x"
    over = ["--over", "train.batch=6,16", "train.micro_batches=1,3"]
    assert main(["sweep", "dcgan:tiny", *over, "--trials", "6", "--out", str(out), *options]) == 2
    said = capsys.readouterr()
    assert "train.batch 16 is not divisible by train.micro_batches 3" in said.out + said.err


def test_the_command_line_says_what_was_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x"
    options = ["--train.images", "160", "--jobs.evaluate-samples", "24", "--jobs.diagnose-every", "160"]
    command = ["sweep", "dcgan:tiny", "--over", "gan.latent=4,6", "--trials", "2", "--out", str(out), *options]
    assert main(command) == 0
    said = capsys.readouterr().out
    best = json.loads((Run(next(iter(sorted(out.glob("00*"))))).recipe_file).read_text())["gan"]["latent"]
    assert best in (4, 6)
    assert "use it    zerosum train dcgan:tiny --gan.latent " in said
    assert "--train.images 160" in said
    assert main([*command, "--metric", "recall"]) == 2
    assert "holds a sweep of other settings (there -> now):\n  metric  kid -> recall" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("over", "options", "said"),
    [
        ([], [], "a sweep needs a field to vary: --over FIELD=LOW..HIGH"),
        (["lr"], [], "--over 'lr': write FIELD=LOW..HIGH or FIELD=a,b,c"),
        (
            ["optimisers.generater.rate=1..2"],
            [],
            "no field 'optimisers.generater.rate'; did you mean optimisers.generator.rate",
        ),
        (["lr=1e-3..1e-4"], [], "the range must go from a smaller to a larger number"),
        (["lr=1e-3..fast"], [], "'fast' is not a number; write LOW..HIGH"),
        (["lr=1e-3..inf"], [], "'inf' is not a number"),
        (["gan.latent=4..8.5"], [], "gan.latent is a whole number, so the ends of its range must be too"),
        (["gan.latent=4"], [], "give two or more different values with commas between"),
        (["gan.latent=4,4"], [], "give two or more different values"),
        (["gan.latent=4,wide"], [], "--over gan.latent=4,wide: 'wide' will not do: Input should be a valid integer"),
        (["lr=-1..1"], [], "must not be negative"),
        (["gan.noise=normal,pink"], [], "'pink' will not do"),
        (["lr=1e-4..1e-3", "optimisers.generator.rate=1..2"], [], "lr would be varied twice"),
        (["gan.latent=4,8", "gan.latent=4..9"], [], "gan.latent would be varied twice"),
        (["jobs.keep=1,2"], [], "jobs.keep cannot be swept, for trials must be comparable"),
        (["lr=1e-4..1e-3"], ["--metric", "kidd"], "unknown metric 'kidd': did you mean 'kid'?"),
        (["lr=1e-4..1e-3"], ["--metric", "copied,kid"], "cannot be measured during training"),
        (["lr=1e-4..1e-3"], ["--trials", "0"], "--trials must be at least 1, not 0"),
    ],
)
def test_mistakes(over: list[str], options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--over", *over] if over else []
    assert main(["sweep", "dcgan:tiny", *words, "--out", str(tmp_path / "x"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_foreign_folders_and_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("dear to me")
    with pytest.raises(ValueError, match=r"is not empty and not a sweep; choose another --out"):
        sweep(tmp_path)
    monkeypatch.setattr(sweeping.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(ImportError, match=r'pip install "zerosum\[sweep\]"'):
        sweeping.load_optuna()
