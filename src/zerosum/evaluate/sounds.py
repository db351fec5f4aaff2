"""Generated sounds beside real ones: log-mel features, a small classifier of spectrograms, and what a vocoder loses."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from zerosum.evaluate.arrays import Labels
from zerosum.evaluate.classifier import Classifier, Labelled, train_classifier
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import bootstrap_interval, share_interval
from zerosum.evaluate.runner import Examples, evaluate_features
from zerosum.pictures import spectrograms
from zerosum.spectra import Mel, griffin_lim, log_mel

Waves = NDArray[np.float32]
"""`[N, C, T]` in [-1, 1]."""

BANDS, FRAMES = 16, 8
"""Of the log-mel features: mel bands, and the parts of a sound over which these are averaged."""
BATCH = 64


@dataclass(frozen=True, eq=False)
class Sounds:
    """Sounds, and their classes if they have any."""

    waves: Waves
    labels: Labels | None = None
    """Class numbers `[N]`."""

    def labelled(self) -> Labelled:
        """Their spectrograms, with their classes."""
        assert self.labels is not None
        pictures = np.concatenate([spectrograms(part) for part in np.array_split(self.waves, -(-len(self.waves) // BATCH))])
        return Labelled(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), self.labels)


def log_mel_features(waves: Waves, rate: int) -> NDArray[np.float32]:
    """Log-mel features of waves of a rate in Hz, `[N, 128]`: 16 bands up to half the rate, means over 8 parts of the time."""
    found = []
    for part in np.array_split(waves, -(-len(waves) // BATCH)):
        features = log_mel(torch.from_numpy(part).mean(1), features_of(rate))
        found.append(adaptive_avg_pool1d(features, FRAMES).flatten(1).numpy())
    return np.concatenate(found)


def features_of(rate: int) -> Mel:
    """The spectra that log-mel features are made of: windows of 32 ms, a quarter of which they move."""
    hop = max(2, rate // 125 // 2 * 2)
    return Mel(rate=rate, size=4 * hop, hop=hop, bands=BANDS, high=rate / 2)


def sound_figures(
    fake: Sounds,
    real: Sounds,
    held_out: Sounds,
    rate: int,
    *,
    num_classes: int = 0,
    split: str = "train",
    generator: str = "",
    seed: int = 0,
) -> list[Figure]:
    """Frechet distance, kernel distance and diversity on log-mel features; with classes also on those of a classifier of
    spectrograms that is trained on the real sounds, and how often it hears the class that was asked for.

    Args:
        fake: generated; its labels are the classes asked for.
        real: what the generator was trained on.
        held_out: other real sounds, by which the classifier itself is judged.
        rate: of all of them, in Hz.
        num_classes: 0: there are none, or the generator is not conditioned on them.
        split: of the real sounds.

    Raises:
        ValueError: fewer than 24 sounds on a side, or NaN.
    """
    mel, told = features_of(rate), (split, generator, seed)
    metrics = ["fid", "kid", "diversity", *(["diversity-within"] if num_classes else [])]
    known, made = (Examples(log_mel_features(side.waves, rate), side.labels) for side in (real, fake))
    resize = f"{BANDS} bands, {FRAMES} parts of the time"
    found = _compared(known, made, metrics, "log-mel", repr(mel).encode(), resize, *told)
    if not num_classes:
        return found
    ours, theirs = real.labelled(), fake.labelled()
    classifier = train_classifier(ours, num_classes, seed)
    weights = b"".join(value.numpy().tobytes() for value in classifier.network.state_dict().values())
    known, made = (Examples(features_by(classifier, side.images), side.labels) for side in (ours, theirs))
    resize = "spectrograms of 32 x 32 pixels"
    (frechet,) = _compared(known, made, ["fid"], "sound classifier", weights, resize, *told)
    accuracy = classifier.accuracy(theirs)
    floor = classifier.accuracy(held_out.labelled()) if len(held_out.waves) else None
    note = f"heard as the class asked for, of {num_classes}; real: {len(held_out.waves)} held-out sounds"
    interval = share_interval(accuracy, len(theirs.labels))
    return [*found, frechet, replace(frechet, name="class-accuracy", value=accuracy, interval=interval, floor=floor, note=note)]


def _compared(
    real: Examples,
    fake: Examples,
    metrics: Sequence[str],
    judge: str,
    content: bytes,
    resize: str,
    split: str,
    generator: str,
    seed: int,
) -> list[Figure]:
    """Figures by a judge whose hash is that of its content."""
    return evaluate_features(
        real,
        fake,
        metrics,
        judge=judge,
        judge_hash=hashlib.sha256(content).hexdigest(),
        resize=resize,
        split=split,
        generator=generator,
        seed=seed,
    )


def features_by(classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The classifier's last maps, averaged over all places, `[N, 64]`."""
    maps: NDArray[np.float32] = classifier.maps(images).mean((2, 3))
    return maps


