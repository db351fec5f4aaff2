"""Spectra beside independent formulations: scipy's transform, the definition of the filters, and the way back."""

import numpy as np
import pytest
import torch
from scipy import signal

from zerosum.data import open_data
from zerosum.recipe import Data
from zerosum.spectra import Mel, griffin_lim, inverse, log_mel, magnitudes, mel_filters, to_hertz, to_mels, transform

SMALL = Mel(rate=16_000, size=256, hop=64, bands=32, high=8_000.0)


def drums(count: int = 8, samples: int = 4_096) -> torch.Tensor:
    """Real sounds `[count, samples]`."""
    return open_data(Data(path="drums", kind="audio", samples=samples)).batch(np.arange(count))["wave"][:, 0]


def test_the_transform_is_scipys() -> None:
    wave = drums(1, 1_024)
    edge = (SMALL.size - SMALL.hop) // 2
    padded = np.pad(wave[0].numpy().astype(np.float64), edge, "reflect")
    window = signal.get_window("hann", SMALL.size)
    frames = [np.fft.rfft(window * padded[start : start + 256]) for start in range(0, len(padded) - 255, 64)]
    found = transform(wave, SMALL)[0].numpy()
    assert found.shape == (129, 1_024 // 64)
    np.testing.assert_allclose(found, np.stack(frames, 1), atol=1e-4)


def test_mels_of_slaneys_scale() -> None:
    hertz = torch.tensor([0.0, 200.0, 1_000.0, 6_400.0])
    assert to_mels(hertz).tolist() == pytest.approx([0, 3, 15, 42])
    assert to_hertz(to_mels(hertz)).tolist() == pytest.approx(hertz.tolist())


def test_every_filter_is_a_triangle_of_unit_area() -> None:
    mel = Mel(size=65_536, bands=20)
    filters = mel_filters(mel).double()
    area = filters.sum(1) * mel.rate / mel.size
    torch.testing.assert_close(area, torch.ones(20, dtype=torch.float64), rtol=1e-3, atol=0)
    for row in filters:
        (inside,) = row.nonzero(as_tuple=True)
        peak = int(row.argmax())
        assert (row[inside[0] : peak + 1].diff() > 0).all()
        assert (row[peak : inside[-1] + 1].diff() < 0).all()
    assert int(filters[-1].nonzero()[-1]) * mel.rate / mel.size == pytest.approx(8_000, abs=1)


def test_a_tone_is_loud_where_it_is() -> None:
    time = torch.arange(8_192) / SMALL.rate
    for hertz in (500.0, 3_000.0):
        features = log_mel((2 * torch.pi * hertz * time).sin()[None], SMALL)[0]
        band = int(mel_filters(SMALL)[:, round(hertz * SMALL.size / SMALL.rate)].argmax())
        assert features[:, 10:-10].mean(1).argmax() == band


def test_features_are_differentiable_even_of_silence() -> None:
    wave = torch.zeros(1, 1_024, requires_grad=True)
    log_mel(wave, SMALL).sum().backward()
    assert wave.grad is not None
    assert wave.grad.isfinite().all()
    assert torch.equal(log_mel(torch.zeros(1, 1_024), SMALL).exp().round(decimals=7), torch.full((1, 32, 16), 1e-5))


def test_the_inverse_of_a_transform_is_its_wave() -> None:
    wave = drums()
    again = inverse(transform(wave, SMALL), SMALL)
    assert again.shape == wave.shape
    torch.testing.assert_close(again, wave, rtol=0, atol=1e-4)


def test_magnitudes_have_the_features_they_came_from() -> None:
    features = log_mel(drums(), SMALL)
    again = (mel_filters(SMALL) @ magnitudes(features, SMALL)).clamp(min=1e-5).log()
    assert (again - features).abs().mean() < 0.05


def test_griffin_and_lim_sound_like_the_features() -> None:
    wave = drums()
    features = log_mel(wave, SMALL)
    one, many = (log_mel(griffin_lim(features, SMALL, rounds), SMALL) for rounds in (1, 60))
    first, last = ((made - features).abs().mean() for made in (one, many))
    assert last < 0.6 * first
    assert torch.equal(griffin_lim(features, SMALL, 3), griffin_lim(features, SMALL, 3))
    assert griffin_lim(features, SMALL, 1).shape == wave.shape


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hop": 0}, "hop"),
        ({"hop": 255}, "even number"),
        ({"high": 20_000.0}, "has none above"),
        ({"low": 9_000.0}, "must rise"),
        ({"bands": 0}, "one band"),
    ],
)
def test_settings_that_do_not_go_together(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mel(**fields)  # type: ignore[arg-type]
