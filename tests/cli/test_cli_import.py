"""`zerosum import` as its user meets it: the authors' images from their checkpoints, and words for every mistake."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.export.authors import golden, nvidia_pickle, r3gan_pickle, state_dicts, weights
from torch import Tensor, nn

import zerosum
from zerosum.api import build_gan
from zerosum.cli import main
from zerosum.game import GAN
from zerosum.noise import FreshNoise, SilentNoise
from zerosum.run import Run

CPU = torch.device("cpu")


def imported(out: Path, file: Path, *options: str) -> Path:
    assert main(["import", str(file), "--out", str(out), *options]) == 0
    return out


def refused(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What is said of a user's mistake."""
    capfd.readouterr()
    try:
        status = main(["import", *map(str, arguments)])
    except SystemExit as done:
        status = int(str(done.code))
    text = "".join(capfd.readouterr())
    assert status == 2
    assert "Traceback" not in text
    return " ".join(text.split())


def close(value: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def whole(folder: Path) -> GAN:
    """The networks of the run's state, as a training would take them up."""
    run = Run(folder)
    gan = build_gan(run.recipe(), run.card(), CPU)
    saved = run.newest_state(CPU)
    assert saved is not None
    gan.load_state_dict(saved["gan"])
    return gan.eval()


def note(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "imported.json").read_text())
    return found


def check_stylegan2(folder: Path) -> None:
    theirs = golden("stylegan2")
    sampler = zerosum.load(folder)
    generator: Any = sampler.gan.generator
    styles = generator.styles(theirs["io.z"], theirs["io.c_onehot"])
    close(styles, theirs["io.ws"])
    close(generator.synthesis(styles, "constant"), theirs["io.img_const"])
    close(sampler.gan.truncate(styles, 0.7), theirs["io.ws_psi07"])  # type: ignore[operator]
    close(whole(folder).discriminator(theirs["io.real"], theirs["io.c_onehot"])[:, None], theirs["io.d_real"])  # type: ignore[operator]


def check_biggan(folder: Path) -> None:
    theirs = golden("biggan")
    sampler, label = zerosum.load(folder), torch.eye(4)[theirs["io.y"]]
    images = sampler.gan.synthesise(theirs["io.z"].unflatten(1, (4, 10)), {"label": label}, FreshNoise(8))  # type: ignore[operator]
    close(images, theirs["io.img_eval"])
    close(whole(folder).discriminator(theirs["io.real"], label)[:, None], theirs["io.d_real_eval"])  # type: ignore[operator]


def check_r3gan(folder: Path) -> None:
    theirs = golden("r3gan")
    generator: Any = zerosum.load(folder).gan.generator
    close(generator(theirs["io.z"], theirs["io.y_onehot"]), theirs["io.fake"])
    close(whole(folder).discriminator(theirs["io.real"], theirs["io.y_onehot"]), theirs["io.d_real"])  # type: ignore[operator]


def check_dcgan(folder: Path) -> None:
    theirs = golden("dcgan")
    generator: Any = zerosum.load(folder).gan.generator
    close(generator(theirs["io.z"].flatten(1)), theirs["io.img_eval"])
    close(whole(folder).discriminator(theirs["io.real"]).sigmoid(), theirs["io.p_real"])  # type: ignore[operator]


CHECKS = {"stylegan2": check_stylegan2, "biggan": check_biggan, "r3gan": check_r3gan, "dcgan": check_dcgan}
FORMATS = {"stylegan2": "nvidia", "biggan": "biggan-pytorch", "r3gan": "r3gan", "dcgan": "dcgan-example"}