def confusion(fake: Sounds, real: Sounds, num_classes: int, seed: int = 0) -> NDArray[np.int64]:
    """How often generated sounds of every class are heard as each, `[asked for, heard]`, by a classifier of real ones."""
    theirs = fake.labelled()
    heard = train_classifier(real.labelled(), num_classes, seed)(theirs.images)
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (theirs.labels, heard), 1)
    return counts


def mel_error(made: Tensor, wanted: Tensor, mel: Mel) -> Tensor:
    """The mean absolute difference of log-mel features of sounds `[N, T]`, natural logarithms: `[N]`."""
    return (log_mel(made, mel) - log_mel(wanted, mel)).abs().mean((1, 2))


def vocoder_figures(
    vocode: Callable[[Tensor], Tensor],
    sounds: Iterable[Tensor],
    mel: Mel,
    *,
    split: str,
    generator: str = "",
    seed: int = 0,
) -> list[Figure]:
    """What is lost from a sound to its features and back: by a vocoder, and by Griffin and Lim's algorithm, without a network.

    The error is judged by the features that both are given, and once more by those of windows twice as long, with twice
    the bands, that neither has seen.

    Args:
        vocode: features `[1, bands, F]` to sounds `[1, T]`.
        sounds: `[T]` each, T a multiple of the hop.
        split: which sounds they are, in a word.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than 2 sounds.
    """
    fine = replace(mel, size=2 * mel.size, hop=2 * mel.hop, bands=2 * mel.bands, high=mel.rate / 2)
    errors: dict[tuple[str, bool], list[float]] = {}
    for sound in sounds:
        wanted, least = sound[None], 2 * mel.size
        features = log_mel(wanted, mel)
        for is_ours, made in ((True, vocode(features)), (False, griffin_lim(features, mel))):
            made, known = (torch.nn.functional.pad(wave, (0, max(0, least - wave.shape[1]))) for wave in (made, wanted))
            for name, judge in (("mel-error", mel), ("mel-error-fine", fine)):
                errors.setdefault((name, is_ours), []).append(float(mel_error(made, known, judge)))
    found = []
    for name, judge in (("mel-error", mel), ("mel-error-fine", fine)):
        ours, theirs = errors[name, True], errors[name, False]
        better = sum(one < other for one, other in zip(ours, theirs, strict=True))
        note = f"lower is better; better than griffin-lim on {better} of {len(ours)}"
        found.append(_figure(name, ours, judge, split, generator, seed, note))
        found.append(_figure(f"{name} (griffin-lim)", theirs, judge, split, "", seed, "60 rounds, without a network"))
    return found


def _figure(name: str, values: Sequence[float], mel: Mel, split: str, generator: str, seed: int, note: str) -> Figure:
    return Figure(
        name,
        sum(values) / len(values),
        interval=bootstrap_interval(values, seed=seed),
        floor=None,
        judge="log-mel",
        judge_hash=hashlib.sha256(repr(mel).encode()).hexdigest(),
        resize=f"{mel.bands} bands, windows of {mel.size} samples",
        num_real=len(values),
        num_fake=len(values),
        split=split,
        seed=seed,
        note=note,
        generator=generator,
    )
