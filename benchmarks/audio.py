"""WaveGAN and a small HiFi-GAN on real drum sounds: trained for some minutes, judged in a second step.

    python benchmarks/audio.py train DRUMS --out runs/audio [--minutes 6.5] [--seeds 0 1 2] [--device cpu]
    python benchmarks/audio.py judge DRUMS --out runs/audio [--pictures docs/images]

DRUMS holds a folder of WAV files for each class, each named KIT__NAME.wav. WaveGAN learns kicks, snares and hats, half a second
of each, by class; HiFi-GAN learns all sounds of most kits, and is judged by those of the others. All runs train at once, are
stopped when the minutes are over, and are released into OUT/released, which is all that judging needs. They use a CUDA device
where there is one, unless `--device cpu` is given.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import zerosum
from zerosum.apply.vocode import Vocoder, whole_frames
from zerosum.cli import main as command
from zerosum.data import Audio, open_data
from zerosum.evaluate.classifier import Labelled, train_classifier
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.sounds import Sounds, confusion, sound_figures, vocoder_figures
from zerosum.pictures import picture
from zerosum.recipe import Data
from zerosum.run import write
from zerosum.spectra import griffin_lim, log_mel

CLASSES = ("hihat", "kick", "snare")
HELD_OUT = ("BJA_Pacific", "ElectricEmpireKit", "VariBreaks", "Audiophob")
"""Kits whose sounds HiFi-GAN is judged by."""
RATE, SAMPLES = 16_000, 8_192
NUM_SAMPLES = 600
FOLDS = 5
FOREVER = "--train.images=100000000"
WAVEGAN = (
    "wavegan:classes --gan.width 16 --data.samples 8192 --data.trim 40 --data.held-out 0 --average.half-life 6400 "
    "--average.ramp-up 0.05 --optimisers.generator.rate 2e-4 --optimisers.critic.rate 2e-4 --jobs.num-samples 36 "
    "--jobs.sample-every 64000 --jobs.checkpoint-every 64000 --jobs.keep 1"
)
HIFIGAN = (
    "hifigan:cpu --gan.width 256 --gan.discriminator-width 256 --data.samples 8192 --data.held-out 0 --train.batch 16 "
    "--optimisers.generator.rate exponential(5e-4,1e-4,over=48000) "
    "--optimisers.discriminators.rate exponential(5e-4,1e-4,over=48000) "
    "--jobs.sample-every 16000 --jobs.checkpoint-every 16000 --jobs.keep 1"
)


def prepare(drums: Path, out: Path) -> None:
    """Lay out copies of the sounds: classes of one, kits of the other."""
    shutil.rmtree(out / "data", ignore_errors=True)
    for file in sorted(drums.glob("*/*.wav")):
        label, kit = file.parent.name, file.name.split("__")[0]
        places = [out / "data" / ("others" if kit in HELD_OUT else "kits") / f"{label}-{file.name}"]
        places += [out / "data" / "classes" / label / file.name] if label in CLASSES else []
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def train(drums: Path, out: Path, minutes: float, seeds: Sequence[int], device: str | None) -> None:
    """Train all runs at once until the minutes are over, and release what they have become."""
    until = time.monotonic() + 60 * minutes
    prepare(drums, out)
    commands = {f"wavegan-{seed}": (WAVEGAN, "classes", seed) for seed in seeds} | {"hifigan": (HIFIGAN, "kits", 0)}
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}) | {"OMP_NUM_THREADS": "1"}
    runs = {}
    for name, (recipe, data, seed) in commands.items():
        options = [
            *recipe.split(),
            FOREVER,
            f"--train.seed={seed}",
            f"--data.path={out / 'data' / data}",
            f"--out={out / name}",
        ]
        with (out / f"{name}.log").open("w") as log:
            words = [sys.executable, "-m", "zerosum", "train", *options]
            runs[name] = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
    while time.monotonic() < until and any(run.poll() is None for run in runs.values()):
        time.sleep(1)
    for run in runs.values():
        run.send_signal(signal.SIGTERM)
    for name, run in runs.items():
        run.wait()
        print(f"{name}: {(out / name / 'log.txt').read_text().splitlines()[-1]}")
        shutil.rmtree(out / "released" / name, ignore_errors=True)
        if command(["export", str(out / name), "--to", "safetensors", "--out", str(out / "released" / name)]):
            raise SystemExit(f"{name} has left nothing: see {out / f'{name}.log'}")


def kits_apart(names: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(others, these) for every fold of the kits, so that no sound is judged by one who knows its neighbour."""
    kits = [name.split("/")[-1].split("__")[0] for name in names]
    fold_of = {kit: number % FOLDS for number, kit in enumerate(sorted(set(kits), key=lambda kit: (kits.count(kit), kit)))}
    folds = np.array([fold_of[kit] for kit in kits])
    for fold in range(FOLDS):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def real_accuracy(real: Sounds, names: Sequence[str]) -> float:
    """How often the classifier is right on real sounds of kits that it has not heard."""
    whole, right = real.labelled(), 0.0
    for others, these in kits_apart(names):
        classifier = train_classifier(Labelled(whole.images[others], whole.labels[others]), len(CLASSES))
        right += len(these) * classifier.accuracy(Labelled(whole.images[these], whole.labels[these]))
    return right / len(names)


