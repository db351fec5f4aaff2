"""What sounds are judged by: real sounds beside themselves, made worse in known ways."""

import numpy as np
import pytest
import torch

from zerosum.data import open_data
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.sounds import Sounds, confusion, log_mel_features, mel_error, sound_figures, vocoder_figures
from zerosum.recipe import Data
from zerosum.spectra import Mel, griffin_lim, log_mel

RATE, CLASSES = 16_000, 5
MEL = Mel(rate=RATE, size=256, hop=64, bands=32, high=8_000.0)


@pytest.fixture(scope="module")
def drums() -> Sounds:
    batch = open_data(Data(path="drums", kind="audio", samples=4_096, trim=40.0)).batch(np.arange(70))
    return Sounds(batch["wave"].numpy(), batch["label"].argmax(1).numpy())


def take(sounds: Sounds, positions: np.ndarray) -> Sounds:
    assert sounds.labels is not None
    return Sounds(sounds.waves[positions], sounds.labels[positions])


def judged(fake: Sounds, real: Sounds, held_out: Sounds, num_classes: int = CLASSES) -> dict[str, Figure]:
    figures = sound_figures(fake, real, held_out, RATE, num_classes=num_classes, generator="a test")
    return {figure.name: figure for figure in figures}


def test_features_have_a_shape_whatever_the_rate(drums: Sounds) -> None:
    assert log_mel_features(drums.waves, RATE).shape == (70, 128)
    assert log_mel_features(drums.waves[:3, :, :1_024], 8_000).shape == (3, 128)
    stereo = np.repeat(drums.waves, 2, axis=1)
    np.testing.assert_allclose(log_mel_features(stereo, RATE), log_mel_features(drums.waves, RATE), atol=1e-4)


def test_real_sounds_are_near_and_what_is_heard_is_their_class(drums: Sounds) -> None:
    even, odd = (take(drums, np.arange(start, 70, 2)) for start in (0, 1))
    found = judged(even, even, odd)
    assert list(found) == [
        "frechet (log-mel)",
        "kernel distance (log-mel)",
        "diversity",
        "diversity-within",
        "frechet (sound classifier)",
        "class-accuracy",
    ]
    assert found["frechet (log-mel)"].value == pytest.approx(0, abs=0.01)
    assert found["diversity"].value == pytest.approx(1)
    assert found["frechet (sound classifier)"].value == pytest.approx(0, abs=0.01)
    accuracy = found["class-accuracy"]
    assert accuracy.value > 0.9, "on what it was trained on"
    assert accuracy.floor is not None
    assert 0.5 < accuracy.floor <= 1, "chance is 0.37: the share of tablas"
    assert "35 held-out sounds" in accuracy.note


def test_what_is_worse_is_farther(drums: Sounds) -> None:
    noise = np.random.default_rng(0).normal(size=drums.waves.shape).astype(np.float32)
    distances = []
    for level in (0.0, 0.003, 0.1):
        found = judged(Sounds(drums.waves + level * noise), drums, drums, num_classes=0)
        distances.append([found[name].value for name in ("frechet (log-mel)", "kernel distance (log-mel)")])
    assert (np.diff(distances, axis=0) > 0).all()


def test_one_sound_over_and_over_is_not_diverse(drums: Sounds) -> None:
    one = Sounds(np.repeat(drums.waves[:1], 30, axis=0), np.arange(30) % CLASSES)
    found = judged(one, drums, take(drums, np.arange(7)))
    assert found["diversity"].value == pytest.approx(0, abs=1e-3)
    assert found["class-accuracy"].value == pytest.approx(0.2), "one class is right for a fifth"


def test_without_classes(drums: Sounds) -> None:
    found = judged(Sounds(drums.waves), Sounds(drums.waves), Sounds(drums.waves[:0]), 0)
    assert list(found) == ["frechet (log-mel)", "kernel distance (log-mel)", "diversity"]
    with pytest.raises(ValueError, match="at least 24"):
        judged(Sounds(drums.waves[:5]), Sounds(drums.waves), Sounds(drums.waves[:0]), 0)


def test_who_is_heard_as_whom(drums: Sounds) -> None:
    counts = confusion(drums, drums, CLASSES)
    assert counts.sum(1).tolist() == [8, 18, 11, 26, 7]
    assert counts.trace() > 60


def test_a_vocoder_beside_griffin_and_lim(drums: Sounds) -> None:
    sounds = [torch.from_numpy(wave[0]) for wave in drums.waves[:4]]
    asked = iter(sounds)

    def perfect(features: torch.Tensor) -> torch.Tensor:
        sound = next(asked)[None]
        torch.testing.assert_close(features, log_mel(sound, MEL))
        return sound

    found = {figure.name: figure for figure in vocoder_figures(perfect, sounds, MEL, split="held out", generator="x")}
    assert list(found) == ["mel-error", "mel-error (griffin-lim)", "mel-error-fine", "mel-error-fine (griffin-lim)"]
    assert found["mel-error"].value == 0
    assert "better than griffin-lim on 4 of 4" in found["mel-error"].note
    wanted = [float(mel_error(griffin_lim(log_mel(s[None], MEL), MEL), s[None], MEL)) for s in sounds]
    assert found["mel-error (griffin-lim)"].value == pytest.approx(np.mean(wanted), rel=1e-5)


def test_the_mel_error_of_a_sound_twice_as_loud_is_a_logarithm(drums: Sounds) -> None:
    loud = torch.from_numpy(drums.waves[:2, 0]) + 0.3 * torch.randn(2, 4_096)
    assert mel_error(2 * loud, loud, MEL).tolist() == pytest.approx([np.log(2)] * 2, rel=1e-4)
