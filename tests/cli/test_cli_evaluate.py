"""`zerosum evaluate` as its user meets it: real data, real judge, every mistake answered in words."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import zerosum
from zerosum.cli import main
from zerosum.data import Images, open_data
from zerosum.evaluate import from_plain
from zerosum.recipe import Data

FEW = ["-n", "64"]


def save(folder: Path, images: np.ndarray, radius: float = 0, names: list[str] | None = None) -> str:
    """Write images uint8 `[N, C, H, W]` as PNG files, blurred, into a sub-folder per class where there are names."""
    for number, image in enumerate(images):
        pixels = image.transpose(1, 2, 0)
        target = folder / (names[number] if names else "")
        target.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(pixels.squeeze()).filter(ImageFilter.GaussianBlur(radius))
        picture.save(target / f"{number:04d}.png")
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Emoji at 32 pixels: 128 real ones; 64 others, as they are and blurred; and too few."""
    root, dataset = tmp_path_factory.mktemp("evaluate"), open_data(Data(path="emoji", resolution=32))
    assert isinstance(dataset, Images)
    mixed = np.random.default_rng(0).permutation(len(dataset))
    real, other = dataset.images[mixed[:128]], dataset.images[mixed[128:192]]
    blurred = {f"blurred {radius}": save(root / f"blurred{radius}", other, radius) for radius in (1, 2)}
    return {
        "real": save(root / "real", real),
        "other": save(root / "other", other),
        **blurred,
        "few": save(root / "few", real[:9]),
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    zerosum.train("dcgan:tiny", folder)
    return folder


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fashion-MNIST in a sub-folder per class."""
    dataset = open_data(Data(path="fashion", resolution=16))
    assert isinstance(dataset, Images)
    assert dataset.labels is not None
    names = [dataset.card.labels.classes[label] for label in dataset.labels[:150]]
    return save(tmp_path_factory.mktemp("evaluate") / "held-out", dataset.images[:150], names=names)


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What is printed as JSON."""
    capsys.readouterr()
    assert main(["evaluate", *arguments, "--json"]) == 0
    plain: dict[str, Any] = json.loads(capsys.readouterr().out)
    from_plain(plain)
    return plain


def test_quality_is_put_in_order(folders: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    kid, fid = "kernel distance (lite0)", "frechet (lite0)"
    judged = [
        figures(capsys, folders["real"], folders[name], "--metrics", "kid,fid") for name in ("other", "blurred 1", "blurred 2")
    ]
    for name in (kid, fid):
        values = [of[name]["value"] for of in judged]
        assert values == sorted(values)
        assert values[2] > 1.2 * values[0]
    like_real = judged[0]
    low, high = like_real[kid]["interval"]
    assert low <= like_real[kid]["floor"] <= high
    assert like_real[fid]["value"] == pytest.approx(like_real[fid]["floor"], rel=0.15)
    assert judged[1][kid]["interval"][0] > high
    assert (like_real[kid]["num_real"], like_real[kid]["num_fake"]) == (128, 64)
    assert like_real[kid]["split"] == folders["real"]
    assert like_real[kid]["resize"].startswith("prepared at 32 x 32 pixels (crop); bilinear")


def test_a_run_is_judged_and_metrics_json_says_how(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), *FEW, "--seed", "7", "--metrics", "kid,recall,inception-score,ms-ssim"]) == 0
    printed = capsys.readouterr()
    assert "kernel distance (lite0)" in printed.out
    assert f"{run}: 64 samples by lite0, against fashion" in " ".join(printed.err.split())
    plain = json.loads((run / "metrics.json").read_text())
    assert list(plain) == ["kernel distance (lite0)", "recall", "class score (lite0)", "ms-ssim"]
    kid = plain["kernel distance (lite0)"]
    assert kid["value"] > kid["floor"]
    assert (kid["num_real"], kid["num_fake"], kid["split"], kid["seed"], kid["judge"]) == (128, 64, "train", 7, "lite0")
    assert kid["judge_hash"].startswith("5793442")
    again = figures(capsys, str(run), *FEW, "--seed", "7", "--metrics", "kid")
    assert again == {"kernel distance (lite0)": kid}


