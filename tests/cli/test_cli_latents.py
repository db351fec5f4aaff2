"""Truncation, sweeps, moves, mixing, projection and directions as their user meets them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.latent_gans import Flat
from torch import Tensor

import zerosum
from zerosum.cli import main
from zerosum.cli.directions import Find, find
from zerosum.data import Images, open_data
from zerosum.game import Batch
from zerosum.noise import Noise
from zerosum.recipe import Data
from zerosum.sampling import Sampler


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run without conditions, on data with classes."""
    folder = tmp_path_factory.mktemp("latents") / "run"
    zerosum.train("dcgan:tiny", folder)
    return folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latents") / "classes"
    zerosum.train("cgan:tiny", folder)
    return folder


@pytest.fixture(scope="module")
def found(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directions of the run."""
    out = tmp_path_factory.mktemp("latents") / "directions"
    assert main(["directions", str(run), "--num", "3", "--rows", "2", "--out", str(out)]) == 0
    return out / "directions.npz"


def sampled(run: Path, tmp_path: Path, *options: object) -> np.ndarray:
    out = tmp_path / "samples.npz"
    assert main(["sample", str(run), *map(str, options), "--out", str(out)]) == 0
    samples: np.ndarray = np.load(out)["samples"]
    return samples


def test_truncation_moves_and_sweeps(run: Path, found: Path, tmp_path: Path) -> None:
    plain, cut = (sampled(run, tmp_path, "-n", 40, *more) for more in ([], ["--truncation", 0.4]))
    assert cut.astype(float).std(0).mean() < plain.astype(float).std(0).mean()
    moved = sampled(run, tmp_path, "-n", 5, "--move", f"{found}:1=2")
    both = sampled(run, tmp_path, "-n", 5, "--move", f"{found}:1=3", "--move", f"{found}:1=-1")
    assert not np.array_equal(moved, plain[:5])
    assert np.abs(moved.astype(int) - both).max() <= 1
    sheet = sampled(run, tmp_path, "-n", 3, "--sweep", f"{found}:1=-2,0,2").reshape(3, 3, 16, 16, 1)
    assert np.abs(sheet[:, 1].astype(int) - plain[:3]).max() <= 1
    assert np.abs(sheet[:, 2].astype(int) - moved[:3]).max() <= 1
    sheet = sampled(run, tmp_path, "--sweep", "truncation=0.4,1")
    assert len(sheet) == 16
    assert np.abs(sheet[::2].astype(int) - cut[:8]).max() <= 1


def test_a_sweep_of_given_latents(run: Path, found: Path, tmp_path: Path) -> None:
    latent = tmp_path / "latent.npz"
    np.savez(latent, latents=zerosum.load(run).latents(range(5, 8)).numpy(), seed=np.array(5))
    sheet = sampled(run, tmp_path, "--latents", latent, "--sweep", f"{found}:1=0,2").reshape(3, 2, 16, 16, 1)
    for column, strength in enumerate((0, 2)):
        expected = sampled(run, tmp_path, "-n", 3, "--seed", 5, "--move", f"{found}:1={strength}")
        assert np.abs(sheet[:, column].astype(int) - expected).max() <= 1


def test_a_sheet_of_classes(conditional: Path, tmp_path: Path) -> None:
    out = tmp_path / "classes.png"
    assert main(["sample", str(conditional), "--sweep", "label", "-n", "2", "--out", str(out)]) == 0
    with Image.open(out) as sheet:
        assert sheet.size == (10 * 18 + 2, 2 * 18 + 2)


def test_ways_as_a_film(run: Path, tmp_path: Path) -> None:
    import av

    out = tmp_path / "way.mp4"
    assert main(["sample", str(run), "--interpolate", "--kind", "linear", "-n", "7", "--out", str(out)]) == 0
    with av.open(str(out)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 7
    ends = [sampled(run, tmp_path, "--interpolate", "--kind", kind, "-n", 5) for kind in ("linear", "spherical")]
    assert np.abs(ends[0][0].astype(int) - ends[1][0]).max() <= 1
    assert not np.array_equal(ends[0][2], ends[1][2])


def test_directions_have_a_sheet_each(found: Path) -> None:
    for number in range(3):
        with Image.open(found.parent / f"{number:02d}.png") as sheet:
            assert sheet.size == (7 * 18 + 2, 2 * 18 + 2)
    assert not (found.parent / "03.png").exists()


def test_directions_by_variance_and_by_labels(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--rows", "1", "--out", str(tmp_path)]
    assert main(["directions", str(run), "--method", "ganspace", "--samples", "200", "--num", "2", *out]) == 0
    assert "ganspace 1" in capsys.readouterr().out
    brightness = zerosum.load(run).sample(120).mean((1, 2, 3))
    lines = [
        f"{seed},{value:.2f},{'light' if value > np.median(brightness) else 'dark'}" for seed, value in enumerate(brightness)
    ]
    (tmp_path / "labels.csv").write_text("seed,brightness,kind\n" + "\n".join(lines))
    assert main(["directions", str(run), "--method", "labels", "--labels", str(tmp_path / "labels.csv"), *out]) == 0
    assert "brightness" in capsys.readouterr().out
    file = tmp_path / "directions.npz"
    assert np.load(file)["names"].tolist() == ["brightness", "kind=light"]
    up, down = (sampled(run, tmp_path, "-n", 30, "--move", f"{file}:0={strength}").mean() for strength in (2, -2))
    assert up > sampled(run, tmp_path, "-n", 30).mean() > down


class Garments(Flat):
    """Trousers where the first value of z is above 0, else ankle boots."""

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        dataset = open_data(Data(path="fashion", resolution=16))
        assert isinstance(dataset, Images)
        assert dataset.labels is not None
        names = dataset.card.labels.classes
        shown = [dataset.images[dataset.labels == names.index(name)][:50] for name in ("ankle boot", "trouser")]
        both = torch.from_numpy(np.stack(shown)).float() / 127.5 - 1
        return both[(latents[:, 0] > 0).long(), (latents[:, 1].abs() * 1000).long() % 50]


def test_directions_by_a_classifier_of_the_data(run: Path) -> None:
    card = zerosum.load(run).card
    sampler = Sampler(Garments({"image": (1, 16, 16)}).for_sampling(), card)
    directions = find(sampler, Find(run, method="labels", from_data=True, samples=300), None)
    # Some boots may be taken for sneakers.
    trouser = directions.names.index("class=trouser")
    assert directions.vectors[trouser, 0] > 0.9
    assert directions.scores[trouser] > 0.9


def test_projection_and_tuning_end_to_end(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = open_data(Data(path="fashion", resolution=16))
    assert isinstance(dataset, Images)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    # Of another size and mode each; they are prepared as for training.
    Image.fromarray(dataset.images[0, 0]).resize((64, 64)).convert("RGB").save(photos / "a.png")
    Image.fromarray(dataset.images[1, 0]).convert("P").save(photos / "b.gif")
    options = ["--steps", "30", "--candidates", "32", "--tune", "60", "--out", str(out)]
    assert main(["project", str(run), str(photos), *options]) == 0
    assert "2 images projected" in capsys.readouterr().out
    with Image.open(out / "projected.png") as sheet:
        assert sheet.size == (3 * 18 + 2, 2 * 18 + 2)
    told = json.loads((out / "errors.json").read_text())
    assert [Path(image["file"]).name for image in told["images"]] == ["a.png", "b.gif"]
    assert all(image["psnr_tuned"] > image["psnr"] for image in told["images"])
    assert np.array(told["projection_errors"]).shape == (2, 31)
    assert len(told["tuning_errors"]) == 61
    latent = out / "latent.npz"
    made = sampled(out / "tuned", tmp_path, "--latents", latent)
    with Image.open(out / "projected.png") as sheet:
        pixels = np.asarray(sheet)
    assert np.abs(made[0, :, :, 0].astype(int) - pixels[2:18, 38:54]).max() <= 1
    before = sampled(run, tmp_path, "--latents", latent)
    assert np.abs(before[1, :, :, 0].astype(int) - pixels[20:36, 20:36]).max() <= 1
    assert main(["train", "dcgan:tiny", "--out", str(out / "tuned")]) == 2
    assert "holds a generator alone" in capsys.readouterr().err


def test_projection_of_a_conditional_run_keeps_its_label(conditional: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.fromarray(zerosum.load(conditional).sample(1, label=3)[0, :, :, 0]).save(image)
    options = ["--steps", "5", "--candidates", "16", "--label", "3", "--out", str(tmp_path / "out")]
    assert main(["project", str(conditional), str(image), *options]) == 0
    assert np.load(tmp_path / "out" / "latent.npz")["label"].argmax() == 3
    assert len(sampled(conditional, tmp_path, "--latents", tmp_path / "out" / "latent.npz")) == 1
    assert not (tmp_path / "out" / "tuned").exists()


SAMPLE = [
    (["--truncation", "0"], "truncation must be above 0"),
    (["--truncation", "1", "--truncation-layers", "3"], "one latent for all its layers: leave truncation_layers out"),
    (["--truncation-layers", "3"], "give truncation too"),
    (["--move", "directions.npz"], "write FILE:NUMBER=STRENGTH"),
    (["--move", "directions.npz:0=much"], "write FILE:NUMBER=STRENGTH"),
    (["--move", "nowhere.npz:0=1"], "no directions at nowhere.npz"),
    (["--move", "FOUND:9=1"], "no direction 9: there are 0 to 2"),
    (["--move", "FOUND:0=1@coarse"], "leave the layers out"),
    (["--sweep", "size"], "write label, truncation=0.3,0.7,1"),
    (["--sweep", "size=1,2"], "nothing called 'size'; there are truncation, label"),
    (["--sweep", "truncation=a,b"], "write label, truncation=0.3,0.7,1"),
    (["--sweep", "label"], "no classes to go through"),
    (["--sweep", "label", "--interpolate"], "do not go together"),
    (["--kind", "linear"], "--kind is for an interpolation"),
    (["--latents", "nowhere.npz"], "no latents at nowhere.npz"),
    (["--latents", "FOUND"], "does not hold latents"),
    (["--latents", "FOUND", "--sweep", "label"], "of --latents only a direction is swept"),
    (["--latents", "FOUND", "--label", "1"], "only --move may change them"),
]


@pytest.mark.parametrize(("options", "message"), SAMPLE, ids=[" ".join(options) for options, _ in SAMPLE])
def test_sampling_mistakes(
    run: Path, found: Path, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [option.replace("FOUND", str(found)) for option in options]
    assert main(["sample", str(run), *options, "--out", str(tmp_path / "x.png")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


OTHERS = [
    ("mix", [], "nothing to mix"),
    ("mix", ["--rows", "3-1"], "write seeds as 0-3"),
    ("mix", ["--out", "sheet.gif"], "is a picture, end it in .png"),
    ("project", ["nowhere.png"], "there is no image nowhere.png"),
    ("project", ["README.md"], "README.md cannot be read: not an image"),
    ("project", ["src"], "src holds no images"),
    ("project", [], "name at least one image"),
    ("project", ["IMAGE", "--space", "w+"], "has z only"),
    ("project", ["IMAGE", "--steps", "0"], "steps 0"),
    ("project", ["IMAGE", "--tune", "-1"], "--tune must be 0"),
    ("project", ["IMAGE", "--locality", "1"], "give --tune too"),
    ("project", ["IMAGE", "--label", "1"], "was trained without labels"),
    ("directions", ["--num", "99"], "from 1 to 8, the values of a latent, not 99"),
    ("directions", ["--layers", "0-3"], "leave the layers out"),
    ("directions", ["--method", "labels"], "give either --labels FILE.csv or --from-data"),
    ("directions", ["--from-data"], "are for --method labels, not sefa"),
    ("directions", ["--method", "labels", "--labels", "no.csv"], "there is no such file"),
    ("directions", ["--method", "labels", "--labels", "CSV"], "line 3: it needs a whole number as seed"),
    ("directions", ["--samples", "5"], "--samples is for ganspace"),
    ("directions", ["--rows", "0"], "--rows must be at least 1"),
]


@pytest.mark.parametrize(("verb", "options", "message"), OTHERS, ids=[" ".join([verb, *more]) for verb, more, _ in OTHERS])
def test_other_mistakes(
    run: Path, verb: str, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "image.png")
    (tmp_path / "labels.csv").write_text("seed,label\n1,cat\ntwo,dog\n")
    places = {"IMAGE": tmp_path / "image.png", "CSV": tmp_path / "labels.csv"}
    options = [str(places.get(option, option)) for option in options]
    out = [] if "--out" in options else ["--out", str(tmp_path / ("x.png" if verb == "mix" else "x"))]
    assert main([verb, str(run), *options, *out]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_labels_of_a_conditional_run_need_their_class(
    conditional: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("seed,label\n" + "".join(f"{seed},{'ab'[seed % 2]}\n" for seed in range(30)))
    options = ["--method", "labels", "--labels", str(tmp_path / "labels.csv"), "--rows", "1", "--out", str(tmp_path / "x")]
    assert main(["directions", str(conditional), *options]) == 2
    assert "give --label too" in capsys.readouterr().err
    assert main(["directions", str(conditional), *options, "--label", "2"]) == 0


def test_directions_of_another_generator_are_refused(
    run: Path, found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = np.load(found)
    changed = {name: other[name] for name in other.files} | {"vectors": np.zeros((3, 5), np.float32)}
    stream = io.BytesIO()
    np.savez(stream, **changed)
    (tmp_path / "other.npz").write_bytes(stream.getvalue())
    assert main(["sample", str(run), "--move", f"{tmp_path / 'other.npz'}:0=1", "--out", str(tmp_path / "x.png")]) == 2
    assert "holds directions of latents [5], this generator's are [8]" in capsys.readouterr().err
