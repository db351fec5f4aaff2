"""`zerosum translate`, `colour` and `evaluate` on runs that learned from pairs, or from two kinds of pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum
from zerosum.apply.upscale import Enlarger
from zerosum.cli import main
from zerosum.data.embedded import open_embedded

TINY = ["--train.images", "16", "--train.batch", "4", "--jobs.sample-every", "16", "--jobs.checkpoint-every", "16"]
TINY += ["--jobs.log-every", "16"]


def train(family: str, out: Path, *options: str) -> Path:
    assert main(["train", f"{family}:tiny", "--out", str(out), *TINY, *options]) == 0
    return out


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pairs: emoji in A, the same upside down and with inverted colours in B."""
    folder, source = tmp_path_factory.mktemp("pairs"), open_embedded("emoji")
    for side in ("A", "B"):
        (folder / side).mkdir()
        for number in range(40):
            pixels = np.asarray(source.read(20 * number))
            Image.fromarray(pixels if side == "A" else 255 - pixels[::-1]).save(folder / side / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory, folders: Path) -> Path:
    options = ["--data", str(folders), "--data.kind", "pairs", "--data.held-out", "4", "--gan.luma", "made"]
    return train("pix2pix", tmp_path_factory.mktemp("runs") / "paired", *options)


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train("cyclegan", tmp_path_factory.mktemp("runs") / "unpaired")


@pytest.fixture(scope="module")
def colouring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train("pix2pix", tmp_path_factory.mktemp("runs") / "colouring", "--data.held-out", "4")


def told(capfd: pytest.CaptureFixture[str], status: int, *arguments: object) -> str:
    capfd.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    return " ".join(text.split())


def opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        image.load()
        return image