def opened(folder: Path, **others: object) -> Audio:
    """The sounds of a folder."""
    settings = Data(path=str(folder), kind="audio", rate=RATE, samples=SAMPLES, held_out=0)
    dataset = open_data(replace(settings, **others))  # type: ignore[arg-type]
    assert isinstance(dataset, Audio)
    return dataset


def told(figures: Sequence[Figure]) -> str:
    """Figures in a row, with their floors."""
    floors = ["" if one.floor is None else f" ({one.floor:.3g})" for one in figures]
    return ", ".join(f"{one.name} {one.value:.4g}{floor}" for one, floor in zip(figures, floors, strict=True))


def judge_drums(out: Path, pictures: Path | None) -> None:
    """Figures of every WaveGAN beside real sounds, and a sheet of the first one's."""
    dataset = opened(out / "data" / "classes", trim=40.0)
    batch = dataset.batch(np.arange(len(dataset)))
    real = Sounds(batch["wave"].numpy(), batch["label"].argmax(1).numpy())
    print(f"real sounds of kits that the classifier has not heard: accuracy {real_accuracy(real, dataset.names):.3f}")
    for run in sorted((out / "released").glob("wavegan-*")):
        sampler = zerosum.load(run)
        waves = np.asarray(sampler.sample(NUM_SAMPLES), np.float32)
        fake = Sounds(waves, np.arange(NUM_SAMPLES) % len(CLASSES))
        held_out = Sounds(real.waves[:0], real.labels[:0])  # type: ignore[index]
        figures = sound_figures(fake, real, held_out, RATE, num_classes=len(CLASSES), generator=sampler.name)
        print(f"\n{sampler.name}\n  {told(figures)}")
        heard = confusion(fake, real, len(CLASSES)).tolist()
        print("  heard as " + ", ".join(f"{name}: {row}" for name, row in zip(CLASSES, heard, strict=True)))
        if pictures and run.name.endswith("-0"):
            shown = []
            for label in range(len(CLASSES)):
                own = np.flatnonzero(real.labels == label)
                shown += [real.waves[own[np.linspace(0, len(own) - 1, 12).astype(int)]], waves[label :: len(CLASSES)][:12]]
            write(pictures / "drums-wavegan.png", picture(np.concatenate(shown), 12))


def judge_vocoder(out: Path, pictures: Path | None) -> None:
    """Mel errors on the kits that were left out, beside Griffin and Lim's, and a sheet: real, made again, Griffin-Lim."""
    vocoder, dataset = Vocoder(zerosum.load(out / "released" / "hifigan")), opened(out / "data" / "others", trim=60.0)
    sounds = [whole_frames(dataset.sound(position)[0], vocoder.mel) for position in range(len(dataset))]
    print(f"\n{vocoder.sampler.name}, {len(sounds)} sounds of other kits\n  ", end="")
    for one in vocoder_figures(vocoder.vocode, sounds, vocoder.mel, split="other kits"):
        assert one.interval is not None
        print(f"{one.name} {one.value:.3f} [{one.interval[0]:.3f}, {one.interval[1]:.3f}] {one.note}\n  ", end="")
    if pictures:
        chosen = [sound for sound in sounds if len(sound) >= SAMPLES][::9][:12]
        features = [log_mel(sound[None], vocoder.mel) for sound in chosen]
        rows = [chosen, [vocoder.vocode(one)[0] for one in features], [griffin_lim(one, vocoder.mel)[0] for one in features]]
        waves = np.stack([sound[:SAMPLES].numpy() for row in rows for sound in row])
        write(pictures / "drums-hifigan.png", picture(waves[:, None], len(chosen)))


def main() -> None:
    """Train or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["train", "judge"])
    parser.add_argument("drums", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/audio"))
    parser.add_argument("--minutes", type=float, default=6.5)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--device", choices=["cpu"])
    parser.add_argument("--pictures", type=Path)
    chosen = parser.parse_args()
    if chosen.step == "train":
        return train(chosen.drums, chosen.out, chosen.minutes, chosen.seeds, chosen.device)
    prepare(chosen.drums, chosen.out)
    judge_drums(chosen.out, chosen.pictures)
    return judge_vocoder(chosen.out, chosen.pictures)


if __name__ == "__main__":
    main()
