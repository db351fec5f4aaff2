"""Sounds from log-mel features by a trained vocoder, in pieces of bounded memory."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from zerosum.data.images import UnreadableError
from zerosum.data.sounds import decode, resample
from zerosum.game import HasVocoder
from zerosum.run import write
from zerosum.sampling import Sampler
from zerosum.sounds import encode
from zerosum.spectra import Mel, log_mel

PIECE = 1_024
"""Frames that are made at once."""
OVERLAP = 64
"""Frames on both sides that are seen too."""
FEATURES = ".npy"
"""How the names of files of features end; all others are sounds."""


class Vocoder:
    """A trained generator that makes sounds from log-mel features.

    Args:
        sampler: `zerosum.load` of a run.

    Raises:
        ValueError: it makes something else, or from something else.
    """

    def __init__(self, sampler: Sampler) -> None:
        if not isinstance(sampler.gan, HasVocoder):
            raise ValueError(f"{sampler.name or 'this run'} does not make sounds from spectra: train hifigan")
        self.sampler, self.gan, self.mel = sampler, sampler.gan, sampler.gan.mel

    @torch.inference_mode()
    def vocode(self, features: Tensor) -> Tensor:
        """The sound `[1, F * hop]` of features `[1, bands, F]`."""
        made, total, hop = [], features.shape[2], self.mel.hop
        for start in range(0, total, PIECE):
            first, last = max(0, start - OVERLAP), min(total, start + PIECE + OVERLAP)
            piece = self.gan.vocode(features[:, :, first:last].to(self.sampler.device))[:, 0].cpu()
            made.append(piece[:, (start - first) * hop : (min(total, start + PIECE) - first) * hop])
        return torch.cat(made, 1)

    def file(self, source: Path, target: Path) -> float:
        """Write the sound that a file's features give, 16 bits; the features are in the file, or those of the sound in it.

        Returns:
            Its length in seconds.

        Raises:
            ValueError: the file cannot be read, or does not hold such features.
        """
        features = self._read(source) if source.suffix.lower() == FEATURES else self._heard(source)
        wave = self.vocode(features).numpy()
        write(target, encode(wave, self.mel.rate))
        return float(wave.shape[1] / self.mel.rate)

    def _heard(self, source: Path) -> Tensor:
        try:
            wave, rate = decode(source.read_bytes())
        except UnreadableError as problem:
            raise ValueError(f"{source}: {problem}") from None
        return log_mel(whole_frames(resample(wave.mean(0, keepdims=True), rate, self.mel.rate)[0], self.mel)[None], self.mel)

    def _read(self, source: Path) -> Tensor:
        try:
            features = np.load(source, allow_pickle=False)
        except (ValueError, EOFError) as problem:
            raise ValueError(f"{source}: not an array of numbers: {problem}") from None
        if features.ndim == 3 and len(features) == 1:
            features = features[0]
        bands = self.mel.bands
        if features.ndim != 2 or len(features) != bands or not features.shape[1] or features.dtype.kind != "f":
            raise ValueError(
                f"{source}: features must be real numbers [{bands}, frames], natural logarithms, as this vocoder was trained "
                f"on, not {features.dtype} {list(features.shape)}"
            )
        if not np.isfinite(features).all():
            raise ValueError(f"{source}: features that are not finite")
        return torch.from_numpy(features.astype(np.float32))[None]


def whole_frames(wave: NDArray[np.float32], mel: Mel) -> Tensor:
    """A sound `[T]` with silence at its end, so that it has whole frames and is not shorter than a window."""
    sound = torch.from_numpy(np.ascontiguousarray(wave))
    length = max(len(sound) + -len(sound) % mel.hop, -(-mel.size // mel.hop) * mel.hop)
    return pad(sound, (0, length - len(sound)))