def test_held_out_data_tells_memorisation(run: Path, held_out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "new" / "figures.json"), "--features", "lite0@32"]
    plain = figures(capsys, str(run), *FEW, "--against", held_out, "--metrics", "copied,closer", *out)
    assert plain == json.loads((tmp_path / "new" / "figures.json").read_text())
    assert plain["copied"]["split"] == held_out
    assert plain["copied"]["judge"] == "lite0@32"
    # Nearly all of these "held-out" images are training images, than which nothing is closer.
    assert plain["closer"]["value"] < 0.05


def test_memorisation_is_told_by_what_the_run_held_out(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "figures.json"), "--features", "lite0@32"]
    plain = figures(capsys, str(run), *FEW, "--metrics", "copied,kid,closer", *out)
    assert list(plain) == ["copied", "kernel distance (lite0@32)", "closer"]
    assert [(of["split"], of["num_real"]) for of in plain.values()] == [("held out", 200), ("train", 128), ("held out", 200)]
    assert plain["closer"]["floor"] == pytest.approx(0.5, abs=0.1)
    none = Path(shutil.copytree(run, tmp_path / "run"))
    recipe = (none / "recipe.json").read_text()
    (none / "recipe.json").write_text(recipe.replace('"held_out": 200', '"held_out": 23'))
    assert main(["evaluate", str(none), *FEW, "--metrics", "copied"]) == 2
    message = "need at least 24 real images that were held out from training, but "
    said = " ".join(capsys.readouterr().err.split())
    assert message in said
    assert "held out 23: --against PATH" in said


