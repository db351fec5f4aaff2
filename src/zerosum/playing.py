"""What can be done with a trained generator in the studio: tools, each offered by what a generator is given and makes.

A tool for another kind of generator is one more function here.
"""

import shlex
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zerosum.apply.directions import Directions, ganspace, sefa
from zerosum.apply.inpaint import Inpainter
from zerosum.apply.project import project
from zerosum.apply.upscale import Becomes, Enlarger
from zerosum.data.feed import to_float
from zerosum.data.holes import holed_shape
from zerosum.data.images import prepare
from zerosum.datacard import Column
from zerosum.game import GAN, HasLatents, HasPrompts, HasReach, HasReverse
from zerosum.latents import read_layers
from zerosum.pictures import Pixels, animation, picture, to_image, to_pixels
from zerosum.run import Run
from zerosum.sampling import Label, Sampler
from zerosum.studio.tools import Choice, Control, Number, Result, Switch, Tool, Upload, Values, Words
from zerosum.studio.uploads import within

EVERY = "every class in turn"
SMALLEST_SHOWN = 256
"""Pixels a side below which a single picture is enlarged by whole numbers, so that its pixels are seen."""
NUM_DIRECTIONS = 8
SIDE = "In pixels: what is larger is reduced first."
"""What is said of the size of uploads."""
METHODS = {"sefa": sefa, "ganspace": ganspace}


def tools() -> list[Tool]:
    """All tools, in the order in which they are offered."""
    return [
        Tool("Samples", "Sample i is that of seed + i, whatever the number.", from_noise, sample_controls, sample, live=True),
        Tool(
            "Directions",
            "Ways in the latents along which pictures change in one respect; strengths are in standard deviations.",
            lambda sampler: from_noise(sampler) and has_latents(sampler),
            direction_controls,
            move,
            live=True,
        ),
        Tool("Interpolation", "The way through the latents of several seeds.", makes_pictures, way_controls, interpolate),
        Tool(
            "Style mixing",
            "Inside the sheet, a sample is its row's seed with the chosen layers of its column's seed.",
            lambda sampler: has_latents(sampler) and sampler.latent_space().num_layers > 1,
            mix_controls,
            mix,
        ),
        Tool(
            "Projection",
            "The latents that make what is most like a picture of yours.",
            lambda sampler: makes_pictures(sampler) and has_latents(sampler),
            project_controls,
            project_upload,
        ),
        Tool("Prompt", "What the generator makes of words.", takes_prompts, prompt_controls, of_prompt),
        Tool("Sentences", "Text that goes on from a beginning.", makes_text, text_controls, write_text),
        Tool("Picture to picture", "What the generator makes of a picture of yours.", takes_pictures, picture_controls, remake),
        Tool("Holes filled", "A box in a picture of yours, filled; all else stays.", fills_holes, hole_controls, fill_hole),
    ]


def from_noise(sampler: Sampler) -> bool:
    """Whether a generator makes samples, no text, of noise, with labels or without."""
    return sampler.gan.given <= {"label"} and not makes_text(sampler)


def makes_pictures(sampler: Sampler) -> bool:
    """Whether a generator makes pictures of noise."""
    return from_noise(sampler) and len(sampler.card.shapes.get(sampler.gan.makes, ())) == 3


def has_latents(sampler: Sampler) -> bool:
    """Whether a generator shows its latents."""
    return isinstance(sampler.gan, HasLatents)


def takes_pictures(sampler: Sampler) -> bool:
    """Whether a generator makes a picture of a picture."""
    return sampler.gan.given == {"source"} and isinstance(sampler.gan, HasReach) and not fills_holes(sampler)


def takes_prompts(sampler: Sampler) -> bool:
    """Whether a generator makes pictures of words."""
    return isinstance(sampler.gan, HasPrompts)


def makes_text(sampler: Sampler) -> bool:
    """Whether a generator makes sentences."""
    return sampler.card.vocabulary is not None


def fills_holes(sampler: Sampler) -> bool:
    """Whether what a generator is given has a channel more, which says what is known."""
    shapes = sampler.card.shapes
    return "source" in shapes and "target" in shapes and shapes["source"] == holed_shape(shapes["target"])


def label_controls(sampler: Sampler, every: bool) -> list[Control]:
    """What a conditional generator is to make: a class, or a value for each column."""
    labels = sampler.card.labels
    if "label" not in sampler.gan.given:
        return []
    if labels.columns:
        return [column_control(number, column) for number, column in enumerate(labels.columns)]
    choices = (EVERY, *labels.classes) if every else labels.classes
    return [Choice("label", "Class", choices=choices, value=choices[0])]