@pytest.mark.parametrize("family", CHECKS)
def test_state_dicts_give_the_authors_images_and_scores(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator, discriminator = state_dicts(family, tmp_path)
    folder = imported(tmp_path / "run", generator, "--discriminator", str(discriminator))
    CHECKS[family](folder)
    assert f"as {family}" in capsys.readouterr().out
    found = note(folder)
    assert found["format"] == FORMATS[family]
    assert found["discriminator"] == "imported"
    assert found["file"] == "G.pth"
    assert found["discriminator_file"] == "D.pth"


def test_a_pickle_of_nvidia_gives_the_authors_images(tmp_path: Path) -> None:
    for protocol in (3, 4):
        folder = imported(tmp_path / f"run{protocol}", nvidia_pickle(tmp_path / "snapshot.pkl", protocol=protocol))
        check_stylegan2(folder)
        config: Any = zerosum.load(folder).gan.config
        assert config.clamp is None
        assert config.minibatch_group == 4
        assert note(folder)["remarks"] == []


def test_settings_that_no_weight_shows_are_read_off_the_pickled_layers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = imported(tmp_path / "clamped", nvidia_pickle(tmp_path / "a.pkl", clamp=256.0, bias_gain=0.02, group_size=2))
    config: Any = zerosum.load(folder).gan.config
    assert (config.clamp, config.mapping_rate, config.minibatch_group) == (256.0, 0.02, 4)
    text = refused(capfd, nvidia_pickle(tmp_path / "b.pkl", activation="relu"), "--out", tmp_path / "b")
    assert "activations relu" in text
    text = refused(capfd, nvidia_pickle(tmp_path / "c.pkl", use_noise=False), "--out", tmp_path / "c")
    assert "add no noise" in text
    assert not (tmp_path / "c").exists()


def test_a_pickle_of_r3gan_gives_the_authors_images(tmp_path: Path) -> None:
    check_r3gan(imported(tmp_path / "run", r3gan_pickle(tmp_path / "snapshot.pkl")))


def test_the_averaged_generator_is_sampled_and_the_trained_one_goes_on(tmp_path: Path) -> None:
    tensors = weights("dcgan", "G")
    trained = {name: value * 2 if value.is_floating_point() else value for name, value in tensors.items()}
    torch.save({"G": trained, "G_ema": tensors, "D": weights("dcgan", "D"), "other": trained}, tmp_path / "all.pt")
    folder = imported(tmp_path / "run", tmp_path / "all.pt")
    check_dcgan(folder)
    assert torch.equal(whole(folder).generator.layers[0].weight, trained["main.0.weight"])  # type: ignore[index,union-attr]
    assert "other" in note(folder)["ignored"]


def test_weights_of_several_processes_and_safetensors(tmp_path: Path) -> None:
    generator, discriminator = state_dicts("dcgan", tmp_path, prefix="module.")
    check_dcgan(imported(tmp_path / "run", generator, "--discriminator", str(discriminator)))
    save_file(weights("dcgan", "G"), tmp_path / "G.safetensors")
    check = golden("dcgan")
    generator_: Any = zerosum.load(imported(tmp_path / "again", tmp_path / "G.safetensors")).gan.generator
    close(generator_(check["io.z"].flatten(1)), check["io.img_eval"])


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    halves = {name: value.half() if value.is_floating_point() else value for name, value in weights("dcgan", "G").items()}
    torch.save(halves, tmp_path / "half.pth")
    gan = zerosum.load(imported(tmp_path / "run", tmp_path / "half.pth")).gan
    assert {value.dtype for value in gan.parameters()} == {torch.float32}
    torch.testing.assert_close(gan.generator.layers[0].weight, halves["main.0.weight"].float())  # type: ignore[index,union-attr]


def rrdb_file(path: Path, fold: int = 1, **networks: float) -> Path:
    """The authors' generator as BasicSR saves it: networks with its weights times a number; a new first layer for a fold."""
    tensors = weights("esrgan", "G")
    if fold > 1:
        tensors["conv_first.weight"] = torch.full((8, 3 * fold**2, 3, 3), 0.01)
    torch.save({name: {key: value * factor for key, value in tensors.items()} for name, factor in networks.items()}, path)
    return path


def test_real_esrgans_generator_gives_the_authors_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = golden("esrgan")
    folder = imported(tmp_path / "run", rrdb_file(tmp_path / "x4.pth", params_ema=1.0, params=2.0))
    assert "zerosum upscale" in capsys.readouterr().out
    assert note(folder)["format"] == "realesrgan"
    generator: Any = zerosum.load(folder).gan.generator
    close(generator(theirs["io.x"]), theirs["io.y"])
    assert torch.equal(whole(folder).generator.conv_body.bias, 2 * weights("esrgan", "G")["conv_body.bias"])  # type: ignore[union-attr]
    alone = imported(tmp_path / "alone", rrdb_file(tmp_path / "alone.pth", params=1.0))
    close(zerosum.load(alone).gan.generator(theirs["io.x"]), theirs["io.y"])  # type: ignore[operator]
    Image.fromarray(np.zeros((9, 12, 3), np.uint8)).save(tmp_path / "in.png")
    assert main(["upscale", str(folder), str(tmp_path / "in.png"), "--out", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out" / "in.png") as image:
        assert image.size == (48, 36)


@pytest.mark.parametrize(("fold", "scale"), [(2, 2), (4, 1)])
def test_the_scale_is_read_off_the_first_layer(fold: int, scale: int, tmp_path: Path) -> None:
    folder = imported(tmp_path / "run", rrdb_file(tmp_path / "net.pth", fold, params=1.0))
    gan: Any = zerosum.load(folder).gan
    assert (gan.scale, gan.multiple, gan.config.width, gan.config.growth, gan.config.blocks) == (scale, fold, 8, 4, 2)
    assert Run(folder).recipe().train.start is None


def test_what_is_no_rrdbnet_is_refused_in_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = rrdb_file(tmp_path / "odd.pth", 3, params=1.0)
    assert "no RRDBNet of scale 1, 2 or 4" in refused(capfd, file, "--out", tmp_path / "x")
    file = rrdb_file(tmp_path / "x4.pth", params=1.0)
    text = refused(capfd, file, "--discriminator", rrdb_file(tmp_path / "d.pth", discriminator=1.0), "--out", tmp_path / "x")
    assert "leave --discriminator out" in text
    compact = {f"body.{number}.weight": torch.zeros(4, 4, 3, 3) for number in range(4)}
    torch.save({"params": compact}, tmp_path / "compact.pth")
    assert "of no known generator" in refused(capfd, tmp_path / "compact.pth", "--out", tmp_path / "x")


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save(tensors, path)
    return path


def made_of(folder: Path, source: Tensor, back: bool = False) -> Tensor:
    gan: Any = zerosum.load(folder).gan
    return (gan.reverse if back else gan.sample)({"source": source}, SilentNoise(len(source)))  # type: ignore[no-any-return]


def test_the_authors_unet_gives_their_pictures_and_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = golden("pix2pix")
    generator, discriminator = (saved(tmp_path / f"net_{player}.pth", weights("pix2pix", player)) for player in "GD")
    folder = imported(tmp_path / "run", generator, "--discriminator", str(discriminator))
    assert "zerosum translate" in capsys.readouterr().out
    assert note(folder)["format"] == "cyclegan-pix2pix"
    close(made_of(folder, theirs["io.x"]), theirs["io.g"])
    close(whole(folder).discriminator(torch.cat([theirs["io.x"], theirs["io.g"]], 1)), theirs["io.d"])  # type: ignore[operator]
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "in.png")
    assert main(["translate", str(folder), str(tmp_path / "in.png"), "--out", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out" / "in.png") as image:
        assert image.size == (50, 40)


@pytest.mark.parametrize("early", [False, True])
def test_a_cyclegans_generator_alone_goes_one_way(early: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Early versions saved statistics of instance norms, which nothing used."""
    theirs, tensors = golden("cyclegan"), weights("cyclegan", "G")
    extra = {"model.2.running_mean": torch.ones(4), "model.2.num_batches_tracked": torch.tensor(3)} if early else {}
    folder = imported(tmp_path / "run", saved(tmp_path / "horse2zebra.pth", tensors | extra))
    close(made_of(folder, theirs["io.x"]), theirs["io.g"])
    assert zerosum.load(folder).gan.makes == "target"
    assert main(["translate", str(folder), "x.png", "--out", str(tmp_path / "out"), "--reverse"]) == 2
    assert "goes one way" in capfd.readouterr().err


def test_both_generators_of_a_cyclegan_go_both_ways(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    theirs, tensors = golden("cyclegan"), weights("cyclegan", "G")
    there, back = saved(tmp_path / "G_A.pth", tensors), saved(tmp_path / "G_B.pth", {k: -v for k, v in tensors.items()})
    folder = imported(tmp_path / "run", there, "--back", str(back))
    close(made_of(folder, theirs["io.x"]), theirs["io.g"])
    assert not torch.allclose(made_of(folder, theirs["io.x"], back=True), theirs["io.g"], atol=0.01)
    assert {"back_file", "back_sha256"} <= note(folder).keys()
    close(made_of(imported(tmp_path / "turned", back, "--back", str(there)), theirs["io.x"], back=True), theirs["io.g"])
    out = ("--out", tmp_path / "x")
    judge = saved(tmp_path / "D.pth", weights("cyclegan", "D"))
    assert "leave --discriminator out" in refused(capfd, there, "--back", back, "--discriminator", judge, *out)
    wide = saved(tmp_path / "wide.pth", tensors | {"model.1.weight": torch.zeros(5, 3, 7, 7)})
    assert "do not fit together" in refused(capfd, there, "--back", wide, *out)
    assert "--back is for CycleGAN" in refused(capfd, state_dicts("dcgan", tmp_path)[0], "--back", back, *out)


def test_what_their_generators_have_and_ours_have_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tensors, out = weights("pix2pix", "G"), ("--out", tmp_path / "x")
    no_norm = {name: value for name, value in tensors.items() if ".model.2." not in name}
    assert "no batch norm" in refused(capfd, saved(tmp_path / "a.pth", no_norm), *out)
    lab = tensors | {"model.model.3.weight": torch.zeros(8, 2, 4, 4), "model.model.3.bias": torch.zeros(2)}
    assert "gives 2 channels" in refused(capfd, saved(tmp_path / "b.pth", lab), *out)
    more = tensors | {"model.model.1.model.9.weight": torch.zeros(3)}
    assert "unlike ours" in refused(capfd, saved(tmp_path / "c.pth", more), *out)
    grey = tensors | {"model.model.0.weight": tensors["model.model.0.weight"][:, :1]}
    folder = imported(tmp_path / "grey", saved(tmp_path / "d.pth", grey))
    assert Run(folder).card().shapes == {"source": (1, 32, 32), "target": (3, 32, 32)}
    assert not (tmp_path / "x").exists()


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """64 images of four classes."""
    chance = np.random.default_rng(0)
    for name in ("bird", "cat", "dog", "fish"):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for number in range(16):
            pixels = chance.integers(0, 255, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "animals" / name / f"{number}.png")
    return tmp_path / "animals"


def test_the_verbs_work_on_an_imported_run(tmp_path: Path, animals: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = imported(tmp_path / "run", state_dicts("biggan", tmp_path)[0], "--labels", "bird,cat,dog,fish")
    assert "new one" in capfd.readouterr().out
    assert note(folder)["discriminator"].startswith("new")
    assert main(["sample", str(folder), "-n", "3", "--label", "cat", "--out", str(tmp_path / "x.npz")]) == 0
    assert np.load(tmp_path / "x.npz")["samples"].shape == (3, 32, 32, 3)
    assert main(["show", str(folder)]) == 0
    text = capfd.readouterr().out
    assert "4 classes" in text
    assert "0 of" in text
    metrics = ["--metrics", "kid", "-n", "24", "--against", str(animals), "--out", str(tmp_path / "metrics.json")]
    assert main(["evaluate", str(folder), *metrics]) == 0
    assert main(["evaluate", str(folder), "--metrics", "kid", "-n", "24"]) == 2
    assert "does not exist" in capfd.readouterr().err
    assert main(["train", "biggan:cifar10", "--data", "fashion", "--out", str(folder)]) == 2
    assert "other settings" in capfd.readouterr().err


def test_data_may_be_named(tmp_path: Path, animals: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = state_dicts("biggan", tmp_path)[0]
    folder = imported(tmp_path / "run", file, "--data", str(animals))
    assert Run(folder).card().labels.classes == ("bird", "cat", "dog", "fish")
    assert Run(folder).card().num_examples == 64
    assert main(["evaluate", str(folder), "--metrics", "kid", "-n", "24"]) == 0
    assert "classes, its generator 4" in refused(capfd, file, "--out", tmp_path / "x", "--data", "fashion")
    assert "of --data" in refused(capfd, file, "--out", tmp_path / "x", "--data", animals, "--labels", "a,b,c,d")
    assert "does not exist" in refused(capfd, file, "--out", tmp_path / "x", "--data", tmp_path / "none")
    assert "gives images of shape None" in refused(capfd, file, "--out", tmp_path / "x", "--data", "ring")


def test_names_of_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = state_dicts("r3gan", tmp_path)[0]
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\nfour\n")
    folder = imported(tmp_path / "run", file, "--labels", str(tmp_path / "names.txt"))
    assert zerosum.load(folder).card.labels.classes == ("one", "two", "three", "four")
    assert zerosum.load(imported(tmp_path / "plain", file)).card.labels.classes == ("0", "1", "2", "3")
    assert "3 names for the 4 classes" in refused(capfd, file, "--out", tmp_path / "x", "--labels", "a,b,c")
    assert "'a' stands twice" in refused(capfd, file, "--out", tmp_path / "x", "--labels", "a,b,c,a")
    plain = shutil.copy(state_dicts("dcgan", tmp_path)[0], tmp_path / "plain.pth")
    assert "has no classes" in refused(capfd, plain, "--out", tmp_path / "x", "--labels", "a")
    assert not (tmp_path / "x").exists()


def test_files_that_are_no_checkpoints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = ("--out", tmp_path / "x")
    assert "does not exist" in refused(capfd, tmp_path / "none.pth", *out)
    assert "is a folder" in refused(capfd, tmp_path, *out)
    (tmp_path / "text.pth").write_text("hello")
    assert "neither a pickle nor an archive" in refused(capfd, tmp_path / "text.pth", *out)
    whole_file = state_dicts("dcgan", tmp_path)[0].read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole_file[: len(whole_file) // 2])
    assert "not a whole archive" in refused(capfd, tmp_path / "cut.pth", *out)
    (tmp_path / "cut.pkl").write_bytes(nvidia_pickle(tmp_path / "whole.pkl").read_bytes()[:-100])
    assert "not a whole pickle" in refused(capfd, tmp_path / "cut.pkl", *out)
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert "not a whole safetensors" in refused(capfd, tmp_path / "cut.safetensors", *out)
    (tmp_path / "number.pkl").write_bytes(pickle.dumps({"epoch": 3}))
    assert "no network at all" in refused(capfd, tmp_path / "number.pkl", *out)
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    text = refused(capfd, tmp_path / "linear.pth", *out)
    assert "bias, weight" in text
    assert all(name in text for name in FORMATS.values())
    torch.save({"D": weights("dcgan", "D")}, tmp_path / "only.pth")
    assert "no generator in it: it has D" in refused(capfd, tmp_path / "only.pth", *out)
    assert "--discriminator" in refused(capfd, state_dicts("dcgan", tmp_path)[1], *out)
    assert not (tmp_path / "x").exists()


def test_a_hostile_file_is_named_and_does_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "hacked"
    (tmp_path / "evil.pkl").write_bytes(
        b"\x80\x02cposix\nsystem\nX" + len(f"touch {mine}").to_bytes(4, "little") + f"touch {mine}".encode() + b"\x85R."
    )
    text = refused(capfd, tmp_path / "evil.pkl", "--out", tmp_path / "x")
    assert "evil.pkl cannot be imported: it asks for posix.system, which is not data" in text
    assert not mine.exists()
    assert not (tmp_path / "x").exists()


def test_options_that_do_not_fit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = state_dicts("dcgan", tmp_path)[0]
    assert "Missing" in refused(capfd, file)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert "is not empty" in refused(capfd, file, "--out", tmp_path / "full")
    assert "is a file" in refused(capfd, file, "--out", tmp_path / "full" / "x")
    assert "unknown format 'keras'" in refused(capfd, file, "--out", tmp_path / "x", "--format", "keras")
    for name in ("nvidia", "biggan-pytorch", "r3gan", "studiogan"):
        text = refused(capfd, file, "--out", tmp_path / "x", "--format", name)
        assert "cannot be imported" in text
    assert not (tmp_path / "x").exists()


def changed(tensors: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    merged = {**tensors, **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: value for name, value in merged.items() if value is not None}


def test_networks_that_are_built_differently(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def said(tensors: dict[str, Tensor]) -> str:
        torch.save(tensors, tmp_path / "x.pth")
        return refused(capfd, tmp_path / "x.pth", "--out", tmp_path / "out")

    dcgan, biggan, style, r3gan = (weights(name, "G") for name in ("dcgan", "biggan", "stylegan2", "r3gan"))
    assert "has, unlike ours, 1 tensors, such as generator.layers.0.bias" in said(changed(dcgan, main__0__bias=torch.zeros(32)))
    assert "lacks 1 tensors" in said(changed(dcgan, main__4__bias=None))
    assert "generator.layers.6.weight has shape" in said(changed(dcgan, main__6__weight=torch.zeros(16, 8, 3, 3)))
    assert "NaN or infinite" in said(changed(dcgan, main__6__weight=dcgan["main.6.weight"] * float("nan")))
    assert "no spectral norm" in said(changed(biggan, linear__u0=None))
    assert "BigGAN-deep" in said(changed(biggan, blocks__0__0__conv4__weight=torch.zeros(1)))
    assert "its norms take 27 values" in said(changed(biggan, blocks__0__0__bn1__gain__weight=torch.zeros(32, 27)))
    assert "StyleGAN3" in said(changed(style, synthesis__b4__const=None, synthesis__input__freqs=torch.zeros(2)))
    assert "its channels by resolution" in said(changed(style, synthesis__b16__conv1__weight=torch.zeros(30, 32, 3, 3)))
    assert "no place for" in said(changed(r3gan, Extra__weight=torch.zeros(2)))
    both = {**dcgan, **style}
    assert "no known generator" in said({name: value for name, value in both.items() if "fc0" not in name})
    assert not (tmp_path / "out").exists()


def test_a_file_that_could_be_two_things(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save({**weights("biggan", "G"), **weights("stylegan2", "G")}, tmp_path / "x.pth")
    assert "could be of nvidia or biggan-pytorch: say which with --format" in refused(
        capfd, tmp_path / "x.pth", "--out", tmp_path / "o"
    )