def test_a_conditional_run_is_judged_per_class(held_out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zerosum.train("cgan:tiny", tmp_path / "run")
    per_class = ["--metrics", "fid-per-class", "--features", "lite0@32"]
    plain = figures(capsys, str(tmp_path / "run"), "-n", "100", *per_class)
    assert plain["frechet per class (lite0@32)"]["value"] > 0
    within = figures(capsys, str(tmp_path / "run"), "-n", "75", "--metrics", "diversity-within", "--against", held_out)
    assert within["diversity-within"]["value"] > 0
    assert main(["evaluate", str(tmp_path / "run"), *FEW, *per_class, "--against", "emoji"]) == 2
    assert "labels" in capsys.readouterr().err


def test_what_samples_teach_needs_held_out_images(
    held_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zerosum.evaluate.classifier.STEPS", 40)
    zerosum.train("cgan:tiny", tmp_path / "run")
    lessons = [str(tmp_path / "run"), "-n", "60", "--metrics", "lift,ppl,cas"]
    assert main(["evaluate", *lessons]) == 2
    assert "cas and lift need real images of the same classes that were held out" in capsys.readouterr().err
    assert main(["evaluate", *lessons, "--against", "emoji"]) == 2
    assert "labels" in capsys.readouterr().err
    plain = figures(capsys, *lessons, "--against", held_out, "--real-per-class", "5", "--features", "lite0@32")
    assert list(plain) == ["lift", "path length (lite0@32)", "cas"]
    assert {of["generator"] for of in plain.values()} == {zerosum.load(tmp_path / "run").name}
    assert "with 5 real images per class" in plain["lift"]["note"]
    assert "with 6 generated ones more" in plain["lift"]["note"]
    assert plain["lift"]["note"].endswith("the generator has seen 9,800 real images")
    assert plain["cas"]["value"] < plain["cas"]["floor"]
    assert (plain["cas"]["num_real"], plain["cas"]["num_fake"], plain["cas"]["judge"]) == (150, 60, "small classifier")
    assert plain["path length (lite0@32)"]["interval"][0] > 0
    assert main(["evaluate", *lessons, "--against", held_out, "--real-per-class", "2000"]) == 2
    assert "2000 real images per class are asked for, but there are 975 of class 4" in capsys.readouterr().err


def test_a_run_on_points_is_judged_by_its_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--train.images", "512", "--jobs.checkpoint-every", "512", "--jobs.num-samples", "8"]
    assert main(["train", "gan:ring", "--out", str(tmp_path / "run"), *few]) == 0
    plain = figures(capsys, str(tmp_path / "run"), "-n", "500")
    assert list(plain) == ["modes", "high-quality", "reverse-kl"]
    assert {of["generator"] for of in plain.values()} == {zerosum.load(tmp_path / "run").name}
    assert (plain["modes"]["floor"], plain["modes"]["judge"], plain["modes"]["num_fake"]) == (8, "the modes of ring", 500)
    assert plain == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert list(figures(capsys, str(tmp_path / "run"), *FEW, "--metrics", "modes")) == ["modes"]
    for more, message in ((["--metrics", "fid"], "fid is not measured on points"), (["--against", "grid"], "is for images")):
        assert main(["evaluate", str(tmp_path / "run"), *more]) == 2
        assert message in capsys.readouterr().err
    recipe = tmp_path / "run" / "recipe.json"
    recipe.write_text(recipe.read_text().replace('"ring"', '"mine.npy"'))
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "the modes of mine.npy are not known" in capsys.readouterr().err


def test_stacked_garments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("zerosum.evaluate.labelled.DIGIT_STEPS", 150)
    dataset = open_data(Data(path="fashion", resolution=8))
    assert isinstance(dataset, Images)
    assert dataset.labels is not None
    stream = np.random.default_rng(0)
    for name, classes in (("real", 10), ("generated", 3)):
        triples = stream.choice(np.flatnonzero(dataset.labels < classes), (600, 3))
        np.save(tmp_path / f"{name}.npy", dataset.images[triples, 0].transpose(0, 2, 3, 1))
    both = [str(tmp_path / "real.npy"), str(tmp_path / "generated.npy"), "--stacked-from", "fashion"]
    plain = figures(capsys, *both, "--metrics", "reverse-kl,modes")
    assert list(plain) == ["reverse-kl", "modes"]
    assert plain["modes"]["value"] < 0.5 * plain["modes"]["floor"]
    assert plain["modes"]["generator"] == both[1]
    assert plain["reverse-kl"]["value"] > 1.5 * plain["reverse-kl"]["floor"]


MISTAKES = {
    "unknown metric": (["RUN", "--metrics", "fid,presicion"], "unknown metric 'presicion': did you mean 'precision'?"),
    "unknown judge": (["RUN", "--features", "lite1"], "unknown feature network 'lite1': did you mean 'lite0'?"),
    "too few samples": (["RUN", "-n", "9"], "-n must be at least 24, not 9"),
    "too few images": (["real", "few"], "few holds 9 images; at least 24 are needed"),
    "not a run": (["real"], "is not a run. To compare two data sets name both, the real one first"),
    "run and data": (["RUN", "few"], "give a run (and --against for other real images), or two data sets"),
    "resolution of a run": (["RUN", "--resolution", "64"], "a run is judged at its own resolution"),
    "missing data": (["real", "no/such/folder"], "no/such/folder"),
    "classes": (["RUN", "--metrics", "fid-per-class"], "for generators conditioned on classes"),
    "no training data": (["real", "other", "--metrics", "mifid"], "need to know the training data: judge a run"),
    "unlabelled": (["real", "other", "--metrics", "diversity-within"], "have no labels"),
    "points": (["RUN", "--against", "ring"], "ring is points"),
    "metric of points": (
        ["RUN", "--metrics", "high-quality"],
        "high-quality is not measured on images; for images",
    ),
    "lift without classes": (["RUN", "--metrics", "cas,lift"], "cas and lift are for generators conditioned on classes"),
    "path without a generator": (["real", "other", "--metrics", "ppl"], "ppl, cas and lift need the generator itself"),
    "not stacked": (["RUN", "--metrics", "modes", "--stacked-from", "fashion"], "for points, and for RGB images of stacked"),
    "stacked from nothing": (["real", "other", "--metrics", "modes"], "--stacked-from PATH"),
    "too few real": (["RUN", "--real-per-class", "0"], "--real-per-class must be at least 1, not 0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered_in_words(
    mistake: str, run: Path, folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = MISTAKES[mistake]
    places = {"RUN": str(run), **folders}
    assert main(["evaluate", *(places.get(word, word) for word in arguments)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_run_without_a_checkpoint(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("recipe.json", "data.json"):
        (tmp_path / name).write_text((run / name).read_text())
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err


def test_a_run_whose_data_has_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = save(tmp_path / "data", np.random.default_rng(0).integers(0, 256, (40, 1, 16, 16), np.uint8))
    assert main(["train", "dcgan:tiny", "--data", data, "--out", str(tmp_path / "run"), "--train.images", "64"]) == 0
    (tmp_path / "data" / "0000.png").unlink()
    assert main(["evaluate", str(tmp_path / "run"), *FEW]) == 2
    assert "is no longer what" in capsys.readouterr().err