def column_control(number: int, column: Column) -> Number:
    """A slider over what is common of a column's values; attributes go from 0 to 1."""
    is_attribute = column.scale == 1 and column.mean == 0
    low, high = (0.0, 1.0) if is_attribute else (column.mean - 3 * column.scale, column.mean + 3 * column.scale)
    step = 0.01 if is_attribute else column.scale / 20
    return Number(f"label {number}", column.name, value=column.mean, low=low, high=high, step=step, slides=True)


def read_label(sampler: Sampler, values: Values) -> Label | None:
    """The label that the controls ask for."""
    columns = sampler.card.labels.columns
    if "label" not in sampler.gan.given:
        return None
    if columns:
        return {column.name: float(values[f"label {number}"]) for number, column in enumerate(columns)}
    return None if values["label"] == EVERY else str(values["label"])


def truncation_controls(sampler: Sampler) -> list[Control]:
    """Truncation, of generators that show their latents."""
    if not has_latents(sampler):
        return []
    mapped = sampler.latent_space().distribution is None
    told = "The share of the way from the mean" if mapped else "The largest absolute value of a latent"
    low, value, high = (0.0, 0.7, 1.5) if mapped else (0.1, 1.0, 3.0)
    told = f"{told}: less gives better samples of less variety."
    return [Number("truncation", "Truncation", told, value=value, low=low, high=high, step=0.05, slides=True, optional=True)]


def sample_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """Seeds, number, label, truncation."""
    most = 4_096 if sampler.gan.makes == "point" else 64
    n = Number("n", "Number", value=min(32, most) if most == 64 else 1_024, low=1, high=most, slides=True)
    return [Number("seed", "Seed"), n, *label_controls(sampler, True), *truncation_controls(sampler)]


def sample(sampler: Sampler, run: Run, values: Values) -> Result:
    """Samples in a sheet."""
    made = sampler.sample(
        values["n"], seed=values["seed"], label=read_label(sampler, values), truncation=values.get("truncation")
    )
    return Result(sampler.name, picture(made, 8))


def direction_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """A slider for each direction of the file chosen; those by the method chosen are found now if there are none yet."""
    files = direction_files(sampler, run)
    file = str(chosen.get("file") or next(iter(files)))
    found = find_directions(sampler, run, file)
    sliders = [
        Number(f"direction {number}", name, value=0.0, low=-4, high=4, step=0.1, slides=True)
        for number, name in enumerate(found.names[: 2 * NUM_DIRECTIONS])
    ]
    told = "By a method, or a file in the run's folder directions/."
    seeds: list[Control] = [Number("seed", "Seed"), Number("n", "Number", value=8, low=1, high=32, slides=True)]
    return [
        Choice("file", "Directions", told, choices=tuple(files), value=file, redraws=True),
        *seeds,
        *label_controls(sampler, True),
        *sliders,
    ]


def direction_files(sampler: Sampler, run: Run) -> dict[str, Path]:
    """The directions that can be chosen: those by each method for this checkpoint, and what else lies in directions/."""
    folder = run.folder / "directions"
    images = sampler.name.partition(" at ")[2].partition(" ")[0].replace(",", "") or "0"
    own = {method: folder / f"{method}-{int(images):09d}.npz" for method in METHODS}
    others = {file.name: file for file in sorted(folder.glob("*.npz")) if file.name.partition("-")[0] not in METHODS}
    return own | others


def find_directions(sampler: Sampler, run: Run, name: str) -> Directions:
    """The directions of that name, found and written if they are by a method and not there yet.

    Raises:
        ValueError: there is no such file, or it is of other latents.
        OSError: they cannot be written.
    """
    files = direction_files(sampler, run)
    if name not in files:
        raise ValueError(f"there are no directions {name!r} any more: choose {', '.join(files)}")
    space = sampler.latent_space()
    if name in METHODS and not files[name].is_file():
        files[name].parent.mkdir(exist_ok=True)
        METHODS[name](sampler, min(NUM_DIRECTIONS, space.shape[-1])).save(files[name])
    found = Directions.load(files[name])
    if tuple(found.vectors.shape[1:]) != space.shape:
        raise ValueError(f"{files[name]} holds directions of other latents: find some for this run with zerosum directions")
    return found


