"""`zerosum upscale`, `restore` and `evaluate` on a run that makes pictures from pictures, as their user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.cli import main
from zerosum.data.embedded import open_embedded

TINY = ["--train.images", "16", "--jobs.sample-every", "16", "--jobs.checkpoint-every", "16", "--jobs.log-every", "16"]


def train(out: Path, photos: Path, *options: str) -> Path:
    arguments = ["--data", str(photos), "--data.held-out", "4", *TINY, *options]
    assert main(["train", "esrgan:tiny", "--out", str(out), *arguments]) == 0
    return out


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures of 48 x 40 pixels."""
    folder, source = tmp_path_factory.mktemp("photos"), open_embedded("emoji")
    for number in range(40):
        image = Image.fromarray(np.asarray(source.read(20 * number)))
        image.resize((48, 40), Image.Resampling.BICUBIC).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A run that makes pictures four times as large."""
    return train(tmp_path_factory.mktemp("runs") / "run", photos)


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def told(capfd: pytest.CaptureFixture[str], status: int, *arguments: object) -> str:
    capfd.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    return " ".join(text.split())


def test_the_end_of_training_names_the_verb(tmp_path: Path, photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "run", photos)
    assert "zerosum upscale" in capfd.readouterr().out
    train(tmp_path / "same", photos, "--data.scale", "1", "--data.degradation", "old")
    assert "zerosum restore" in capfd.readouterr().out


def test_files_and_folders_become_larger(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for name, sides in (("a.png", (13, 7)), ("b.jpg", (40, 30)), ("c.bmp", (5, 5))):
        Image.new("RGB", sides, "red").save(inputs / name)
    before = {file.name: file.read_bytes() for file in inputs.iterdir()}
    text = told(capfd, 0, "upscale", run, inputs, "--out", tmp_path / "out")
    assert "a.png 52 x 28" in text
    sizes = {file.name: size(file) for file in (tmp_path / "out").iterdir()}
    assert sizes == {"a.png": (52, 28), "b.jpg": (160, 120), "c.png": (20, 20)}
    assert before == {file.name: file.read_bytes() for file in inputs.iterdir()}
    assert "is there already" in told(capfd, 2, "upscale", run, inputs / "a.png", "--out", tmp_path / "out")
    told(capfd, 0, "upscale", run, inputs / "a.png", "--out", tmp_path / "out", "--overwrite")
    assert "inputs are kept" in told(capfd, 2, "upscale", run, inputs, "--out", inputs, "--overwrite")
    assert before == {file.name: file.read_bytes() for file in inputs.iterdir()}


def test_what_cannot_be_done_is_said_and_the_rest_is_done(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    good = Image.new("RGB", (9, 9), "blue")
    good.save(inputs / "good.png")
    good.save(inputs / "moving.gif", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")])
    (inputs / "bad.jpg").write_text("no picture")
    text = told(capfd, 1, "upscale", run, inputs, "--out", tmp_path / "out")
    assert "moving.gif holds 2 pictures" in text
    assert "bad.jpg cannot be read: not an image" in text
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["good.png"]
    assert "there is no picture" in told(capfd, 2, "upscale", run, tmp_path / "none.png", "--out", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in told(capfd, 2, "upscale", run, tmp_path / "empty", "--out", tmp_path / "out")


def test_restoring_is_for_the_same_size(run: Path, tmp_path: Path, photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "in.png"
    Image.new("RGB", (30, 23), "red").save(picture)
    assert "4 times as large: use zerosum upscale" in told(capfd, 2, "restore", run, picture, "--out", tmp_path / "out")
    same = train(tmp_path / "same", photos, "--data.scale", "1", "--data.degradation", "old")
    assert "use zerosum restore" in told(capfd, 2, "upscale", same, picture, "--out", tmp_path / "out")
    told(capfd, 0, "restore", same, picture, "--out", tmp_path / "out")
    assert size(tmp_path / "out" / "in.png") == (30, 23)


def test_it_is_judged_beside_bicubic_on_what_was_held_out(run: Path, photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = told(capfd, 0, "evaluate", run)
    assert "psnr (bicubic)" in text
    assert "4 (held out)" in text
    found = json.loads((run / "metrics.json").read_text())
    assert found["ssim"]["num_real"] == 4
    assert found["psnr"]["generator"].startswith("run at 16 images")
    assert "40 photographs" in told(capfd, 0, "evaluate", run, "--against", photos, "--out", run / "others.json")
    assert "psnr, psnr-y, ssim, ms-ssim, perceptual; leave it out" in told(capfd, 2, "evaluate", run, "--metrics", "kid")


def test_verbs_of_noise_and_of_the_doctor_say_what_to_use(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "use zerosum upscale" in told(capfd, 2, "sample", run, "--out", tmp_path / "x.png")
    assert "use zerosum evaluate" in told(capfd, 2, "doctor", run)
    Image.new("RGB", (9, 9)).save(tmp_path / "in.png")
    noise = tmp_path / "noise"
    assert main(["train", "dcgan:tiny", "--out", str(noise), "--train.images", "32", "--jobs.checkpoint-every", "32"]) == 0
    assert "train esrgan, or import one" in told(capfd, 2, "upscale", noise, tmp_path / "in.png", "--out", tmp_path / "out")


def test_the_second_stage_starts_from_the_first(tmp_path: Path, photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--data",
        str(photos),
        *TINY,
        "--train.batch",
        "4",
        "--gan.width",
        "4",
        "--gan.growth",
        "4",
        "--gan.blocks",
        "1",
    ]
    assert main(["train", "esrgan:cpu_psnr", "--out", str(tmp_path / "psnr"), "--data.resolution", "32", *arguments]) == 0
    arguments += ["--data.resolution", "32", "--gan.discriminator-width", "4", "--start", str(tmp_path / "psnr")]
    assert main(["train", "esrgan:cpu", "--out", str(tmp_path / "gan"), *arguments]) == 0
    log = (tmp_path / "gan" / "log.txt").read_text()
    assert "started from" in log
    assert "discriminator.conv0.weight" in log
    arguments[-1] = str(tmp_path / "none")
    text = told(capfd, 2, "train", "esrgan:cpu", "--out", tmp_path / "x", *arguments)
    assert "is not a run" in text
