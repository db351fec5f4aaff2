"""`zerosum project RUN IMAGE...`: the latents of images, and a generator tuned to them."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from torch import Tensor

from zerosum import api
from zerosum.apply.project import Projection, project
from zerosum.apply.tune import Tuned, save_tuned, tune
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.cli.sample import read_label
from zerosum.data.images import SUFFIXES, UnreadableError, naming_damage, prepare
from zerosum.pictures import picture, to_pixels
from zerosum.run import Run, check_folder, write
from zerosum.sampling import Sampler


@dataclass(frozen=True)
class Project:
    """Find the latents that make what is most like some images, and tune the generator until it makes them exactly."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Images of any size and mode, or folders of them; they are prepared as for training."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""
    space: Literal["z", "w", "w+"] | None = None
    """z: latents as they are drawn. w: one that all layers share; w+: one per layer, nearer to the image but harder to edit.
    None: z or w+, whichever the generator has."""
    steps: int = 300
    """Of the descent to the latents."""
    candidates: int = 512
    """Random latents of which the best is the start."""
    tune: int = 0
    """Steps of pivotal tuning of the generator's weights, such as 200; 0: none."""
    locality: float = 0.0
    """Of tuning: weight of leaving alone what is made around the images, such as 1."""
    label: str | None = None
    """Of a conditional run, as in `zerosum sample`; None: of each image that of the best start."""
    seed: int = 0
    """Of all that is random."""
    out: Path = Path("projected")
    """A folder: projected.png (target, projection, tuned), latent.npz, errors.json, and the run folder tuned/."""


def main(arguments: list[str]) -> int:
    """Project, tune and write."""
    chosen = options(Project, "zerosum project", arguments)
    if chosen.tune < 0:
        raise ValueError(f"--tune must be 0 (none) or more steps, not {chosen.tune}")
    if chosen.locality and not chosen.tune:
        raise ValueError("--locality is for tuning: give --tune too")
    run, files = Run(chosen.run), image_files(chosen.images)
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    if chosen.tune:
        check_folder(chosen.out / "tuned")
    targets = read_images(files, sampler, run.recipe(chosen.family).data.fit)
    label = None if chosen.label is None else read_label(chosen.label)
    settings = {"steps": chosen.steps, "candidates": chosen.candidates, "seed": chosen.seed}
    found = project(sampler, targets, space=chosen.space, label=label, quiet=False, **settings)
    tuned = tune(sampler, found, steps=chosen.tune, locality=chosen.locality, quiet=False) if chosen.tune else None
    save(chosen.out, sampler, files, found, tuned)
    if tuned:
        save_tuned(run, chosen.family, chosen.checkpoint, tuned, chosen.out / "tuned")
    after = f", {tuned.psnr(found.targets).mean():.1f} dB tuned" if tuned else ""
    return say(f"{len(files)} images projected: {found.psnr.mean():.1f} dB{after}, in {chosen.out}")


def image_files(paths: tuple[Path, ...]) -> list[Path]:
    """The files that are meant, those of folders by name.

    Raises:
        FileNotFoundError: there is nothing at a path, or no image in a folder.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(file for file in path.glob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found or not found[0].is_file():
            raise FileNotFoundError(f"{path} holds no images" if path.is_dir() else f"there is no image {path}")
        files += found
    if not files:
        raise ValueError("name at least one image to project: zerosum project RUN IMAGE...")
    return files


def read_images(files: list[Path], sampler: Sampler, fit: Literal["crop", "letterbox"]) -> Tensor:
    """Images as the generator makes them, `[N, C, H, W]` in [-1, 1].

    Raises:
        ValueError: a file is no image, or the generator makes none.
    """
    if sampler.gan.makes != "image":
        raise ValueError(f"this generator makes {sampler.gan.makes}s: only those that make images have images projected")
    channels, resolution = sampler.card.shapes["image"][:2]
    pixels = []
    for file in files:
        try:
            with naming_damage():
                pixels.append(prepare(file.read_bytes(), resolution, fit, "grey" if channels == 1 else "rgb"))
        except UnreadableError as problem:
            raise ValueError(f"{file} cannot be read: {problem}") from None
    return torch.from_numpy(np.stack(pixels)).float() / 127.5 - 1


def save(out: Path, sampler: Sampler, files: list[Path], found: Projection, tuned: Tuned | None) -> None:
    """Write the picture, the latents and the errors."""
    out.mkdir(parents=True, exist_ok=True)
    shown = [found.targets, found.images, *([tuned.images] if tuned else [])]
    write(out / "projected.png", picture(to_pixels(torch.stack(shown, 1).flatten(0, 1)), len(shown)))
    stream = io.BytesIO()
    arrays = {"latents": found.latents.cpu().numpy(), "seed": np.array(found.seed)}
    arrays |= {} if found.label is None else {"label": found.label.cpu().numpy()}
    np.savez(stream, allow_pickle=False, **arrays)
    write(out / "latent.npz", stream.getvalue())
    after = tuned.psnr(found.targets).tolist() if tuned else [None] * len(files)
    images = [
        {"file": str(file), "psnr": round(value, 3), "psnr_tuned": None if last is None else round(last, 3)}
        for file, value, last in zip(files, found.psnr.tolist(), after, strict=True)
    ]
    told = {
        "generator": sampler.name,
        "images": images,
        "projection_errors": found.errors.T.tolist(),
        "tuning_errors": tuned.errors.tolist() if tuned else [],
    }
    write(out / "errors.json", json.dumps(told, indent=2))
