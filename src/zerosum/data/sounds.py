"""One encoded sound to the samples that networks see."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images import UnreadableError

LONGEST = 1 << 29
"""Samples of one file; anything above is refused as unreadable."""

Wave = NDArray[np.float32]
"""Samples `[C, T]` in [-1, 1]."""


@dataclass(frozen=True)
class Origin:
    """What a file was before it was prepared."""

    rate: int
    channels: int
    samples: int


def decode(raw: bytes | np.ndarray) -> tuple[Wave, int]:
    """The samples of an encoded sound `[C, T]`, and its rate in Hz.

    Raises:
        UnreadableError: it is no sound, damaged, empty, too long, or has samples that are not finite.
    """
    import soundfile

    assert isinstance(raw, bytes)
    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as file:
            if file.frames * file.channels > LONGEST:
                raise UnreadableError(f"longer than {LONGEST:,} samples")
            wave, rate, promised = file.read(dtype="float32", always_2d=True), file.samplerate, file.frames
    except soundfile.LibsndfileError as problem:
        known = problem.code != 1  # "Format not recognised."
        raise UnreadableError(f"damaged: {problem.error_string}" if known else "not a sound in a known format") from None
    if not len(wave):
        raise UnreadableError("no samples")
    if len(wave) < promised:
        raise UnreadableError(f"damaged: {len(wave):,} of {promised:,} samples")
    if not np.isfinite(wave).all():
        raise UnreadableError("samples that are not finite")
    return wave.T, rate


def resample(wave: Wave, rate: int, wanted: int) -> Wave:
    """Samples `[C, T]` at another rate, by a polyphase filter."""
    if rate == wanted:
        return wave
    from scipy.signal import resample_poly  # type: ignore[import-untyped]

    divisor = np.gcd(rate, wanted)
    return np.asarray(resample_poly(wave, wanted // divisor, rate // divisor, axis=1), np.float32)


def trim(wave: Wave, decibels: float) -> Wave:
    """Samples `[C, T]` without what is quieter than the loudest one by more than so many decibels at both ends."""
    loudness = np.abs(wave).max(0)
    (loud,) = np.nonzero(loudness >= loudness.max() * 10 ** (-decibels / 20))
    return wave[:, loud[0] : loud[-1] + 1]


def prepare(raw: bytes | np.ndarray, rate: int, channels: int, trimmed: float) -> tuple[NDArray[np.int16], Origin]:
    """The sound as it is kept: int16 `[C, T]` at the rate, with 1 or 2 channels; and what it was.

    Args:
        trimmed: decibels below the loudest sample at which silence begins, at both ends; 0: nothing is cut off.

    Raises:
        UnreadableError: see `decode`; or it is silent from end to end.
    """
    wave, its_rate = decode(raw)
    origin = Origin(its_rate, *wave.shape)
    wave = wave.mean(0, keepdims=True) if channels == 1 else np.repeat(wave[:2], 2 if len(wave) == 1 else 1, axis=0)
    if not wave.any():
        raise UnreadableError("silent from end to end")
    wave = resample(wave, its_rate, rate)
    wave = trim(wave, trimmed) if trimmed else wave
    return np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16), origin
