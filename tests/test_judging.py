"""Evaluation during training: it looks and does not touch, keeps the best generator, and may be shared by processes."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load as from_safetensors

import zerosum
from zerosum import api, judging
from zerosum.cli import main
from zerosum.evaluate.figures import Figure, from_plain
from zerosum.recipe import Data, Jobs, Recipe
from zerosum.run import Run, serialised

CPU = torch.device("cpu")
JUDGE = """
import torch

def draws():
    torch.rand(3)
    return lambda pixels: rows(pixels) + 0 * torch.rand(1)

def plain():
    return rows

seen = []

def rows(pixels):
    seen.append(len(pixels))
    return pixels[:, 0].float().mean(2) / 255

same = plain
"""
"""A user's own feature network: means of rows. One version of it draws from torch's random stream."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the module `own_judge`, which can be imported."""
    folder = tmp_path_factory.mktemp("judging")
    (folder / "own_judge.py").write_text(JUDGE)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("own_judge", None)


def judged_recipe(family: str = "dcgan", **jobs: object) -> Recipe:
    recipe = zerosum.get_recipe(f"{family}:tiny")
    settings = {"evaluate_every": 96, "metrics": "kid,recall", "judge": "own_judge:draws", "evaluate_samples": 100}
    return replace(recipe, jobs=replace(recipe.jobs, **settings | jobs))


@pytest.fixture(scope="module")
def judged(home: Path) -> Run:
    """A finished run that was judged every 96 of its 480 images; checkpoints are written every 160."""
    zerosum.train(judged_recipe(), home / "judged")
    return Run(home / "judged")


def metric_rows(run: Run) -> list[dict[str, float]]:
    return [row for row in run.stats() if any(name.startswith("metric/") for name in row)]


KID = "kernel distance (own_judge:draws)"


