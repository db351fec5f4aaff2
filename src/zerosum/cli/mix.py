"""`zerosum mix RUN`: a sheet of style mixing."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from zerosum import api
from zerosum.cli import say
from zerosum.cli.moves import read_seeds
from zerosum.cli.options import options
from zerosum.cli.sample import read_label
from zerosum.latents import read_layers
from zerosum.pictures import picture
from zerosum.run import write


@dataclass(frozen=True)
class Mix:
    """Mix styles: inside the sheet, a sample is its row's seed with the chosen layers of its column's seed."""

    run: tyro.conf.Positional[Path]
    """The run folder, of a family with a latent for each layer, such as style-based ones."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""
    rows: str = "0-3"
    """Seeds of the rows: 0-3, or 0-3,7,9."""
    columns: str = "10-15"
    """Seeds of the columns."""
    layers: str = "coarse"
    """Taken from the columns: coarse (pose, shape), middle (features), fine (colours), or a range such as 0-3."""
    label: str | None = None
    """Of a conditional run, as in `zerosum sample`; None: the first class."""
    truncation: float | None = None
    """As in `zerosum sample`."""
    truncation_layers: int | None = None
    """As in `zerosum sample`."""
    out: Path = Path("mix.png")
    """The sheet, a .png."""


def main(arguments: list[str]) -> int:
    """Mix and write."""
    chosen = options(Mix, "zerosum mix", arguments)
    if chosen.out.suffix.lower() != ".png":
        raise ValueError(f"--out {chosen.out}: a sheet of mixed styles is a picture, end it in .png")
    rows, columns = read_seeds("--rows", chosen.rows), read_seeds("--columns", chosen.columns)
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    num_layers = sampler.latent_space().num_layers
    sheet = sampler.mix(
        rows,
        columns,
        read_layers(chosen.layers, num_layers) if num_layers > 1 else range(1),
        label=None if chosen.label is None else read_label(chosen.label),
        truncation=chosen.truncation,
        truncation_layers=chosen.truncation_layers,
    )
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    write(chosen.out, picture(sheet, len(columns) + 1))
    return say(f"{len(rows)} x {len(columns)} mixed samples in {chosen.out}")
