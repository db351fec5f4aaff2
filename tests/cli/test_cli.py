"""The command line as its user meets it: every verb, and every mistake answered in words."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum
from zerosum import gans
from zerosum.cli import VERBS, main
from zerosum.run import Run

ROOT = Path(__file__).parent.parent.parent


def call(*arguments: object, cwd: Path = ROOT, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zerosum", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, **settings)  # type: ignore[call-overload, no-any-return]


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny conditional run."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    zerosum.train("cgan:tiny", folder)
    return folder


def test_help_is_quick_and_does_not_import_torch() -> None:
    script = "import sys, zerosum.cli; zerosum.cli.main(['--help']); assert 'torch' not in sys.modules"
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        times.append(time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)
    assert min(times) < 0.5


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert main([verb, "--help"]) == 0
    except SystemExit as done:
        assert done.code == 0
    assert verb in capsys.readouterr().out


@pytest.mark.parametrize("family", gans.names())
def test_help_of_every_family_documents_every_field(family: str, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("COLUMNS", "90")
    with pytest.raises(SystemExit):
        main(["train", f"{family}:tiny", "--help"])
    text = capsys.readouterr().out
    for field in ("--gan.", "--data.path", "--train.images", "--average.half-life", "--jobs.keep", "--out"):
        assert field in text
    for line in text.splitlines():
        flag = line.strip(" │").split(" ")[0]
        if re.match("--[a-z]", flag):
            described = text.split(flag, 1)[1].split("--", 1)[0].split("(default", 1)[0]
            assert len([word for word in described.split() if word.isalpha()]) >= 2, f"{flag} is not documented"


def test_ls_names_every_family_and_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in gans.names():
        for recipe in gans.find(name).recipes:
            line = next(line for line in lines if line.split()[:1] == [f"{name}:{recipe}"])
            assert len(line.split()) > 3, f"{name}:{recipe} has no description"


def test_a_gan_of_ones_own_in_one_file(tmp_path: Path) -> None:
    done = call("train", "examples.my_gan:tiny", "--out", tmp_path / "mine")
    assert done.returncode == 0, done.stderr
    assert "--family examples.my_gan" in done.stdout
    sampling = ["sample", tmp_path / "mine", "-n", 4, "--out", tmp_path / "grid.png"]
    refused = call(*sampling)
    assert refused.returncode == 2
    assert "a module of its own: if you trust it, say --family examples.my_gan" in refused.stderr
    assert call(*sampling, "--family", "examples.my_gan").returncode == 0
    assert call("show", tmp_path / "mine").returncode == 0
    assert opened(tmp_path / "grid.png").size == (4 * 10 + 2, 12)


def test_train_says_where_things_are_and_show_shows_them(run: Path, tmp_path: Path) -> None:
    done = call("train", "dcgan:tiny", "--data", "emoji", "--out", tmp_path / "run", "--train.seed", 3)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    assert "images/s" in done.stdout
    shown = call("show", tmp_path / "run")
    assert shown.returncode == 0, shown.stderr
    assert "dcgan on emoji (1,636 examples" in shown.stdout
    assert "train.seed" in shown.stdout


@pytest.mark.parametrize(
    ("options", "check"),
    [
        (["-n", "12", "--out", "a.png", "--columns", "4"], lambda out: opened(out).size == (4 * 18 + 2, 3 * 18 + 2)),
        (["-n", "5", "--out", "a.npz"], lambda out: np.load(out)["samples"].shape == (5, 16, 16, 1)),
        (["-n", "3", "--out", "folder"], lambda out: len(list(out.glob("*.png"))) == 3),
        (["-n", "6", "--out", "a.gif", "--seed", "4"], lambda out: opened(out).n_frames == 6),
        (["-n", "6", "--out", "a.png", "--interpolate", "--label", "3"], lambda out: out.is_file()),
        (["-n", "2", "--out", "new/folder/a.png", "--label", "ankle boot"], lambda out: out.is_file()),
    ],
)
def test_sample(run: Path, tmp_path: Path, options: list[str], check) -> None:  # type: ignore[no-untyped-def]
    place = options.index("--out") + 1
    out = tmp_path / options[place]
    assert main(["sample", str(run), *options[:place], str(out), *options[place + 1 :]]) == 0
    assert check(out)


def test_sample_is_a_function_of_its_seed(run: Path, tmp_path: Path) -> None:
    for name, seed, n in (("a", 0, 4), ("b", 2, 2)):
        main(["sample", str(run), "-n", str(n), "--seed", str(seed), "--label", "1", "--out", str(tmp_path / f"{name}.npz")])
    a, b = (np.load(tmp_path / f"{name}.npz")["samples"].astype(int) for name in "ab")
    assert np.abs(a[2:] - b).max() <= 1


MISTAKES = {
    "unknown verb": (["trian"], "unknown verb 'trian': did you mean 'train'?"),
    "no family": (["train"], "needs a family first, such as dcgan:cpu"),
    "unknown family": (["train", "dcgen"], "unknown family 'dcgen': did you mean 'dcgan'?"),
    "unknown recipe": (["train", "dcgan:cup"], "unknown recipe of dcgan 'cup': did you mean 'cpu'?"),
    "unknown module": (["train", "no.such.module"], "no module 'no.such.module' can be imported"),
    "not a family": (["train", "zerosum.losses"], "zerosum.losses is not a family"),
    "unknown field": (["train", "dcgan:tiny", "--gan.latnet", "3"], "--gan.latent"),
    "a path, not a module": (["train", "examples/my_gan.py:tiny"], "as package.module, not as a path"),
    "bad value": (["train", "dcgan:tiny", "--train.batch", "0"], "not valid: settings: batch must be above 0, not 0"),
    "not a number": (["train", "dcgan:tiny", "--average.half-life", "nan"], "a schedule's numbers must be finite"),
    "negative rate": (["train", "dcgan:tiny", "--optimisers.generator.rate", "-1"], "rate must not be negative, not -1.0"),
    "average of nothing": (["train", "wgan:paper", "--average.start", "10"], "say nothing without average.half_life"),
    "empty path": (["train", "dcgan:tiny", "--data", ""], "data.path is empty"),
    "bad number": (["train", "dcgan:tiny", "--train.batch", "lots"], "lots"),
    "bad choice": (["train", "dcgan:tiny", "--data.fit", "stretch"], "letterbox"),
    "bad schedule": (["train", "dcgan:tiny", "--optimisers.generator.rate", "fast"], "fast"),
    "resolution": (["train", "dcgan:tiny", "--data.resolution", "24"], "a power of two"),
    "missing data": (["train", "dcgan:tiny", "--data", "no/such/folder"], "no/such/folder"),
    "data verb": (["data"], "data check PATH"),
    "not a run": (["sample", "tests"], "is not a run"),
    "show not a run": (["show", "tests"], "is not a run"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered_in_words(mistake: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments, message = MISTAKES[mistake]
    out = ["--out", str(tmp_path / "run")] if arguments[0] == "train" and len(arguments) > 1 else []
    try:
        status = main([*arguments, *out])
    except SystemExit as done:
        status = int(str(done.code))
    text = "".join(capfd.readouterr())
    assert status == 2
    assert message in " ".join(text.split())
    assert "Traceback" not in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "10"], "label 10 is out of range: this generator has classes 0 to 9"),
        (["--label", "anklet boot"], "did you mean 'ankle boot'?"),
        (["--label", "age=x"], "write column=value"),
        (["-n", "0"], "-n and --columns must be at least 1"),
        (["--seed", str(2**64)], "a seed must lie between -2^63 and 2^63 - 1"),
        (["--label", "1=2,1=3"], "a column stands twice"),
        (["--out", "grid.bmp"], "end it in .png, .npz, .gif, .webp or .mp4, or name a folder"),
        (["--interpolate", "-n", "1"], "at least 2 frames"),
    ],
)
def test_sampling_mistakes(run: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), *options]) == 2
    assert message in capsys.readouterr().err


def test_label_for_a_generator_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zerosum.train("dcgan:tiny", tmp_path / "run")
    assert main(["sample", str(tmp_path / "run"), "--label", "1"]) == 2
    assert "was trained without labels; leave the label out" in capsys.readouterr().err


def test_one_class_only_for_a_conditional_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data" / "cats").mkdir(parents=True)
    for i in range(20):
        Image.new("L", (16, 16), i * 10).save(tmp_path / "data" / "cats" / f"{i}.png")
    assert main(["train", "cgan:tiny", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]) == 2
    assert "a conditional family learns to tell classes apart, but all of" in capsys.readouterr().err


def test_conditions_from_columns_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    lines = ["file_name,brightness,left"]
    for i in range(32):
        left = i % 2
        pixels = np.zeros((16, 16), np.uint8)
        pixels[:, 8 * (1 - left) : 8 + 8 * (1 - left)] = i * 8
        Image.fromarray(pixels).save(data / f"{i}.png")
        lines.append(f"{i}.png,{i * 8},{left}")
    (data / "metadata.csv").write_text("\n".join(lines))
    columns = ["--data.labels", "brightness", "left"]
    assert main(["train", "cgan:tiny", "--data", str(data), "--out", str(run), *columns]) == 0
    assert [column.name for column in zerosum.load(run).card.labels.columns] == ["brightness", "left"]
    out = ["--out", str(tmp_path / "a.npz")]
    assert main(["sample", str(run), "-n", "2", "--label", "brightness=100,left=1", *out]) == 0
    capsys.readouterr()
    assert main(["sample", str(run), "-n", "2", *out]) == 2
    assert "give a label, brightness=VALUE,left=VALUE" in capsys.readouterr().err
    classifier = ["wgan_gp:cifar10_classes", "--data.resolution", "16", "--gan.width", "8", "--out", str(tmp_path / "other")]
    assert main(["train", *classifier, "--data", str(data), *columns]) == 2
    assert "conditioned on classes, not on columns (brightness, left)" in capsys.readouterr().err


def test_tensorboard_curves(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["train", "dcgan:tiny", "--out", str(tmp_path / "run"), "--jobs.tensorboard", "True"]) == 0
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert "loss/discriminator/adversarial" in events.Tags()["scalars"]


def test_unlabelled_data_for_a_conditional_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "images.npy", np.zeros((20, 16, 16), np.uint8))
    assert main(["train", "cgan:tiny", "--data", str(tmp_path / "images.npy"), "--out", str(tmp_path / "run")]) == 2
    assert "label" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no user ids")
def test_read_only_output_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        status = main(["train", "dcgan:tiny", "--out", str(locked / "run")])
    finally:
        if was_root:
            os.seteuid(0)
    assert status == 2
    assert f"cannot write the run folder {locked / 'run'}: Permission denied; choose another --out" in capsys.readouterr().err


def test_output_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("train", "dcgan:tiny", "--out", tmp_path / "file" / "run")
    assert done.returncode == 2
    assert "cannot write the run folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupt_saves_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path) -> None:
    import signal

    from zerosum.run import Run

    run = Run(tmp_path / "run")
    command = [sys.executable, "-m", "zerosum", "train", "dcgan:tiny", "--train.images=64000", "--out", str(run.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 60
        while not run.stats() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        text = process.communicate()[0]
    assert process.returncode == 130, text
    assert "the same command goes on from there" in text
    stopped = int(run.checkpoints()[-1].name)
    assert 0 < stopped < 64_000
    shorter = [*command[:-3], f"--train.images={stopped + 64}", *command[-2:]]
    done = subprocess.run(shorter, capture_output=True, text=True)
    assert f"resumed {run.folder} at {stopped:,} images" in done.stderr


def test_without_a_family_one_is_chosen_for_the_data_with_reasons(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    short = ["--train.images", "16", "--train.batch", "16", "--jobs.num-samples", "4", "--jobs.log-every", "16"]
    assert main(["train", "--data", "emoji", *short, "--out", str(tmp_path / "run")]) == 0
    text = capfd.readouterr().out
    recipe = Run(tmp_path / "run").recipe()
    assert f"chose {recipe.family}:cpu, because\n  1,636 images of about 32 pixels" in text
    assert "docs/results.md" in text
    assert recipe.data.path == "emoji"
    assert main(["train", "--data", "nowhere", "--out", str(tmp_path / "other")]) == 2
    assert "'nowhere' does not exist" in capfd.readouterr().err