def move(sampler: Sampler, run: Run, values: Values) -> Result:
    """Samples moved along directions."""
    found = find_directions(sampler, run, values["file"])
    strengths = {int(name.split()[1]): value for name, value in values.items() if name.startswith("direction ") and value}
    shifts = [found.shift(number, strength) for number, strength in strengths.items()]
    made = sampler.sample(
        values["n"],
        seed=values["seed"],
        label=read_label(sampler, values),
        shift=torch.stack(shifts).sum(0) if shifts else None,
    )
    file = direction_files(sampler, run)[values["file"]]
    words = ["zerosum", "sample", str(run.folder), "-n", str(values["n"]), "--seed", str(values["seed"])]
    words += ["--label", values["label"]] if values.get("label", EVERY) != EVERY else []
    words += [word for number, strength in strengths.items() for word in ("--move", f"{file}:{number}={strength:g}")]
    return Result(shlex.join(words), picture(made, 8))


def way_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """Seeds, stops, frames, label, truncation."""
    return [
        Number("seed", "First seed"),
        Number("stops", "Seeds on the way", value=4, low=2, high=12, slides=True),
        Number("n", "Frames", value=60, low=2, high=240, slides=True),
        *label_controls(sampler, False),
        *truncation_controls(sampler),
    ]


def interpolate(sampler: Sampler, run: Run, values: Values) -> Result:
    """An animation."""
    way = sampler.interpolate(
        values["n"],
        seed=values["seed"],
        stops=values["stops"],
        label=read_label(sampler, values),
        truncation=values.get("truncation"),
    )
    frames = enlarged(way.astype(np.uint8, copy=False))
    return Result(sampler.name, animation(frames, "gif"), ".gif")


def mix_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """Seeds of rows and columns, and the layers."""
    return [
        Number("rows", "First seed of the rows"),
        Number("columns", "First seed of the columns", value=10),
        Number("n", "Rows and columns", value=4, low=1, high=8, slides=True),
        Choice("layers", "Layers from the columns", "coarse: pose and shape; middle: features; fine: colours.",
               choices=("coarse", "middle", "fine"), value="coarse"),
        *label_controls(sampler, False),
        *truncation_controls(sampler),
    ]  # fmt: skip


def mix(sampler: Sampler, run: Run, values: Values) -> Result:
    """A sheet of mixed styles."""
    n, rows, columns = values["n"], values["rows"], values["columns"]
    made = sampler.mix(
        range(rows, rows + n),
        range(columns, columns + n),
        read_layers(values["layers"], sampler.latent_space().num_layers),
        label=read_label(sampler, values),
        truncation=values.get("truncation"),
    )
    return Result(sampler.name, picture(made, n + 1))


def project_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """A picture and how long to look."""
    return [
        Upload("picture", "Picture", "It is brought to the size of the generator's pictures, as for training."),
        Number("steps", "Steps", "Of the descent to the latents.", value=150, low=1, high=1_000, slides=True),
        Number("seed", "Seed"),
    ]


def project_upload(sampler: Sampler, run: Run, values: Values) -> Result:
    """A picture beside what the generator makes of the latents found."""
    if values["picture"] is None:
        raise ValueError("upload a picture first")
    channels, resolution = sampler.card.shapes["image"][:2]
    fit = run.plain_recipe()["data"].get("fit", "crop")
    pixels = prepare(
        values["picture"], resolution, "letterbox" if fit == "letterbox" else "crop", "grey" if channels == 1 else "rgb"
    )
    found = project(sampler, to_float(torch.tensor(pixels[None])), steps=values["steps"], seed=values["seed"])
    before, after = (to_image(enlarged(to_pixels(images))[0]) for images in (found.targets, found.images))
    return Result(
        f"{found.psnr.item():.1f} dB (PSNR) between the picture and what {sampler.name} makes", before=before, after=after
    )


def prompt_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """Words, beginning with those of a caption of the data; seeds and number."""
    known = sampler.card.captions
    told = "Words of the captions that it was trained on; others are left out." if known and not known.encoder else ""
    n = Number("n", "Number", value=16, low=1, high=64, slides=True)
    return [Words("prompt", "Prompt", told, known.example if known else ""), Number("seed", "Seed"), n]


def of_prompt(sampler: Sampler, run: Run, values: Values) -> Result:
    """A sheet of samples."""
    return Result(sampler.name, picture(sampler.sample(values["n"], seed=values["seed"], prompt=values["prompt"]), 8))


