"""`zerosum vocode` and `zerosum evaluate` of sounds."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import zerosum
from zerosum.apply.vocode import PIECE, Vocoder, whole_frames
from zerosum.cli import main
from zerosum.spectra import log_mel


def told(capfd: pytest.CaptureFixture[str], status: int, *arguments: object) -> str:
    capfd.readouterr()
    assert main([str(argument) for argument in arguments]) == status
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    return " ".join(text.split())


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "hifigan"
    assert main(["train", "hifigan:tiny", f"--out={folder}", "--train.images=16"]) == 0
    return folder


@pytest.fixture(scope="module")
def drummer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "wavegan"
    assert main(["train", "wavegan:tiny", f"--out={folder}", "--train.images=16"]) == 0
    return folder


def noise(samples: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (samples, channels)).astype(np.float32)


def test_the_end_of_training_names_the_verb(vocoder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "zerosum vocode" in told(capfd, 0, "train", "hifigan:tiny", f"--out={vocoder}", "--train.images=16")
    assert {"real.png", "real.wav"} <= {file.name for file in (vocoder / "samples").iterdir()}
    assert not (vocoder / "samples" / "source.png").exists(), "it would show the real ones again"


def test_sounds_and_features_are_vocoded(vocoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    soundfile.write(inputs / "a.wav", noise(2_000), 8_000)
    soundfile.write(inputs / "b.flac", noise(4_410, 2), 44_100)
    soundfile.write(inputs / "c.wav", noise(5), 8_000)
    sampler = zerosum.load(vocoder)
    wave = whole_frames(soundfile.read(inputs / "a.wav", dtype="float32")[0], Vocoder(sampler).mel)[None]
    np.save(inputs / "d.npy", log_mel(wave, Vocoder(sampler).mel)[0].numpy())
    text = told(capfd, 0, "vocode", vocoder, inputs, "--out", tmp_path / "out")
    assert "a.wav 0.25 s" in text
    made = {file.name: soundfile.read(file, dtype="float32") for file in sorted((tmp_path / "out").iterdir())}
    assert {name: (len(sound), rate) for name, (sound, rate) in made.items()} == {
        "a.wav": (2_016, 8_000),
        "b.wav": (800, 8_000),
        "c.wav": (128, 8_000),
        "d.wav": (2_016, 8_000),
    }
    assert np.array_equal(made["a.wav"][0], made["d.wav"][0])
    wanted = sampler.gan.sample({"source": wave[:, None]}, None)[0, 0]  # type: ignore[arg-type]
    assert np.abs(made["a.wav"][0] - wanted.numpy()).max() < 1e-4
    assert "is there already" in told(capfd, 2, "vocode", vocoder, inputs, "--out", tmp_path / "out")
    assert "inputs are kept" in told(capfd, 2, "vocode", vocoder, inputs, "--out", inputs, "--overwrite")
    told(capfd, 0, "vocode", vocoder, inputs, "--out", tmp_path / "out", "--overwrite")


def test_long_sounds_are_made_in_pieces_that_fit(vocoder: Path) -> None:
    made = Vocoder(zerosum.load(vocoder))
    features = torch.randn(1, 16, 2 * PIECE + 100)
    whole = made.gan.vocode(features)[:, 0]
    torch.testing.assert_close(made.vocode(features), whole, rtol=0, atol=1e-5)


def test_bad_files_are_refused_and_the_others_made(vocoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    soundfile.write(inputs / "good.wav", noise(2_000), 8_000)
    (inputs / "bad.flac").write_bytes(b"nothing")
    (inputs / "bad.npy").write_bytes(b"nothing")
    np.save(inputs / "other.npy", np.zeros((80, 5), np.float32))
    np.save(inputs / "whole.npy", np.zeros((16, 5), np.int64))
    np.save(inputs / "nan.npy", np.full((16, 5), np.nan, np.float32))
    text = told(capfd, 2, "vocode", vocoder, inputs, "--out", tmp_path / "out")
    assert "two files would become" in text
    (inputs / "bad.npy").rename(inputs / "worse.npy")
    text = told(capfd, 1, "vocode", vocoder, inputs, "--out", tmp_path / "out")
    assert "bad.flac: not a sound in a known format" in text
    assert "worse.npy: not an array of numbers" in text
    assert "other.npy: features must be real numbers [16, frames], natural logarithms" in text
    assert "not int64 [16, 5]" in text
    assert "nan.npy: features that are not finite" in text
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["good.wav"]
    (tmp_path / "empty").mkdir()
    assert "holds no sounds" in told(capfd, 2, "vocode", vocoder, tmp_path / "empty", "--out", tmp_path / "out")
    assert "there is no sound" in told(capfd, 2, "vocode", vocoder, tmp_path / "x.wav", "--out", tmp_path / "out")


def test_other_runs_make_no_sounds_from_spectra(
    drummer: Path, vocoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = told(capfd, 2, "vocode", drummer, tmp_path, "--out", tmp_path / "out")
    assert "does not make sounds from spectra: train hifigan" in text
    assert "vocode" in told(capfd, 2, "sample", vocoder, "--out", tmp_path / "x.png")


def test_a_run_of_sounds_is_judged(drummer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told(capfd, 0, "evaluate", drummer)
    figures = json.loads((drummer / "metrics.json").read_text())
    assert set(figures) >= {"frechet (log-mel)", "diversity", "frechet (sound classifier)", "class-accuracy"}
    assert figures["class-accuracy"]["num_fake"] == 63
    assert "leave it out" in told(capfd, 2, "evaluate", drummer, "--metrics", "fid")
    assert "holds images, not sounds" in told(capfd, 2, "evaluate", drummer, "--against", "fashion")


def test_a_vocoder_is_judged_beside_griffin_and_lim(vocoder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told(capfd, 0, "evaluate", vocoder)
    figures = json.loads((vocoder / "metrics.json").read_text())
    assert figures["mel-error"]["value"] > figures["mel-error (griffin-lim)"]["value"], "hardly trained"
    assert figures["mel-error"]["split"] == "held out"
    assert figures["mel-error"]["num_real"] == 7
