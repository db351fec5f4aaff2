from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

import zerosum
from zerosum.api import build_gan
from zerosum.cli import main
from zerosum.data import open_data
from zerosum.gans import get_recipe, wavegan
from zerosum.noise import FreshNoise
from zerosum.recipe import Data


def gan(**config: object) -> wavegan.WaveGAN:
    torch.manual_seed(0)
    shapes = {"wave": (1, 1_024), "label": (3,)}
    return wavegan.WaveGAN(wavegan.Config(width=2, latent=5, **config), shapes)  # type: ignore[arg-type]


def batch(n: int = 6, channels: int = 1) -> dict[str, Tensor]:
    return {"wave": torch.rand(n, channels, 1_024) * 2 - 1, "label": torch.eye(3)[torch.arange(n) % 3]}


@pytest.mark.parametrize(
    ("samples", "widths"),
    [
        (16_384, [1024, 512, 256, 128, 64, 1]),
        (65_536, [2048, 1024, 512, 256, 128, 64, 1]),
        (32_768, [2048, 1024, 512, 256, 128, 64, 1]),
    ],
)
def test_the_papers_layers(samples: int, widths: list[int]) -> None:
    """Table 3 and 4 of Donahue et al., with one more layer for longer sounds."""
    with torch.device("meta"):
        made = wavegan.WaveGAN(wavegan.Config(), {"wave": (1, samples)})
    up = [layer for layer in made.generator.layers if isinstance(layer, nn.ConvTranspose1d)]
    down = [layer for layer in made.critic.layers if isinstance(layer, nn.Conv1d)]
    assert [layer.out_channels for layer in up] == widths[1:]
    assert [layer.in_channels for layer in up] == widths[:-1]
    assert [layer.out_channels for layer in down] == widths[-2::-1]
    assert {layer.kernel_size for layer in [*up, *down]} == {(25,)}
    assert np.prod([layer.stride[0] for layer in up]) * 16 == samples
    with torch.device("meta"):
        waves = made.generator(torch.zeros(2, 100))
    assert waves.shape == (2, 1, samples)
    assert made.critic(waves).shape == (2, 1)


def test_a_phase_is_shuffled_by_mirroring_what_comes_in() -> None:
    maps, seen = torch.arange(8.0)[None, None], set()
    for seed in range(40):
        torch.manual_seed(seed)
        seen.add(tuple(wavegan.shuffle_phase(maps, 2)[0, 0].tolist()))
    assert seen == {
        (0, 1, 2, 3, 4, 5, 6, 7),
        (1, 0, 1, 2, 3, 4, 5, 6),
        (2, 1, 0, 1, 2, 3, 4, 5),
        (1, 2, 3, 4, 5, 6, 7, 6),
        (2, 3, 4, 5, 6, 7, 6, 5),
    }
    assert wavegan.shuffle_phase(maps, 0) is maps


def test_the_critic_is_strided_convolutions() -> None:
    made, waves = gan(phase_shuffle=0), batch()["wave"]
    maps = waves
    for layer in made.critic.layers:
        assert isinstance(layer, nn.Conv1d)
        maps = conv1d(pad(maps, (12, 12)), layer.weight, layer.bias)[:, :, ::4]
        maps = torch.where(maps > 0, maps, 0.2 * maps)
    scores = maps.flatten(1) @ made.critic.outputs.weight[0]
    torch.testing.assert_close(made.critic(waves)[:, 0], scores)


def test_the_critics_loss_has_a_penalty_of_the_slope() -> None:
    made, waves = gan(phase_shuffle=0, penalty=10.0), batch()
    slope = 3.0

    class Steep(nn.Module):
        def forward(self, sounds: Tensor) -> Tensor:
            return slope * sounds.flatten(1)[:, :1]

    made.critic = Steep()  # type: ignore[assignment]
    loss = made.critic_loss(waves, 0.0)
    assert float(loss.terms["gradient_penalty"]) == pytest.approx(10 * (slope - 1) ** 2, rel=1e-5)