def test_values_are_written_beside_the_others_and_shown(judged: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rows = metric_rows(judged)
    assert [row["images"] for row in rows] == [96, 192, 288, 384, 480]
    assert all(row.keys() == {"images", "step", f"metric/{KID}", "metric/recall"} for row in rows)
    plain = json.loads((judged.folder / "metrics.json").read_text())
    assert list(plain) == [KID, "recall"]
    assert plain[KID]["value"] == rows[-1][f"metric/{KID}"]
    assert (plain[KID]["num_real"], plain[KID]["num_fake"], plain[KID]["split"]) == (200, 100, "train")
    assert plain[KID]["generator"] == zerosum.load(judged.folder).name
    assert "alt='curves'" in (judged.folder / "report.html").read_text()
    assert main(["show", str(judged.folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"metric/{KID} {rows[-1][f'metric/{KID}']:.5g} at 480 images" in shown
    assert "images_per_second" in shown
    assert "best checkpoint:" in shown


def test_the_best_is_kept_and_is_the_generator_that_was_judged(judged: Run) -> None:
    values = {int(row["images"]): row[f"metric/{KID}"] for row in metric_rows(judged)}
    best = judged.best_checkpoint()
    assert best is not None
    assert int(best.name) == min(values, key=values.__getitem__)
    (first, *_) = from_plain(json.loads((best / "metrics.json").read_text()))
    assert first.value == min(values.values())
    sampler = zerosum.load(judged.folder, checkpoint="best")
    assert sampler.name == first.generator
    assert sampler.name.startswith(f"judged at {int(best.name)} images (")


def test_the_judge_changes_no_bit(judged: Run, home: Path) -> None:
    zerosum.train(judged_recipe(evaluate_every=None), home / "unjudged")
    with_judge, without = judged.newest_state(CPU), Run(home / "unjudged").newest_state(CPU)
    assert with_judge is not None
    assert without is not None
    for part in ("gan", "average"):
        assert serialised(with_judge[part]) == serialised(without[part])
    assert not Run(home / "unjudged").best_checkpoints()


def test_torchs_random_stream_is_left_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []
    loop_job = judging.judge_job

    def checked(*arguments: object) -> object:
        before = torch.get_rng_state()
        job = loop_job(*arguments)  # type: ignore[arg-type]
        drawn.append(torch.equal(before, torch.get_rng_state()))

        def run(*state: object) -> None:
            before = torch.get_rng_state()
            job.run(*state)  # type: ignore[arg-type]
            drawn.append(torch.equal(before, torch.get_rng_state()))

        return replace(job, run=run)

    monkeypatch.setattr(judging, "judge_job", checked)
    zerosum.train(judged_recipe(evaluate_every=480), home / "stream")
    assert drawn == [True, True]
    before = torch.get_rng_state()
    assert judging.load_judge(judged_recipe().jobs, CPU)
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_killed_after_an_evaluation_ends_like_one_that_was_not(
    judged: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, keep = Run(home / "killed"), judging.keep

    def killed(run: Run, images: int, *others: object) -> None:
        keep(run, images, *others)  # type: ignore[arg-type]
        if images == 288:  # the newest checkpoint is that of 160 images
            raise ConnectionError("killed")

    monkeypatch.setattr(judging, "keep", killed)
    with pytest.raises(ConnectionError):
        zerosum.train(judged_recipe(), run.folder)
    assert [int(folder.name) for folder in run.checkpoints()] == [160]
    assert metric_rows(run)[-1]["images"] == 288
    kept = [int(folder.name) for folder in run.best_checkpoints()]
    values = {int(row["images"]): row[f"metric/{KID}"] for row in metric_rows(run)}
    assert kept[0] == min((images for images in values if images <= 160), key=values.__getitem__)
    monkeypatch.undo()
    (last, *_) = judging.read_figures(run.folder / "metrics.json")
    judging.keep(run, 288, weights(1), [replace(last, value=-9.0)])  # what lies beyond the checkpoint counts no more
    zerosum.train(judged_recipe(), run.folder)
    assert metric_rows(run) == metric_rows(judged)
    best, expected = run.best_checkpoint(), judged.best_checkpoint()
    assert best is not None
    assert expected is not None
    assert best.name == expected.name
    assert (best / "average.safetensors").read_bytes() == (expected / "average.safetensors").read_bytes()


def test_a_run_that_is_stopped_is_not_judged_between_two_evaluations(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.Display, "advance", lambda display, images: images == 112 and os.kill(os.getpid(), 2))
    with pytest.raises(KeyboardInterrupt):
        zerosum.train(judged_recipe(), home / "stopped")
    assert Run(home / "stopped").checkpoints()[-1].name == "000000112"
    assert [row["images"] for row in metric_rows(Run(home / "stopped"))] == [96]


def figure(value: float, name: str = "fid", interval: tuple[float, float] | None = None, judge_hash: str = "0") -> Figure:
    return Figure(name, value, interval, 0.0, "inception", judge_hash, "bilinear", 200, 100, "train", 1)


def weights(value: float) -> bytes:
    return serialised({"weight": torch.full((1,), value)})


def best_of(run: Run, name: str, values: list[float]) -> list[int]:
    """The images at which the best figure was found, after each one."""
    found = []
    run.folder.mkdir()
    for images, value in enumerate(values, 1):
        judging.keep(run, images, weights(value), [figure(value, name)])
        best = run.best_checkpoint()
        assert best is not None
        found.append(int(best.name))
    return found


def test_only_better_generators_replace_the_best(tmp_path: Path) -> None:
    values = [float("nan"), 3.0, 5.0, float("nan"), 2.0, 2.0]
    assert best_of(Run(tmp_path / "a"), "fid", values) == [1, 2, 2, 2, 5, 5]
    assert best_of(Run(tmp_path / "b"), "recall", values) == [1, 2, 3, 3, 3, 3]
    best = Run(tmp_path / "b").best_checkpoint()
    assert best is not None
    assert from_safetensors((best / "average.safetensors").read_bytes())["weight"] == 5


def test_the_best_that_a_resumed_run_needs_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for images in (10, 20):
        run.save_best(images, weights(1), "{}")
    run.save(20, {"step": 1}, {"weight": torch.zeros(1)}, keep=3)
    for images in (30, 40):
        run.save_best(images, weights(1), "{}")
    assert [int(folder.name) for folder in run.best_checkpoints()] == [20, 40]
    assert [int(folder.name) for folder in run.checkpoints()] == [20]
    run.cut_best(20)
    assert [int(folder.name) for folder in run.best_checkpoints()] == [20]


def test_a_damaged_best_is_passed_over(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(10, {"step": 1}, {"weight": torch.zeros(1)}, keep=3)
    for images in (10, 20):
        run.save_best(images, weights(1), "{}")
    (run.best_checkpoints()[-1] / "average.safetensors").write_bytes(b"")
    assert run.find_checkpoint("best") == run.best_checkpoints()[0]
    (run.best_checkpoints()[0] / "metrics.json").unlink()
    with pytest.raises(ValueError, match="has no intact checkpoint best; there are 10, best \\(20\\)"):
        run.find_checkpoint("best")


def test_figures_that_are_measured_otherwise_are_not_compared(tmp_path: Path) -> None:
    run = Run(tmp_path)
    judging.keep(run, 1, weights(1), [figure(1.0), figure(0.5, "recall")])
    judging.keep(run, 2, weights(2), [figure(0.4, "recall"), figure(0.1)])
    assert [int(folder.name) for folder in run.best_checkpoints()] == [1], "recall was better before"
    judging.keep(run, 3, weights(3), [figure(9.0, judge_hash="1")])
    assert [int(folder.name) for folder in run.best_checkpoints()] == [3]


@pytest.mark.parametrize(
    ("name", "best", "last", "declined"),
    [
        ("fid", (1.0, (0.9, 1.1)), (1.15, (1.05, 1.25)), False),
        ("fid", (1.0, (0.9, 1.1)), (1.4, (1.2, 1.6)), True),
        ("fid", (1.0, None), (1.05, None), False),
        ("fid", (1.0, None), (1.2, None), True),
        ("recall", (0.5, None), (0.4, None), True),
        ("recall", (0.5, None), (0.9, None), False),
        ("recall", (0.5, None), (float("nan"), None), True),
    ],
)
def test_a_decline_is_told_from_chance(
    tmp_path: Path,
    name: str,
    best: tuple[float, tuple[float, float] | None],
    last: tuple[float, tuple[float, float] | None],
    declined: bool,
) -> None:
    run = Run(tmp_path)
    judging.keep(run, 1, weights(1), [figure(best[0], name, best[1])])
    run.save_best(2, weights(1), (tmp_path / "metrics.json").read_text())
    judging.write(tmp_path / "metrics.json", json.dumps(judging.to_plain([figure(last[0], name, last[1])])))
    assert (judging.find_decline(run) is not None) == declined


def test_train_says_so_when_the_last_checkpoint_is_much_worse(judged: Run, home: Path) -> None:
    from zerosum.cli.train import whereabouts

    run = Run(Path(shutil.copytree(judged.folder, home / "worse")))
    text = (run.folder / "metrics.json").read_text()
    plain = json.loads(text)
    plain[KID] |= {"value": 9.0, "interval": [8.5, 9.5]}
    (run.folder / "metrics.json").write_text(json.dumps(plain))
    said = whereabouts(run, "dcgan", Data())
    assert f"beware    {KID} is 9 at the end, but was " in said
    assert f"zerosum sample {run.folder} -n 64 --out grid.png --checkpoint best" in said
    (run.folder / "metrics.json").unlink()
    assert "beware" not in whereabouts(run, "dcgan", Data())


def test_any_checkpoint_can_be_sampled_and_judged(judged: Run, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at_320 = zerosum.load(judged.folder, checkpoint=320)
    assert at_320.name.startswith("judged at 320 images (")
    assert not np.array_equal(at_320.sample(4), zerosum.load(judged.folder).sample(4))
    grid = home / "grid.npz"
    assert main(["sample", str(judged.folder), "-n", "4", "--checkpoint", "000320", "--out", str(grid)]) == 0
    assert np.array_equal(np.load(grid)["samples"], at_320.sample(4))
    out = ["-n", "48", "--features", "own_judge:plain", "--metrics", "kid", "--out", str(home / "figures.json")]
    assert main(["evaluate", str(judged.folder), "--checkpoint", "320", *out]) == 0
    printed = capsys.readouterr().out
    assert at_320.name in printed
    (kid,) = json.loads((home / "figures.json").read_text()).values()
    assert kid["generator"] == at_320.name


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("bset", "checkpoint 'bset': say newest, best, or the images seen; there are 160, 320, 480, best ("),
        ("7", "has no intact checkpoint 7; there are 160, 320, 480, best ("),
        ("best", "was not judged during training .--jobs.evaluate-every.; there are 160, 320, 480"),
    ],
)
def test_checkpoints_that_are_not_there(judged: Run, home: Path, checkpoint: str, message: str) -> None:
    folder = judged.folder
    if checkpoint == "best":
        folder = Path(shutil.copytree(folder, home / "no-best"))
        shutil.rmtree(folder / "checkpoints" / "best")
    with pytest.raises(ValueError, match=message.replace("best (", r"best \(")):
        zerosum.load(folder, checkpoint=checkpoint)


MISTAKES = {
    "unknown": ("dcgan", {"metrics": "kid,presicion"}, "unknown metric 'presicion': did you mean 'precision'"),
    "no order": ("dcgan", {"metrics": "diversity"}, "diversity is neither better the lower nor the higher it is"),
    "held out": ("dcgan", {"metrics": "kid,copied"}, "copied cannot be measured during training"),
    "path": ("dcgan", {"metrics": "ppl"}, "ppl cannot be measured during training"),
    "lessons": ("dcgan", {"metrics": "kid,cas,lift,modes"}, "cas, lift, modes cannot be measured during training"),
    "logits": ("dcgan", {"metrics": "inception-score"}, "needs logits, which jobs.judge own_judge:draws has none of"),
    "judge": ("dcgan", {"judge": "lite1"}, "unknown feature network 'lite1'"),
    "classes": ("dcgan", {"metrics": "fid-per-class"}, "for generators conditioned on classes"),
    "points": ("gan:ring", {}, "the judge looks at images"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_judged_is_refused_before_the_run_begins(mistake: str, home: Path, tmp_path: Path) -> None:
    name, jobs, message = MISTAKES[mistake]
    recipe = judged_recipe(**jobs)
    if name == "gan:ring":
        recipe = replace(zerosum.get_recipe(name), jobs=recipe.jobs)
    with pytest.raises(ValueError, match=message):
        zerosum.train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("jobs", "message"), [({"evaluate_samples": 23}, "at least 24"), ({"evaluate_every": 0}, "above 0")])
def test_settings_are_checked(jobs: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Jobs(**jobs)  # type: ignore[arg-type]


BOTH = """
import os, sys
from pathlib import Path
from zerosum.cli import main

status = any(main(part.split()) for part in sys.argv[1:])
Path("seen-" + os.environ["RANK"]).write_text(str(sum(sys.modules["own_judge"].seen)))
sys.exit(status)
"""


def test_two_processes_judge_like_one(judged: Run, home: Path) -> None:
    """Features, labels and pixels of a conditional run, some shares empty: the same bits, in training and after."""
    (home / "both.py").write_text(BOTH)
    every = "--jobs.evaluate-every 32 --jobs.metrics kid,fid-per-class --jobs.evaluate-samples 150"
    train = f"train cgan:tiny --train.images 64 {every}"
    evaluate = "-n 50 --metrics kid,recall,ms-ssim,fid-per-class"
    alone = f"evaluate {judged.folder} -n 32 --metrics kid,ppl --features lite0@32 --out"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "both.py"]
    command = [
        f"{train} --jobs.judge own_judge:plain --out two",
        f"evaluate two {evaluate} --features own_judge:plain",
        f"{alone} two.json",
    ]
    settings = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "cwd": home, "capture_output": True, "text": True}
    done = subprocess.run([*torchrun, *command], **settings)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ms-ssim") == done.stdout.count("path length") == 1, "only the first process prints"
    two, one = Run(home / "two"), Run(home / "one")
    # By another name of the same network, so that nothing is found that the two have kept.
    name, seen = "own_judge:same", importlib.import_module("own_judge").seen
    seen.clear()
    assert main([*train.split(), "--train.micro-batches=2", f"--jobs.judge={name}", f"--out={one.folder}"]) == 0
    assert main(["evaluate", str(one.folder), *evaluate.split(), f"--features={name}"]) == 0

    shares = [int((home / f"seen-{rank}").read_text()) for rank in (0, 1)]
    assert sum(shares) == sum(seen)
    assert max(shares) < 0.7 * sum(seen)

    def known(text: str) -> str:
        return text.replace(name, "own_judge:plain").replace("one at", "two at")

    assert known((one.folder / "metrics.json").read_text()) == (two.folder / "metrics.json").read_text()
    assert known(json.dumps(metric_rows(one))) == json.dumps(metric_rows(two))
    assert len(metric_rows(two)) == 2
    assert [folder.name for folder in one.best_checkpoints()] == [folder.name for folder in two.best_checkpoints()]

    assert main([*alone.split(), str(home / "one.json")]) == 0
    assert (home / "one.json").read_text() == (home / "two.json").read_text()
    assert json.loads((home / "one.json").read_text())["path length (lite0@32)"]["value"] > 0