def photo(path: Path, mode: str = "RGB", size: tuple[int, int] = (37, 26)) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_the_end_of_training_names_the_verb(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train("pix2pix", tmp_path / "colouring")
    assert "zerosum colour" in capfd.readouterr().out
    train("cyclegan", tmp_path / "unpaired")
    assert "zerosum translate" in capfd.readouterr().out
    samples = {file.name for file in (tmp_path / "unpaired" / "samples").iterdir()}
    assert {"real.png", "source.png"} <= samples


def test_pictures_of_any_size_are_translated(paired: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    exif = Image.Exif()
    exif[0x010E] = "a description"
    picture = opened(photo(inputs / "a.png", "RGBA"))
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(inputs / "a.png", exif=exif)
    photo(inputs / "grey.png", "L", (20, 50))
    before = {file.name: file.read_bytes() for file in inputs.iterdir()}
    told(capfd, 0, "translate", paired, inputs, "--out", tmp_path / "out")
    made = opened(tmp_path / "out" / "a.png")
    assert made.size == (37, 26)
    assert made.getexif()[0x010E] == "a description"
    assert np.array_equal(np.asarray(made.getchannel("A")), np.asarray(picture.getchannel("A")))
    other = opened(tmp_path / "out" / "grey.png")
    assert (other.mode, other.size) == ("RGB", (20, 50))
    assert before == {file.name: file.read_bytes() for file in inputs.iterdir()}
    assert "inputs are kept" in told(capfd, 2, "translate", paired, inputs, "--out", inputs, "--overwrite")
    assert "is there already" in told(capfd, 2, "translate", paired, inputs, "--out", tmp_path / "out")


def test_tiles_give_what_the_whole_picture_gives(paired: Path) -> None:
    sampler, pixels = zerosum.load(paired), np.random.default_rng(1).integers(0, 256, (160, 128, 3), np.uint8)
    whole = Enlarger(sampler, tile=1024, becomes="other").enlarge(pixels)
    tiled = Enlarger(sampler, tile=32, becomes="other").enlarge(pixels)
    assert np.abs(whole.astype(int) - tiled.astype(int)).max() <= 1


def test_both_ways(unpaired: Path, paired: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture = photo(tmp_path / "in.png")
    for out, words in (("there", []), ("back", ["--reverse"]), ("tiles", ["--tile", "16"])):
        told(capfd, 0, "translate", unpaired, picture, "--out", tmp_path / out, *words)
        assert opened(tmp_path / out / "in.png").size == (37, 26)
    there, back = (np.asarray(opened(tmp_path / out / "in.png")) for out in ("there", "back"))
    assert not np.array_equal(there, back)
    text = told(capfd, 2, "translate", paired, picture, "--out", tmp_path / "no", "--reverse")
    assert "goes one way: leave out --reverse, train cyclegan, or pix2pix with --data.sides B A" in text


def test_colours_for_grey_pictures(colouring: Path, paired: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    grey, coloured = photo(tmp_path / "grey.png", "L"), photo(tmp_path / "coloured.png")
    told(capfd, 0, "colour", colouring, grey, coloured, "--out", tmp_path / "out")
    made = [np.asarray(opened(tmp_path / "out" / name).convert("RGB")) for name in ("grey.png", "coloured.png")]
    assert np.abs(made[0].astype(int) - made[1]).max() <= 2, "of a coloured picture the grey values are taken"
    inside = ((made[0] > 0) & (made[0] < 255)).all(-1)
    luma = made[0] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - np.asarray(opened(grey)))[inside].max() <= 1, "and they are kept"
    assert "use zerosum translate" in told(capfd, 2, "colour", paired, grey, "--out", tmp_path / "no")
    text = told(capfd, 1, "translate", colouring, coloured, "--out", tmp_path / "no")
    assert "takes no colours: convert the picture to grey, or use zerosum colour" in text


def test_a_grey_profile_does_not_stay_on_a_coloured_picture(
    colouring: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    opened(photo(tmp_path / "in.png", "L")).save(tmp_path / "in.png", icc_profile=b"a profile of grey")
    told(capfd, 0, "colour", colouring, tmp_path / "in.png", "--out", tmp_path / "out")
    assert "icc_profile" not in opened(tmp_path / "out" / "in.png").info


def test_they_are_judged_on_pairs(
    paired: Path, unpaired: Path, colouring: Path, folders: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = told(capfd, 0, "evaluate", paired)
    assert "4 pairs, held out" in text
    assert "psnr (source)" in text
    assert json.loads((paired / "metrics.json").read_text())["psnr"]["num_real"] == 4
    assert "psnr (source)" in told(capfd, 0, "evaluate", colouring)
    assert "has no pairs to judge" in told(capfd, 2, "evaluate", unpaired)
    assert "left out" in text, "4 pairs are too few"
    assert "40 pairs" in told(capfd, 0, "evaluate", unpaired, "--against", folders, "--features", "lite0@32")
    found = json.loads((unpaired / "metrics.json").read_text())
    for metric in ("retrieval", "frechet (lite0@32)", "kernel distance (lite0@32)"):
        assert found[metric]["num_fake"] == found[f"{metric} (source)"]["num_fake"] == 40
    assert found["kernel distance (lite0@32)"]["num_real"] > 40, "all pictures of the kind that it was trained on"
    assert found["cycle"]["value"] > 0
    told(capfd, 0, "evaluate", paired, "--against", folders, "--features", "lite0@32")
    found = json.loads((paired / "metrics.json").read_text())
    assert found["kernel distance (lite0@32)"]["num_real"] == 36
    assert "cycle" not in found


def test_verbs_of_noise_say_what_to_use(unpaired: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "translate, colour, inpaint or vocode" in told(capfd, 2, "sample", unpaired, "--out", tmp_path / "x.png")


@pytest.mark.parametrize("family", ["pix2pix", "cyclegan"])
def test_the_doctor_examines_them(family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = train(family, tmp_path / "run", "--jobs.diagnose-every", "8")
    rows = [json.loads(line) for line in (run / "diagnosis.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [8, 16]
    assert {row["verdict"] for row in rows} == {"learning"}
    assert all(0 < row["distance"] < 1 and row["accuracy"] is not None for row in rows)
    assert all(("error" in row) == (family == "pix2pix") for row in rows), "of pairs alone"
    assert "verdict: learning" in told(capfd, 0, "doctor", run)
    assert "Verdict: learning" in (run / "report.html").read_text()
