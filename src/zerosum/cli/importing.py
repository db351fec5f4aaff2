"""`zerosum import FILE --out DIR`: a checkpoint of the authors' own code as a run folder, ready to sample from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from pydantic import TypeAdapter
from torch import Tensor

from zerosum import api, gans
from zerosum.cli import explain, say
from zerosum.cli.options import options
from zerosum.data import open_data
from zerosum.data.photographs import shapes_of
from zerosum.datacard import DataCard, Labels
from zerosum.export.files import read_checkpoint
from zerosum.export.formats import FORMATS, find_format, translated
from zerosum.export.importer import Imported
from zerosum.export.networks import Network, choose, find_networks
from zerosum.recipe import Data, Recipe
from zerosum.run import open_run, write
from zerosum.training.state import State


@dataclass(frozen=True)
class Import:
    """Turn a checkpoint of the authors' own code into a run folder. Nothing in the file is run; docs/import.md has the list."""

    file: tyro.conf.Positional[Path]
    """A pickle (.pkl), a file of torch (.pt, .pth) or .safetensors, with the generator."""
    out: Path
    """The new run folder."""
    discriminator: Path | None = None
    """Where the discriminator lies in a file of its own. None: in the same file; without one, training would take a new one."""
    back: Path | None = None
    """Of CycleGAN: the file of the generator of the other way (latest_net_G_B.pth). None: what is made goes one way."""
    format: str | None = None
    """Whose checkpoint it is; None: found by the names of its tensors."""
    labels: str | None = None
    """Of a conditional generator: its class names with commas between, or a text file with one a line. None: numbers."""
    data: str | None = None
    """The data it was trained on, if you have it: classes are named by it, and `zerosum evaluate` needs no --against."""


def main(arguments: list[str]) -> int:
    """Read, translate and write."""
    chosen = options(Import, "zerosum import", arguments)
    check_new(chosen.out)
    if chosen.format is not None:
        find_format((), chosen.format)
    networks, sources = read_networks(chosen.file, "")
    second, more = read_networks(chosen.discriminator, "discriminator_") if chosen.discriminator else ({}, {})
    third, most = read_networks(chosen.back, "back_") if chosen.back else (None, {})
    try:
        checkpoint = choose(networks, second, third)
        name = find_format(checkpoint.average.tensors, chosen.format)
        if third is not None and name != "cyclegan-pix2pix":
            raise ValueError(f"--back is for CycleGAN, and this is of {name}: leave it out")
        imported = translated(checkpoint, name)
        recipe = make_recipe(imported, chosen)
        card = (
            read_card(imported, recipe, chosen)
            if chosen.data
            else make_card(imported, recipe.data, chosen.labels, sources["sha256"])
        )
        state = make_state(imported, recipe, card)
    except ValueError as error:
        raise ValueError(f"{chosen.file} cannot be imported: {explain(error)}") from None
    save(chosen.out, recipe, card, state, {**sources, **more, **most, **described(imported, name, checkpoint.unused)})
    return say(summary(imported, name, chosen.out))


def read_networks(file: Path, prefix: str) -> tuple[dict[str, Network], dict[str, str]]:
    """The networks of a file, and what imported.json says of it, its keys with a prefix.

    Raises:
        ValueError: see `read_checkpoint` and `find_networks`.
    """
    value, digest, size = read_checkpoint(file)
    try:
        return find_networks(value, size), {f"{prefix}file": file.name, f"{prefix}sha256": digest}
    except ValueError as error:
        raise ValueError(f"{file} cannot be imported: {error}") from None


