"""`zerosum sample RUN`: sheets, folders of PNG files, arrays, interpolations and sweeps from a trained run, or its texts."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from zerosum import api
from zerosum.cli import say
from zerosum.cli.moves import read_latents, read_moves, read_sweep
from zerosum.cli.options import options
from zerosum.pictures import Samples, animation, archive, interleaved, lines, picture, video
from zerosum.run import write
from zerosum.sampling import Label, Sampler, Settings
from zerosum.sounds import Waves, encode, in_a_row

ANIMATIONS = (".gif", ".webp", ".mp4")


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained run. Sample i is a function of seed + i, its label and what is done to its latent."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""
    n: Annotated[int | None, tyro.conf.arg(aliases=["-n"])] = None
    """How many samples, frames of an interpolation, or rows of a sweep. None: 64; of a sweep, 8."""
    out: Path | None = None
    """A .png for one sheet, an .npz for arrays, a .gif, .webp or .mp4 for an animated interpolation, or a folder for one PNG
    each; of text a .txt. Of sounds the sheet shows spectrograms, with the sounds in a .wav beside it; a folder gets one .wav
    each and the sheet. None: samples.png; text is printed."""
    seed: int = 0
    """Of the first sample; the next ones follow."""
    label: str | None = None
    """Of a conditional run: a class by name or number (names go first), or column=value,column=value. None: every class in
    turn; for an interpolation, the first."""
    prompt: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Of a run on captions: what is to be seen. May be given several times: -n samples of each (None: 8) in a row of its own,
    or with --interpolate the way from one to the next."""
    truncation: float | None = None
    """Better samples, less variety: of a latent z its largest absolute value (0.5 to 2), of a mapped latent w the share of the
    way from the mean (0.5 to 1)."""
    truncation_layers: int | None = None
    """Of a latent per layer: truncate this many of the first. None: all."""
    move: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Move latents along a direction found by `zerosum directions`: FILE:NUMBER=STRENGTH[@LAYERS], the strength in standard
    deviations. May be given several times."""
    latents: Path | None = None
    """A latent.npz of `zerosum project`: its latents instead of random ones; --move and --sweep FILE:NUMBER=... edit them."""
    sweep: str | None = None
    """A sheet with a column per value, the same latent in a row: label, truncation=0.3,0.7,1, COLUMN=20,30,40 or
    FILE:NUMBER=-2,0,2."""
    interpolate: bool = False
    """Go through the latents of `stops` seeds instead of drawing each sample afresh."""
    stops: int = 2
    """Seeds that an interpolation passes through."""
    kind: Literal["spherical", "linear"] | None = None
    """Of an interpolation: along the sphere of normal noise, or straight through the latents. None: linear where latents are
    mapped from noise (style-based families), else spherical."""
    columns: int = 8
    """Samples in a row of the sheet."""
    temperature: float | None = None
    """Of text: under 1 likelier words, above 1 more varied ones. None: 1."""
    prefix: str = ""
    """Of text: what every sample begins with."""


def main(arguments: list[str]) -> int:
    """Draw and write."""
    chosen = options(Sample, "zerosum sample", arguments)
    check_options(chosen)
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    if sampler.gan.makes == "tokens":
        return write_texts(sampler, chosen)
    if chosen.temperature is not None or chosen.prefix:
        raise ValueError(f"--temperature and --prefix are for text, which {chosen.run} does not make: leave them out")
    samples, columns = draw(sampler, chosen)
    out = chosen.out or Path("samples.png")
    if sampler.gan.makes == "wave" and out.suffix.lower() != ".npz":
        save_sounds(samples.astype(np.float32, copy=False), out, columns, sampler.card.rate)
    else:
        save(samples, out, columns)
    return say(f"{len(samples)} samples in {out}")


def write_texts(sampler: Sampler, chosen: Sample) -> int:
    """Texts, printed or in a file, a line each.

    Raises:
        ValueError: an option that is for images, or as `Sampler.sample`.
    """
    plain = Sample(chosen.run)
    kept = ("run", "family", "checkpoint", "n", "out", "seed", "temperature", "prefix")
    strange = [field.name for field in fields(Sample) if getattr(chosen, field.name) != getattr(plain, field.name)]
    if names := [f"--{name.replace('_', '-')}" for name in strange if name not in kept]:
        raise ValueError(f"{', '.join(names)}: not for text, which {chosen.run} makes; leave it out")
    if chosen.out is not None and chosen.out.suffix.lower() != ".txt":
        raise ValueError(f"--out {chosen.out}: text is written into a .txt file; leave it out to print it")
    texts = sampler.sample(chosen.n or 64, seed=chosen.seed, temperature=chosen.temperature, prefix=chosen.prefix)
    if chosen.out is None:
        return say(lines(texts).decode().removesuffix("\n"))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    write(chosen.out, lines(texts))
    return say(f"{len(texts)} samples in {chosen.out}")


def check_options(chosen: Sample) -> None:
    """Refuse options that are wrong or do not go together.

    Raises:
        ValueError: naming them.
    """
    if (chosen.n is not None and chosen.n < 1) or chosen.columns < 1:
        raise ValueError(f"-n and --columns must be at least 1, not {chosen.n} and {chosen.columns}")
    animated = chosen.interpolate or ending(chosen) in ANIMATIONS
    if animated and (chosen.latents is not None or chosen.sweep is not None):
        raise ValueError(f"an interpolation and {'--sweep' if chosen.sweep else '--latents'} do not go together: choose one")
    if len(chosen.prompt) > 1 and animated and (chosen.kind or chosen.stops != 2):
        raise ValueError("--kind and --stops are for a way through seeds; between prompts there is one: leave them out")
    if chosen.prompt and (chosen.sweep is not None or chosen.latents is not None):
        raise ValueError(f"--prompt and {'--sweep' if chosen.sweep else '--latents'} do not go together: choose one")
    if chosen.kind and not animated:
        raise ValueError("--kind is for an interpolation: give --interpolate too")
    drawn = (chosen.label, chosen.truncation, chosen.truncation_layers, chosen.n)
    if chosen.latents is not None and any(value is not None for value in drawn):
        raise ValueError("--latents takes number and labels from its file: only --move may change them")
    if chosen.latents is not None and chosen.sweep and ":" not in chosen.sweep.partition("=")[0]:
        raise ValueError(f"--sweep {chosen.sweep}: of --latents only a direction is swept, such as directions.npz:2=-2,0,2")


def ending(chosen: Sample) -> str:
    """The kind of file that is asked for."""
    return chosen.out.suffix.lower() if chosen.out else ""


def draw(sampler: Sampler, chosen: Sample) -> tuple[Samples, int]:
    """The samples asked for, and how many stand in a row."""
    shift = read_moves(sampler, chosen.move)
    if chosen.latents is not None:
        latents, label, seed = read_latents(sampler, chosen.latents)
        if chosen.sweep is None:
            return sampler.synthesise(latents, label=label, seed=seed, shift=shift), chosen.columns
        shifts = [column.get("shift") for column in read_sweep(sampler, chosen.sweep, Settings(shift=shift))]
        made = [sampler.synthesise(latents, label=label, seed=seed, shift=moved) for moved in shifts]
        return interleaved(made), len(shifts)
    shared = Settings(
        label=None if chosen.label is None else read_label(chosen.label),
        truncation=chosen.truncation,
        truncation_layers=chosen.truncation_layers,
        shift=shift,
    )
    if chosen.sweep is not None:
        columns = read_sweep(sampler, chosen.sweep, shared)
        return sampler.sweep(chosen.n or 8, columns, seed=chosen.seed), len(columns)
    if len(chosen.prompt) > 1:
        return draw_prompts(sampler, chosen, shared)
    shared["prompt"] = chosen.prompt[0] if chosen.prompt else None
    n = chosen.n or 64
    if chosen.interpolate or ending(chosen) in ANIMATIONS:
        way = sampler.interpolate(n, seed=chosen.seed, stops=chosen.stops, kind=chosen.kind, **shared)
        return way, chosen.columns
    return sampler.sample(n, seed=chosen.seed, **shared), chosen.columns


def draw_prompts(sampler: Sampler, chosen: Sample, shared: Settings) -> tuple[Samples, int]:
    """Samples of several prompts, or the way between them, and how many stand in a row."""
    if chosen.interpolate or ending(chosen) in ANIMATIONS:
        return sampler.between(chosen.prompt, chosen.n or 64, seed=chosen.seed), chosen.columns
    n = chosen.n or 8
    settings = [Settings(**shared | {"prompt": prompt}) for prompt in chosen.prompt]
    made: Any = [sampler.sample(n, seed=chosen.seed, **own) for own in settings]
    return np.concatenate(made), n


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
        ImportError: an .mp4 needs an optional package.
    """
    kind = out.suffix.lower()
    if kind not in ("", ".png", ".npz", *ANIMATIONS):
        raise ValueError(f"--out {out}: end it in .png, .npz, .gif, .webp or .mp4, or name a folder")
    if samples.ndim != 4 and kind not in (".png", ".npz"):
        raise ValueError(f"--out {out}: points are written as a plot (.png) or as numbers (.npz)")
    folder = out if kind == "" else out.parent
    folder.mkdir(parents=True, exist_ok=True)
    if kind == ".png":
        write(out, picture(samples, columns))
    elif kind == ".npz":
        write(out, archive(samples))
    elif kind == ".mp4":
        write(out, video(samples))
    elif kind in ANIMATIONS:
        write(out, animation(samples, kind[1:]))
    else:
        for number, image in enumerate(samples):
            write(out / f"{number:06d}.png", picture(image[None], 1, gap=0))


def save_sounds(waves: Waves, out: Path, columns: int, rate: int) -> None:
    """Write waves `[N, C, T]` of a rate in Hz: into a folder, or as a sheet of spectrograms and one .wav under the same name.

    Raises:
        ValueError: an ending that means nothing here.
    """
    kind = out.suffix.lower()
    if kind not in ("", ".png", ".wav"):
        raise ValueError(f"--out {out}: sounds are written as .png and .wav, as numbers (.npz), or into a folder")
    folder = out if kind == "" else out.parent
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "":
        for number, wave in enumerate(waves):
            write(out / f"{number:06d}.wav", encode(wave, rate))
        write(out / "sheet.png", picture(waves, columns))
    else:
        write(out.with_suffix(".wav"), encode(in_a_row(waves, rate), rate))
        write(out.with_suffix(".png"), picture(waves, columns))