def text_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """A beginning, a temperature, seeds and number."""
    told = "Under 1 likelier words, above 1 more varied ones."
    return [
        Words("prefix", "Beginning"),
        Number("temperature", "Temperature", told, value=1.0, low=0.1, high=2.0, step=0.05, slides=True),
        Number("seed", "Seed"),
        Number("n", "Number", value=10, low=1, high=64, slides=True),
    ]


def write_text(sampler: Sampler, run: Run, values: Values) -> Result:
    """Sentences, a line each."""
    made = sampler.sample(values["n"], seed=values["seed"], temperature=values["temperature"], prefix=values["prefix"])
    return Result("\n".join(made.tolist()))


def hole_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """A picture, and a box in it in percent."""
    sides = {"left": ("Left", 40), "top": ("Top", 40), "width": ("Width", 20), "height": ("Height", 20)}
    told = "The command line takes pictures whole, and masks of any shape: zerosum inpaint."
    side = Number("side", "Longer side", SIDE, value=256, low=16, high=2_048, step=16, slides=True)
    box = [
        Number(name, label, "In percent of the picture.", value=value, low=0, high=100, slides=True)
        for name, (label, value) in sides.items()
    ]
    return [Upload("picture", "Picture", told), side, *box]


def fill_hole(sampler: Sampler, run: Run, values: Values) -> Result:
    """The picture with the box in white, and filled."""
    if values["picture"] is None:
        raise ValueError("upload a picture first")
    pixels = within(values["picture"], values["side"])
    hole = np.zeros(pixels.shape[:2], np.bool_)
    height, width = pixels.shape[0] / 100, pixels.shape[1] / 100
    top, left = round(values["top"] * height), round(values["left"] * width)
    bottom, right = round((values["top"] + values["height"]) * height), round((values["left"] + values["width"]) * width)
    hole[top:bottom, left:right] = True
    if not hole.any() or hole.all():
        raise ValueError("the box must hold some of the picture, and not all of it")
    after = Inpainter(sampler).fill(pixels, hole)
    before = np.where(hole[..., None], np.uint8(255), pixels)
    return Result(sampler.name, before=to_image(before).convert("RGB"), after=to_image(after).convert("RGB"))


def picture_controls(sampler: Sampler, run: Run, chosen: Values) -> list[Control]:
    """A picture, how large it may be, and the direction of translation."""
    told = f"{SIDE} The command line takes pictures whole: zerosum upscale, translate ..."
    reverse = [Switch("reverse", "The other way round", "Make pictures of the first kind from those of the second.")]
    return [
        Upload("picture", "Picture"),
        Number("side", "Longer side", told, value=256, low=16, high=2_048, step=16, slides=True),
        *(reverse if isinstance(sampler.gan, HasReverse) else []),
    ]  # fmt: skip


def remake(sampler: Sampler, run: Run, values: Values) -> Result:
    """Before and after."""
    if values["picture"] is None:
        raise ValueError("upload a picture first")
    pixels = within(values["picture"], values["side"])
    kinds = run.plain_recipe()["data"].get("kind", "")
    becomes: Becomes = "coloured" if kinds == "colouring" else "same" if kinds == "photographs" else "other"
    enlarger = enlarger_of(Wanted(sampler.gan, becomes, bool(values.get("reverse")), sampler))
    after = to_image(enlarger.enlarge(pixels))
    before = to_image(pixels).resize(after.size, Image.Resampling.BICUBIC)
    if becomes == "coloured":
        before = before.convert("L")
    words = f"{pixels.shape[1]} x {pixels.shape[0]} pixels became {after.width} x {after.height}, by {sampler.name}"
    return Result(words, before=before.convert("RGB"), after=after.convert("RGB"))


@dataclass(frozen=True)
class Wanted:
    """An enlarger of a generator, the same for the same networks."""

    gan: GAN
    becomes: Becomes
    reverse: bool
    sampler: Sampler = field(compare=False)


@lru_cache(4)
def enlarger_of(wanted: Wanted) -> Enlarger:
    """Made once, for its overlap is measured."""
    return Enlarger(wanted.sampler, becomes=wanted.becomes, reverse=wanted.reverse)


def enlarged(pixels: Pixels) -> Pixels:
    """Small pictures `[N, H, W, C]` by a whole number to 256 pixels or more."""
    times = max(1, -(-SMALLEST_SHOWN // min(pixels.shape[1:3])))
    return pixels.repeat(times, 1).repeat(times, 2)
