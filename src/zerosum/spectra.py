"""Spectra of sounds: log-mel features, and the way back from them without a network (Griffin-Lim).

The features are those that HiFi-GAN and most vocoders take: magnitudes of a short-time Fourier transform, on the mel scale of
Slaney's Auditory Toolbox, every filter of unit area, in natural logarithms.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import fold, pad

LEAST = 1e-5
"""Magnitudes are at least this before their logarithm."""
KNEE, STEP = 1000.0, 200 / 3
"""Slaney's scale: up to 1 kHz a mel is 200/3 Hz, above it grows by 6.4 in 27 mels."""
GROWTH = math.log(6.4) / 27


@dataclass(frozen=True)
class Mel:
    """What log-mel features are made with; the defaults are HiFi-GAN's.

    Raises:
        ValueError: sizes that do not go together, or frequencies that the rate cannot have.
    """

    rate: int = 22_050
    """Samples in a second."""
    size: int = 1024
    """Samples in a window, a Hann window."""
    hop: int = 256
    """Samples from one frame to the next."""
    bands: int = 80
    """Mel filters."""
    low: float = 0.0
    """Hz at which the first filter begins."""
    high: float = 8_000.0
    """Hz at which the last filter ends."""

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.size or (self.size - self.hop) % 2:
            raise ValueError(f"a hop must be from 1 to the window's {self.size} and differ by an even number, not {self.hop}")
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError(
                f"frequencies from {self.low:g} to {self.high:g} Hz: they must rise, and a rate of {self.rate} has none above "
                f"{self.rate / 2:g}"
            )
        if self.bands < 1:
            raise ValueError(f"there must be at least one band, not {self.bands}")


def to_mels(hertz: Tensor) -> Tensor:
    """Frequencies on Slaney's mel scale."""
    return torch.where(hertz < KNEE, hertz / STEP, KNEE / STEP + (hertz.clamp(min=KNEE) / KNEE).log() / GROWTH)


def to_hertz(mels: Tensor) -> Tensor:
    """The inverse of `to_mels`."""
    knee = KNEE / STEP
    return torch.where(mels < knee, mels * STEP, KNEE * ((mels - knee) * GROWTH).exp())


@lru_cache(maxsize=16)
def mel_filters(mel: Mel) -> Tensor:
    """Triangles of unit area between neighbouring points of the mel scale, float32 `[bands, size / 2 + 1]`."""
    with torch.inference_mode(False):  # for it is kept, and may be needed where gradients are taken
        return _mel_filters(mel)


def _mel_filters(mel: Mel) -> Tensor:
    ends = to_mels(torch.tensor([mel.low, mel.high], dtype=torch.float64))
    points = to_hertz(torch.linspace(float(ends[0]), float(ends[1]), mel.bands + 2, dtype=torch.float64))
    bins = torch.linspace(0, mel.rate / 2, mel.size // 2 + 1, dtype=torch.float64)
    left, middle, right = points[:-2, None], points[1:-1, None], points[2:, None]
    triangles = torch.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)).clamp(min=0)
    return (triangles * 2 / (right - left)).float()


def transform(wave: Tensor, mel: Mel) -> Tensor:
    """Short-time Fourier transform of waves `[N, T]`, complex `[N, size / 2 + 1, T // hop]`, the ends mirrored."""
    edge = (mel.size - mel.hop) // 2
    padded = pad(wave[:, None], (edge, edge), "reflect")[:, 0]
    window = torch.hann_window(mel.size, device=wave.device)
    return torch.stft(padded, mel.size, mel.hop, window=window, center=False, return_complex=True)


def inverse(spectrum: Tensor, mel: Mel) -> Tensor:
    """The waves `[N, T]` whose transforms are nearest to these `[N, size / 2 + 1, F]` (Griffin & Lim 1984, eq. 6)."""
    window = torch.hann_window(mel.size, device=spectrum.device)
    frames = torch.fft.irfft(spectrum, mel.size, dim=1) * window[:, None]
    length = (spectrum.shape[2] - 1) * mel.hop + mel.size
    weights = (window.square()[:, None]).expand(mel.size, spectrum.shape[2])[None]

    def added(parts: Tensor) -> Tensor:
        return fold(parts, (1, length), (1, mel.size), stride=(1, mel.hop))[:, 0, 0]

    edge = (mel.size - mel.hop) // 2
    return (added(frames) / added(weights).clamp(min=1e-8))[:, edge : length - edge]


def log_mel(wave: Tensor, mel: Mel) -> Tensor:
    """Log-mel features of waves `[N, T]` in [-1, 1], `[N, bands, T // hop]`; differentiable."""
    with torch.autocast(wave.device.type, enabled=False):
        spectrum = transform(wave.float(), mel)
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()
        return (mel_filters(mel).to(wave.device) @ magnitude).clamp(min=LEAST).log()


def griffin_lim(features: Tensor, mel: Mel, rounds: int = 60, momentum: float = 0.99) -> Tensor:
    """Waves `[N, T]` from log-mel features `[N, bands, F]` without a network, T = F hop.

    Magnitudes are the non-negative least squares solution by multiplicative updates (Lee & Seung 2001), phases are found by
    the accelerated algorithm of Griffin and Lim (Perraudin et al. 2013), from random ones that are always the same.
    """
    magnitude = magnitudes(features, mel)
    stream = torch.Generator().manual_seed(0)
    phase = torch.polar(torch.ones_like(magnitude), torch.rand(magnitude.shape, generator=stream).to(magnitude) * 2 * math.pi)
    before = torch.zeros_like(phase)
    for _ in range(rounds):
        rebuilt = transform(inverse(magnitude * phase, mel), mel)
        moved = rebuilt + momentum * (rebuilt - before)
        phase, before = moved / moved.abs().clamp(min=1e-12), rebuilt
    return inverse(magnitude * phase, mel)


def magnitudes(features: Tensor, mel: Mel, rounds: int = 100) -> Tensor:
    """Magnitudes `[N, size / 2 + 1, F]` whose mel features are nearest to these `[N, bands, F]`."""
    filters, wanted = mel_filters(mel).to(features.device), features.exp()
    found: Tensor = (torch.linalg.pinv(filters) @ wanted).clamp(min=1e-6)
    for _ in range(rounds):
        found = found * (filters.t() @ wanted) / (filters.t() @ (filters @ found)).clamp(min=1e-12)
    return found
