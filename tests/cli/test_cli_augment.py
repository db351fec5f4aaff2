"""`zerosum augment` as its user meets it: a data set beside the real one, its worth, and every mistake answered in words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import zerosum
from zerosum.apply.augmentation import Harvest, write_images
from zerosum.cli import main
from zerosum.data import Images, open_data
from zerosum.evaluate import classifier
from zerosum.recipe import Data


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """400 garments in a folder per class, a conditional run that held out 30 of them, and one without classes."""
    root, data = tmp_path_factory.mktemp("augment"), open_data(Data(path="fashion", resolution=16))
    assert isinstance(data, Images)
    assert data.labels is not None
    garments = Harvest(data.images[:400], data.labels[:400], 400, {})
    write_images(root / "garments", garments, data.card.labels.classes, "folders", "label", {})
    recipe = zerosum.get_recipe("cgan:tiny")
    zerosum.train(replace(recipe, data=replace(recipe.data, path=str(root / "garments"), held_out=30)), root / "cgan")
    zerosum.train("dcgan:tiny", root / "dcgan")
    return {name: str(root / name) for name in ("garments", "cgan", "dcgan")}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers of few steps."""
    monkeypatch.setattr(classifier, "STEPS", 40)


def test_images_figures_and_advice(runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made"
    options = ["--per-class", "2", "--confidence", "0", "--seeds", "3", "--out", str(out)]
    assert main(["augment", runs["garments"], "--run", runs["cgan"], *options]) == 0
    said = capsys.readouterr().out
    assert f"20 images in {out}" in said
    assert "on held-out images" in said
    figures = json.loads((out / "metrics.json").read_text())
    assert set(figures) == {"lift", "accepted"}
    low, high = figures["lift"]["interval"]
    assert low <= figures["lift"]["value"] <= high
    assert figures["lift"]["num_real"] == 30
    assert "3 seeds" in figures["lift"]["note"]
    made = open_data(Data(path=str(out), resolution=16))
    assert len(made) == 20
    assert set(made.card.labels.classes) == set(open_data(Data(path="fashion", resolution=16)).card.labels.classes)
    assert main(["augment", runs["garments"], "--run", runs["cgan"], *options]) == 2
    assert "is there already and not an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--per-class", "0"], "--per-class must be at least 1, not 0"),
        (["--tries", "0"], "--tries must be at least 1, not 0"),
        (["--confidence", "1"], "--confidence must be in [0, 1), not 1.0"),
        (["--seeds", "2"], "--seeds must be from 3 to 10, not 2: one training can be lucky"),
        (["--against", "emoji"], "the generator makes images [C, H, W] of [1, 16, 16], but there are real ones of [3, 16, 16]"),
        (["--against", "nowhere"], "'nowhere' does not exist"),
        (["--confidence", "0.999999", "--tries", "1"], "passed the checks: train the generator further, or lower --confidence"),
    ],
)
def test_mistakes(
    options: list[str], said: str, runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    assert main(["augment", runs["garments"], "--run", runs["cgan"], "--out", str(out), *options]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_runs_and_data_that_do_not_serve(runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "made")]
    assert main(["augment", runs["garments"], "--run", runs["dcgan"], *out]) == 2
    assert "is not conditioned on classes, so its images have none" in capsys.readouterr().err
    assert main(["augment", "emoji", "--run", runs["cgan"], *out]) == 2
    assert "the generator was trained on other images than emoji" in capsys.readouterr().err
    assert main(["augment", runs["garments"], "--run", str(tmp_path), *out]) == 2
    assert "is not a run" in capsys.readouterr().err
