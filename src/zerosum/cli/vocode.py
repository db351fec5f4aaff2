"""`zerosum vocode RUN IN... --out DIR`: sounds from mel spectrograms by a trained vocoder."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from zerosum import api
from zerosum.apply.upscale import targets_of
from zerosum.apply.vocode import FEATURES, Vocoder
from zerosum.cli import fail, say
from zerosum.cli.options import options
from zerosum.cli.upscale import input_files
from zerosum.data.folders import SOUNDS


@dataclass(frozen=True)
class Vocode:
    """Make sounds from log-mel features: those in .npy files, or those of sounds, which are then made again."""

    run: tyro.conf.Positional[Path]
    """The run folder, of hifigan."""
    files: tyro.conf.Positional[tuple[Path, ...]]
    """Sounds, arrays of features `[bands, frames]` (.npy), or folders of them."""
    out: Path
    """The folder that they go into, under their names, as .wav."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, or the images seen."""
    overwrite: bool = False
    """Replace sounds that are in --out already; those that are read are never replaced."""


def main(arguments: list[str]) -> int:
    """Make and write every sound; 1 if some were refused, each with its reason."""
    chosen = options(Vocode, "zerosum vocode", arguments)
    vocoder = Vocoder(api.load(chosen.run, chosen.family, chosen.checkpoint))
    targets = targets_of(
        input_files(chosen.files, (*SOUNDS.suffixes, FEATURES), "sound"), chosen.out, chosen.overwrite, (".wav",), ".wav"
    )
    chosen.out.mkdir(parents=True, exist_ok=True)
    refused = 0
    for source, target in targets.items():
        try:
            seconds = vocoder.file(source, target)
        except ValueError as problem:
            refused = fail(str(problem), 1)
            continue
        say(f"{target}  {seconds:.2f} s")
    return refused
