"""A generator to give away: a folder with its weights, what they are, and a card to read. Data, never code.

weights.safetensors  config.json  README.md  samples.png
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from safetensors.torch import load as from_safetensors

from zerosum.datacard import DataCard
from zerosum.export.card import model_card
from zerosum.game import GAN
from zerosum.recipe import refuse_newer
from zerosum.run import Run, for_sampling, naming_damage, read_recipe, replacing, serialised, write
from zerosum.sampling import Sampler

VERSION = 1
"""Of the folder's format; a newer one is refused."""
CONFIG, WEIGHTS = "config.json", "weights.safetensors"


@dataclass(frozen=True)
class Release:
    """A released folder."""

    folder: Path

    def config(self) -> dict[str, Any]:
        """What config.json holds.

        Raises:
            ValueError: it is damaged, of a newer version, or of something else than zerosum.
        """
        file = self.folder / CONFIG
        with naming_damage(file):
            config = json.loads(file.read_text())
        if not isinstance(config, dict) or not isinstance(config.get("zerosum"), int):
            raise ValueError(f"{file} is not of a generator that `zerosum export --to safetensors` wrote")
        refuse_newer(config["zerosum"])
        return config

    def load(self, family: str | None = None) -> tuple[GAN, DataCard, str]:
        """The generator, frozen and on the CPU, its data card and its name, as `run.load`.

        Args:
            family: the module of a GAN of the user's own; it is imported only if the caller names it.

        Raises:
            ValueError: a file is missing or damaged, or the family is of the user's own and not named.
        """
        config, file = self.config(), self.folder / CONFIG
        with naming_damage(file):
            card, digest = DataCard.from_json(json.dumps(config["data"])), config["weights_sha256"]
            name, plain = str(config["checkpoint"]), dict(config["recipe"])
        gan = for_sampling(read_recipe(plain, file, family), card)
        with naming_damage(self.folder / WEIGHTS):
            content = (self.folder / WEIGHTS).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{self.folder / WEIGHTS} is not the file that {CONFIG} was written for: fetch it again")
        gan.load_state_dict(from_safetensors(content))
        return gan, card, name


def is_release(folder: Path) -> bool:
    """Whether a folder looks like a release and not like a run."""
    return (folder / CONFIG).is_file() and not (folder / "recipe.json").is_file()


def write_release(folder: Path, sampler: Sampler, run: Run, samples: bytes | None) -> None:
    """Write the folder of a run's generator, whole or not at all.

    Args:
        samples: a PNG file for the card; None: there is none.

    Raises:
        OSError: it cannot be written.
    """
    recipe, weights = public(run.plain_recipe()), serialised(sampler.gan.state_dict())
    config = {
        "zerosum": VERSION,
        "checkpoint": sampler.name,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "recipe": recipe,
        "data": json.loads(sampler.card.to_json()),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as new:
        (new / WEIGHTS).write_bytes(weights)
        write(new / CONFIG, json.dumps(config, indent=2))
        write(new / "README.md", model_card(sampler, run, recipe, samples is not None))
        if samples is not None:
            (new / "samples.png").write_bytes(samples)


def public(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without this machine's folders: of paths only the last name is left."""
    start = recipe["train"].get("start")
    return {
        **recipe,
        "data": {**recipe["data"], "path": last_name(recipe["data"]["path"])},
        "train": {**recipe["train"], "start": None if start is None else last_name(start)},
    }


def last_name(path: str) -> str:
    """The last name of a path, or what it is if it has none."""
    return PurePath(path.replace("\\", "/")).name or path
