"""`zerosum inpaint` and `evaluate` on a run that fills holes, as their user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.cli import main

TINY = ["--train.images", "16", "--jobs.sample-every", "16", "--jobs.checkpoint-every", "16", "--jobs.log-every", "16"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "inpainting:tiny", "--out", str(out), "--data.held-out", "30", *TINY]) == 0
    return out


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A photograph as PNG and as JPEG."""
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels).save(folder / "b.jpg")
    return folder


def mask(path: Path, size: tuple[int, int] = (50, 40), box: tuple[int, int, int, int] | None = (10, 12, 22, 30)) -> Path:
    image = Image.new("L", size)
    if box:
        image.paste(255, box)
    image.save(path)
    return path


def pixels_of(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image)


def told(capfd: pytest.CaptureFixture[str], status: int, *arguments: object) -> str:
    capfd.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    return " ".join(text.split())


def test_the_end_of_training_names_the_verb(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "inpainting:tiny", "--out", str(tmp_path / "run"), *TINY]) == 0
    assert "zerosum inpaint" in capfd.readouterr().out
    with Image.open(tmp_path / "run" / "samples" / "source.png") as image:
        assert image.mode == "RGBA"


def test_holes_are_filled_and_all_else_is_kept(
    run: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in pictures.iterdir()}
    text = told(capfd, 0, "inpaint", run, pictures, "--mask", mask(tmp_path / "mask.png"), "--out", tmp_path / "out")
    assert "a.png 50 x 40, 10.8% filled" in text
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "b.png"], "JPEG would change known pixels"
    hole = pixels_of(tmp_path / "mask.png") > 0
    for name, made in (("a.png", "a.png"), ("b.jpg", "b.png")):
        source, filled = pixels_of(pictures / name), pixels_of(tmp_path / "out" / made)
        assert np.array_equal(source[~hole], filled[~hole])
        assert not np.array_equal(source[hole], filled[hole])
    told(capfd, 0, "inpaint", run, pictures / "a.png", "--box", "10,12,12,18", "--out", tmp_path / "box")
    assert np.array_equal(pixels_of(tmp_path / "box" / "a.png"), pixels_of(tmp_path / "out" / "a.png"))
    assert {file.name: file.read_bytes() for file in pictures.iterdir()} == before


def test_a_folder_of_masks(run: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    mask(masks / "a.bmp")
    text = told(capfd, 1, "inpaint", run, pictures, "--mask", masks, "--out", tmp_path / "out")
    assert "b.jpg: --mask" in text
    assert "holds no mask named b, and it must hold one" in text
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.png"]
    mask(masks / "a.png")
    text = told(capfd, 1, "inpaint", run, pictures / "a.png", "--mask", masks, "--out", tmp_path / "two")
    assert "holds 2 masks named a" in text
    text = told(capfd, 2, "inpaint", run, pictures / "a.png", "--mask", masks, "--out", masks, "--overwrite")
    assert "lies among, the masks: name another --out" in text


def test_bad_masks_and_boxes_are_refused_in_words(
    run: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    picture, out = pictures / "a.png", ["--out", tmp_path / "out"]
    broken, moving = tmp_path / "broken.png", tmp_path / "moving.gif"
    broken.write_bytes(mask(tmp_path / "whole.png").read_bytes()[:60])
    Image.new("L", (50, 40)).save(moving, save_all=True, append_images=[Image.new("L", (50, 40), 255)])
    for file, words in (
        (mask(tmp_path / "size.png", (40, 50)), "size.png is 40 x 50, the picture 50 x 40"),
        (mask(tmp_path / "none.png", box=None), "none.png has no white: nothing is to be filled"),
        (mask(tmp_path / "all.png", box=(0, 0, 50, 40)), "all.png is all white: nothing of the picture is known"),
        (broken, "broken.png cannot be read"),
        (moving, "moving.gif holds 2 pictures, not one"),
    ):
        assert words in told(capfd, 1, "inpaint", run, picture, "--mask", file, *out)
    assert "does not exist" in told(capfd, 2, "inpaint", run, picture, "--mask", tmp_path / "no.png", *out)
    assert "(x, y, width, height) must lie in the picture" in told(capfd, 1, "inpaint", run, picture, "--box", "45,0,9,9", *out)
    assert "all white" not in told(capfd, 1, "inpaint", run, picture, "--box", "0,0,51,40", *out)
    assert "give four whole numbers" in told(capfd, 2, "inpaint", run, picture, "--box", "1,2,x,4", *out)
    assert "give four whole numbers" in told(capfd, 2, "inpaint", run, picture, "--box", "1,2,3", *out)
    assert "one of them" in told(capfd, 2, "inpaint", run, picture, *out)
    assert "one of them" in told(capfd, 2, "inpaint", run, picture, "--box", "1,2,3,4", "--mask", tmp_path / "all.png", *out)
    assert not list((tmp_path / "out").iterdir())


def test_bad_pictures_are_refused_and_the_rest_is_done(
    run: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.jpg").write_bytes((pictures / "b.jpg").read_bytes()[:300])
    frame = Image.new("RGB", (50, 40))
    frame.save(pictures / "moving.gif", save_all=True, append_images=[Image.new("RGB", (50, 40), "red")])
    frame.convert("CMYK").save(pictures / "print.jpg")
    text = told(capfd, 1, "inpaint", run, pictures, "--box", "1,2,3,4", "--out", tmp_path / "out")
    assert "broken.jpg cannot be read" in text
    assert "moving.gif holds 2 pictures, not one" in text
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "print.png"]
    assert "is there already" in told(capfd, 2, "inpaint", run, pictures, "--box", "1,2,3,4", "--out", tmp_path / "out")
    text = told(capfd, 2, "inpaint", run, pictures / "a.png", "--box", "1,2,3,4", "--out", pictures, "--overwrite")
    assert "inputs are kept" in text
    text = told(capfd, 2, "inpaint", run, tmp_path / "no.png", "--box", "1,2,3,4", "--out", tmp_path / "x")
    assert "there is no picture" in text


def test_other_verbs_and_other_runs_say_what_to_use(
    run: Path, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for verb in ("upscale", "restore", "translate", "colour"):
        assert "use zerosum inpaint" in told(capfd, 2, verb, run, pictures, "--out", tmp_path / "out")
    assert "inpaint" in told(capfd, 2, "sample", run, "--out", tmp_path / "x.png")
    noise = tmp_path / "noise"
    assert main(["train", "dcgan:tiny", "--out", str(noise), "--train.images", "32", "--jobs.checkpoint-every", "32"]) == 0
    text = told(capfd, 2, "inpaint", noise, pictures, "--box", "1,2,3,4", "--out", tmp_path / "out")
    assert "does not fill holes: train inpainting" in text


def test_it_is_judged_beside_diffusion_and_one_colour(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = told(capfd, 0, "evaluate", run)
    assert "30 pairs, held out" in text
    found = json.loads((run / "metrics.json").read_text())
    for metric in ("psnr", "ssim", "perceptual", "frechet (lite0)", "kernel distance (lite0)"):
        for name in ("", " (diffusion)", " (mean colour)"):
            assert found[metric + name]["num_fake"] == 30
    again = told(capfd, 0, "evaluate", run, "--json")
    assert json.loads(again[: again.rindex("}") + 1])["psnr"]["value"] == found["psnr"]["value"], "always the same holes"