def check_new(folder: Path) -> None:
    """Refuse an output folder that holds something.

    Raises:
        ValueError: it does, or it is a file.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        what = "is a file" if folder.is_file() else "is not empty"
        raise ValueError(f"--out {folder} {what}: name a new folder, imports never write over anything")


def make_recipe(imported: Imported, chosen: Import) -> Recipe:
    """The recipe that would have made these networks, with the optimisers and lengths of the family's own.

    Raises:
        ValueError: the family refuses a setting.
    """
    recipe = gans.get_recipe(imported.recipe)
    settings = {**json.loads(recipe.to_json())["gan"], **imported.gan}
    channels, resolution, _ = imported.image
    known: dict[str, Any] = {"resolution": resolution, "colour": "grey" if channels == 1 else "rgb", **imported.data}
    data = replace(recipe.data, path=chosen.data or f"the data of {chosen.file.name}", labels=(), **known)
    config = TypeAdapter(gans.find(imported.family).config).validate_python(settings)
    return replace(recipe, gan=config, data=data, train=replace(recipe.train, start=None))


def read_card(imported: Imported, recipe: Recipe, chosen: Import) -> DataCard:
    """What the data is that the generator was trained on.

    Raises:
        ValueError: it cannot be read, or does not fit the generator.
    """
    if chosen.labels is not None:
        raise ValueError("--labels: the names of classes are those of --data; leave one of the two out")
    card = open_data(recipe.data).card
    for key, shape in image_shapes(imported, recipe.data).items():
        if card.shapes.get(key) != shape:
            raise ValueError(f"--data {chosen.data} gives images of shape {card.shapes.get(key)}, its generator {shape}")
    if imported.num_classes and len(card.labels.classes) != imported.num_classes:
        raise ValueError(
            f"--data {chosen.data} has {len(card.labels.classes)} classes, its generator {imported.num_classes}: leave it out"
        )
    return card


def image_shapes(imported: Imported, data: Data) -> dict[str, tuple[int, ...]]:
    """The shapes of the images that the networks take and make, by their keys."""
    if data.kind == "photographs":
        return shapes_of(data, imported.image[0])
    sides = {"pairs": ("source", "target"), "unpaired": ("a", "b")}.get(data.kind)
    return {sides[0]: (imported.inputs, *imported.image[1:]), sides[1]: imported.image} if sides else {"image": imported.image}


def make_card(imported: Imported, data: Data, labels: str | None, content: str) -> DataCard:
    """What is known of the data: shapes and classes.

    Raises:
        ValueError: names for another number of classes, twice the same name, or none are needed.
    """
    number = imported.num_classes
    names = tuple(str(index) for index in range(number)) if labels is None else read_names(labels)
    if not number and labels is not None:
        raise ValueError("--labels: this generator has no classes; leave the option out")
    if len(names) != number:
        raise ValueError(f"--labels: {len(names)} names for the {number} classes of this generator")
    if len(set(names)) < number:
        raise ValueError(f"--labels: {next(name for name in names if names.count(name) > 1)!r} stands twice")
    shapes = image_shapes(imported, data)
    if number:
        shapes["label"] = (number,)
    return DataCard(num_examples=0, content=f"imported {content}", shapes=shapes, labels=Labels(classes=names))


def read_names(labels: str) -> tuple[str, ...]:
    """Names of classes: from a file with one a line, or with commas between."""
    try:
        lines = Path(labels).read_text().splitlines() if Path(labels).is_file() else labels.split(",")
    except OSError:  # too long to be the name of a file
        lines = labels.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def make_state(imported: Imported, recipe: Recipe, card: DataCard) -> State:
    """The networks at 0 images, with the weights of the checkpoint.

    Raises:
        ValueError: the weights do not fit the networks, or are not finite.
    """
    gan = api.build_gan(recipe, card, torch.device("cpu"))
    parts = {
        name: value for name, value in gan.state_dict().items() if name.partition(".")[0] in (*gan.sampler, "discriminator")
    }
    discriminator = {name: value for name, value in parts.items() if name.startswith("discriminator.")}
    generator = {name: value for name, value in parts.items() if name not in discriminator}
    check_fit("generator", generator, imported.generator)
    check_fit("averaged generator", generator, imported.average)
    weights = dict(imported.generator)
    if imported.discriminator is not None:
        check_fit("discriminator", discriminator, imported.discriminator)
        weights |= imported.discriminator
    gan.load_state_dict(weights, strict=False)
    state = State(gan, recipe.optimisers, recipe.train.batch, recipe.train.balance)
    state.average.load_state_dict(imported.average, strict=False)
    if not state.is_finite():
        raise ValueError("some of its weights are NaN or infinite: it is of a training that diverged")
    return state


def check_fit(what: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not those of our network, one for one.

    Raises:
        ValueError: with some that are missing, too many, or of another shape.
    """
    for found, verb in ((set(ours) - set(theirs), "lacks"), (set(theirs) - set(ours), "has, unlike ours,")):
        if found:
            raise ValueError(f"its {what} {verb} {len(found)} tensors, such as {', '.join(sorted(found)[:3])}")
    for name, value in ours.items():
        if value.shape != theirs[name].shape:
            shapes = f"{list(theirs[name].shape)}, ours {list(value.shape)}"
            raise ValueError(f"its {what} is built differently: {name} has shape {shapes}")


def described(imported: Imported, name: str, unused: Iterable[str]) -> dict[str, Any]:
    """What imported.json says beside the files' names."""
    return {
        "format": name,
        "about": FORMATS[name].about,
        "family": imported.family,
        "mapped": {"generator": len(imported.generator), "discriminator": len(imported.discriminator or ())},
        "discriminator": "imported" if imported.discriminator is not None else "new: the file has none",
        "ignored": {**imported.ignored, **dict.fromkeys(unused, "no network that is needed")},
        "remarks": list(imported.remarks),
    }


def save(folder: Path, recipe: Recipe, card: DataCard, state: State, report: Mapping[str, Any]) -> None:
    """Write the run folder.

    Raises:
        OSError: it cannot be written.
    """
    run = open_run(folder, recipe, card)
    run.save(0, state.state_dict(), state.average.state_dict(), recipe.jobs.keep)
    write(folder / "imported.json", json.dumps(report, indent=2))


def summary(imported: Imported, name: str, folder: Path) -> str:
    """What a user is told at the end."""
    channels, height, width = imported.image
    classes = f", {imported.num_classes} classes" if imported.num_classes else ""
    lines = [
        f"imported  {FORMATS[name].about}, as {imported.family}: {height} x {width} x {channels}{classes}",
        *(f"remark    {remark}" for remark in imported.remarks),
    ]
    if imported.discriminator is None:
        lines.append("remark    the file has no discriminator: training from here would begin with a new one")
    use = f"zerosum sample {folder} -n 64 --out grid.png"
    if scale := imported.data.get("scale"):
        use = f"zerosum {'restore' if scale == 1 else 'upscale'} {folder} PICTURE ... --out made"
    if imported.inputs:
        use = f"zerosum translate {folder} PICTURE ... --out translated"
    return "\n".join([*lines, f"use it    {use}"])
