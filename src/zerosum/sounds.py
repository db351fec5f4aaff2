"""Samples of sounds as files."""

import io

import numpy as np
from numpy.typing import NDArray

Waves = NDArray[np.float32]
PAUSE = 0.1
"""Seconds between sounds that stand in one file."""


def encode(wave: Waves, rate: int) -> bytes:
    """A wave `[C, T]` in [-1, 1] as a WAV file of 16 bits."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, np.clip(wave, -1, 1).T, rate, format="WAV", subtype="PCM_16")
    return stream.getvalue()


def in_a_row(waves: Waves, rate: int) -> Waves:
    """Waves `[N, C, T]` one after the other with pauses, `[C, ...]`."""
    padded = np.pad(waves, ((0, 0), (0, 0), (0, round(PAUSE * rate))))
    return np.concatenate(list(padded), axis=1)