def test_a_class_changes_sound_and_score() -> None:
    made, waves = gan(conditional=True, phase_shuffle=0), batch(3)
    assert made.needs == {"wave", "label"}
    latents, labels = torch.rand(1, 5).expand(3, 5), torch.eye(3)
    sounds = made.synthesise(latents, {"label": labels}, FreshNoise(3))
    assert not torch.equal(sounds[0], sounds[1])
    all_scores = made.critic(waves["wave"])
    scores = made._score(waves["wave"], waves)
    torch.testing.assert_close(scores, all_scores[:, 0] + all_scores[range(3), range(1, 4)])


@pytest.mark.parametrize("samples", [32, 1_000, 16_000])
def test_lengths_that_are_no_power_of_two_are_refused(samples: int) -> None:
    with pytest.raises(ValueError, match=f"data.samples {samples}: WaveGAN makes sounds of 64, 128"):
        wavegan.WaveGAN(wavegan.Config(), {"wave": (1, samples)})


def test_what_it_cannot_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="the data has only image: set data.kind audio"):
        wavegan.WaveGAN(wavegan.Config(), {"image": (1, 32, 32)})
    with pytest.raises(ValueError, match="put each class into a folder of its own"):
        wavegan.WaveGAN(wavegan.Config(conditional=True), {"wave": (1, 1_024)})
    with pytest.raises(ValueError, match="gan.kernel must be odd and at least 5, not 24"):
        wavegan.Config(kernel=24)


def test_stereo() -> None:
    recipe = get_recipe("wavegan:tiny")
    dataset = open_data(replace(recipe.data, channels="stereo"))
    made = build_gan(recipe, dataset.card, torch.device("cpu"))
    assert made.sample({"label": torch.eye(5)}, FreshNoise(5)).shape == (5, 2, 1_024)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "wavegan"
    assert main(["train", "wavegan:tiny", f"--out={folder}", "--train.images=32"]) == 0
    return folder


def test_training_leaves_sounds_to_listen_to(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = {file.name for file in (run / "samples").iterdir()}
    assert {"real.png", "real.wav", "000000000.png", "000000000.wav"} <= names
    _, rate = soundfile.read(run / "samples" / "real.wav")
    assert rate == 8_000
    assert main(["train", "wavegan:tiny", f"--out={run}", "--train.images=32"]) == 0
    assert "zerosum sample" in capfd.readouterr().out


def test_samples_are_written_as_sounds(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    waves = zerosum.load(run).sample(6, seed=3)
    assert (waves.shape, waves.dtype) == ((6, 1, 1_024), np.float32)
    assert main(["sample", str(run), "-n", "6", "--seed", "3", "--out", str(tmp_path / "all")]) == 0
    assert {file.name for file in (tmp_path / "all").iterdir()} == {*(f"{n:06d}.wav" for n in range(6)), "sheet.png"}
    for number, wave in enumerate(waves):
        read, rate = soundfile.read(tmp_path / "all" / f"{number:06d}.wav", dtype="float32")
        assert rate == 8_000
        assert np.abs(read - wave[0].clip(-1, 1)).max() < 1e-4
    assert main(["sample", str(run), "-n", "6", "--columns", "3", "--out", str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 2 * 64 + 3 * 2
    assert len(soundfile.read(tmp_path / "sheet.wav")[0]) == 6 * (1_024 + 800)
    assert main(["sample", str(run), "--label", "kick", "-n", "2", "--out", str(tmp_path / "kicks.npz")]) == 0
    assert np.load(tmp_path / "kicks.npz")["samples"].shape == (2, 1, 1_024)
    capfd.readouterr()
    assert main(["sample", str(run), "--out", str(tmp_path / "x.mp4")]) == 2
    assert "sounds are written as .png and .wav" in " ".join(capfd.readouterr().err.split())


def test_the_rate_is_part_of_what_is_loaded(run: Path) -> None:
    assert zerosum.load(run).card.rate == 8_000
    assert open_data(Data(path="drums", kind="audio", rate=8_000)).card.rate == 8_000
