"""`zerosum sample RUN`: a grid, a folder of PNG files, an .npz or an interpolation from a trained run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from zerosum import api
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.pictures import Samples, animation, archive, picture
from zerosum.run import write
from zerosum.sampling import Label

ANIMATIONS = (".gif", ".webp")


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained run. Sample i is a function of seed + i and its label alone."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""
    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 64
    """How many samples, or frames of an interpolation."""
    out: Path = Path("samples.png")
    """A .png for one sheet, an .npz for arrays, a .gif or .webp for an animated interpolation, or a folder for one PNG each."""
    seed: int = 0
    """Of the first sample; the next ones follow."""
    label: str | None = None
    """Of a conditional run: a class by name or number (names go first), or column=value,column=value. None: every class in
    turn; for an interpolation, the first."""
    interpolate: bool = False
    """Go through the latents of `stops` seeds instead of drawing each sample afresh."""
    stops: int = 2
    """Seeds that an interpolation passes through."""
    columns: int = 8
    """Samples in a row of the sheet."""


def main(arguments: list[str]) -> int:
    """Draw and write."""
    chosen = options(Sample, "zerosum sample", arguments)
    if chosen.n < 1 or chosen.columns < 1:
        raise ValueError(f"-n and --columns must be at least 1, not {chosen.n} and {chosen.columns}")
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    label = None if chosen.label is None else read_label(chosen.label)
    if chosen.interpolate or chosen.out.suffix.lower() in ANIMATIONS:
        samples = sampler.interpolate(chosen.n, seed=chosen.seed, stops=chosen.stops, label=label)
    else:
        samples = sampler.sample(chosen.n, seed=chosen.seed, label=label)
    save(samples, chosen.out, chosen.columns)
    return say(f"{len(samples)} samples in {chosen.out}")


def read_label(text: str) -> Label:
    """A class's name or number, or {column: value} from `column=value,column=value`.

    Raises:
        ValueError: a column's value is not a number, or a column stands twice.
    """
    if "=" not in text:
        return text
    pairs = [part.rpartition("=") for part in text.split(",")]
    try:
        values = {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise ValueError(f"--label {text!r}: write column=value,column=value with numbers as values") from None
    if len(values) < len(pairs):
        raise ValueError(f"--label {text!r}: a column stands twice")
    return values


def save(samples: Samples, out: Path, columns: int) -> None:
    """Write samples in the form that the path's ending asks for; points go into a plot or an .npz.

    Raises:
        ValueError: an ending that means nothing here.
    """
    kind = out.suffix.lower()
    if kind not in ("", ".png", ".npz", *ANIMATIONS):
        raise ValueError(f"--out {out}: end it in .png, .npz, .gif or .webp, or name a folder")
    if samples.ndim != 4 and kind not in (".png", ".npz"):
        raise ValueError(f"--out {out}: points are written as a plot (.png) or as numbers (.npz)")
    folder = out if kind == "" else out.parent
    folder.mkdir(parents=True, exist_ok=True)
    if kind == ".png":
        write(out, picture(samples, columns))
    elif kind == ".npz":
        write(out, archive(samples))
    elif kind in ANIMATIONS:
        write(out, animation(samples, kind[1:]))
    else:
        for number, image in enumerate(samples):
            write(out / f"{number:06d}.png", picture(image[None], 1, gap=0))
