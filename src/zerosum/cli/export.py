"""`zerosum export RUN --to onnx|safetensors|page|hub NAME`: a trained generator for other programs, people and browsers."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from torch import Tensor

from zerosum import api
from zerosum.apply.directions import Directions
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.export import hub
from zerosum.export.onnx import Exported, check_packages, export_onnx
from zerosum.export.page import find_runtime, page_settings, write_page
from zerosum.export.release import Release, is_release, public, write_release
from zerosum.pictures import picture
from zerosum.run import Run, write
from zerosum.sampling import Sampler

KINDS = {"onnx": "generator.onnx", "safetensors": "released", "page": "page", "hub": ""}
"""What a generator can become, and where that goes if nothing else is said."""


@dataclass(frozen=True)
class Export:
    """Give a trained generator to other programs, to people, or to browsers. docs/export.md says what each is for."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    to: tuple[str, ...]
    """onnx: a file for any runtime. safetensors: a folder with weights, settings and a model card, for `zerosum.load`. page: a
    folder with a page that runs in browsers. hub USER/NAME: the folder of safetensors, private, on the Hugging Face hub."""
    out: Path | None = None
    """The new file (onnx) or folder. None: generator.onnx, released or page."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""
    reverse: bool = False
    """Of onnx and page, and of cyclegan: the way from the second kind of pictures to the first."""
    directions: Path | None = None
    """Of page: a directions.npz of `zerosum directions`, whose directions become sliders."""
    title: str | None = None
    """Of page: its heading. None: family and data."""
    runtime: Path | None = None
    """Of page: the npm package onnxruntime-web, as a folder or .tgz. None: npm fetches it, once."""


def main(arguments: list[str]) -> int:
    """Export, or say why not."""
    chosen = options(Export, "zerosum export", arguments)
    kind, name = read_kind(chosen)
    out = chosen.out or Path(KINDS[kind])
    if kind != "hub":
        check_new(out)
    if kind in ("onnx", "page"):
        check_packages()
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    if kind == "onnx":
        exported = export_onnx(sampler, recipe_of(chosen.run), chosen.reverse)
        out.parent.mkdir(parents=True, exist_ok=True)
        write(out, exported.content)
        return say(f"{out}\n{told(exported)}")
    if kind == "page":
        return page(chosen, sampler, out)
    if is_release(chosen.run):
        raise ValueError(f"{chosen.run} is what --to safetensors makes already: copy it")
    if kind == "safetensors":
        release(sampler, chosen.run, out)
        return say(f"{out}: fill in the licence in its README.md; `zerosum.load({str(out)!r})` reads it")
    with tempfile.TemporaryDirectory() as folder:
        release(sampler, chosen.run, Path(folder) / "released")
        address = hub.upload(Path(folder) / "released", name)
    return say(f"{address}, private: fill in the licence in its README.md; `zerosum.load({name!r})` reads it")


def read_kind(chosen: Export) -> tuple[str, str]:
    """What is made, and of hub the name there.

    Raises:
        ValueError: there is no such kind, or an option does not belong to it.
    """
    kind, *words = chosen.to
    if kind not in KINDS:
        raise ValueError(f"--to {kind}: choose onnx, safetensors, page, or hub USER/NAME")
    if len(words) != (kind == "hub"):
        wanted = "a name there: --to hub USER/NAME" if kind == "hub" else f"nothing after it, not {' '.join(words)}"
        raise ValueError(f"--to {kind} takes {wanted}")
    if kind == "hub" and chosen.out is not None:
        raise ValueError(f"--to hub writes nothing here: leave --out {chosen.out} out")
    if chosen.reverse and kind not in ("onnx", "page"):
        raise ValueError(f"--reverse is for onnx and page: {kind} holds both ways")
    for option in ("directions", "title", "runtime"):
        if getattr(chosen, option) is not None and kind != "page":
            raise ValueError(f"--{option} is for --to page, not for {kind}")
    return kind, "".join(words)


def check_new(out: Path) -> None:
    """Refuse to write over anything.

    Raises:
        ValueError: it is a file, or a folder that is not empty.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        what = "is there already" if out.is_file() else "is not empty"
        raise ValueError(f"--out {out} {what}: name a new one, exports never write over anything")


def recipe_of(folder: Path) -> dict[str, Any]:
    """The recipe of a run or a released folder, without this machine's folders."""
    if hub.is_name(str(folder)):
        folder = hub.download(str(folder))
    return public(Release(folder).config()["recipe"] if is_release(folder) else Run(folder).plain_recipe())


def page(chosen: Export, sampler: Sampler, out: Path) -> int:
    """Export the page."""
    found = read_directions(chosen.directions, sampler) if chosen.directions else []
    runtime, recipe = find_runtime(chosen.runtime), recipe_of(chosen.run)
    exported = export_onnx(sampler, recipe, chosen.reverse)
    settings = page_settings(sampler, exported, recipe, found, chosen.reverse, chosen.title)
    write_page(out, exported, settings, runtime)
    return say(f"{out / 'index.html'}: open it, or put the folder on any web server\n{told(exported)}")


def read_directions(file: Path, sampler: Sampler) -> list[tuple[str, Tensor]]:
    """Names and shifts of one standard deviation.

    Raises:
        ValueError: they are of another generator's latents, or this one has none.
        FileNotFoundError: there is no such file.
    """
    found, space = Directions.load(file), sampler.latent_space()
    if tuple(found.vectors.shape[1:]) != space.shape:
        theirs = list(found.vectors.shape[1:])
        raise ValueError(f"{file} holds directions of latents {theirs}, not {list(space.shape)}: find some for this run")
    return [(name, found.shift(number, 1.0)) for number, name in enumerate(found.names)]


def release(sampler: Sampler, run: Path, out: Path) -> None:
    """Write the folder of weights, with samples where they need nothing but a seed and a class."""
    labels = sampler.card.labels
    alone = not sampler.gan.given - {"label"} and not ("label" in sampler.gan.given and labels.columns)
    samples = picture(sampler.sample(32), 8) if alone else None
    write_release(out, sampler, Run(run), samples)


def told(exported: Exported) -> str:
    """What a user is told of an ONNX file."""
    inputs = ", ".join(f"{one.name} [{', '.join(map(str, one.shape))}]" for one in exported.inputs)
    return (
        f"takes {inputs}\ngives {', '.join(exported.outputs)}\n"
        f"at most {exported.difference:.1g} from torch on {exported.cases} batches in ONNX Runtime"
    )
