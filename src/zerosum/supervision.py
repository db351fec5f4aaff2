"""A run under the doctor's eyes: examined now and then, ended when it has converged, brought back when it diverges."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from zerosum import distributed
from zerosum.data import Dataset
from zerosum.diagnose.examination import Reference, Signals, examine
from zerosum.diagnose.verdict import CURES, HEALTHY, Diagnosis, Players, converged, diagnose
from zerosum.game import GAN
from zerosum.recipe import Data, GANConfig, Optimiser, Recipe
from zerosum.run import Run
from zerosum.schedules import Schedule
from zerosum.training.loop import Job
from zerosum.training.state import State

log = logging.getLogger("zerosum")

SOFTER = 0.1
"""Factor of all learning rates at every recovery."""


@dataclass
class Supervisor:
    """Keeps a run's diagnosis. Every process has one, but only the first one's is told to examine.

    Args:
        dataset, train, held_out: the data, and the positions of what is trained on and what is not.
        makes: the key of what is generated.
        show: what is done with every verdict.
    """

    run: Run
    recipe: Recipe
    dataset: Dataset
    train: np.ndarray
    held_out: np.ndarray
    makes: str
    show: Callable[[str], None]
    newest: Diagnosis | None = None
    ending: Literal["converged", "diverging"] | None = None
    """Why the run should not go on: it has converged and is to stop then, or diverges and may be brought back."""

    @property
    def job(self) -> Job:
        """Examine the run, write down what was found, and say the verdict."""
        return Job(self.recipe.jobs.diagnose_every or self.recipe.jobs.sample_every, self.examine)

    @cached_property
    def reference(self) -> Reference:
        """What the run is compared with."""
        return Reference(self.dataset, self.train, self.held_out, self.makes)

    def examine(self, state: State, means: Mapping[str, float]) -> None:
        """One examination, written down; none after the one that ends the run."""
        if self.ending is None:
            self.write_down(self.look(state, means), self.players(state.gan, state.settings))

    def players(self, gan: GAN, optimisers: Mapping[str, Optimiser]) -> Players:
        """Whom advice is given about, and what their family takes."""
        return make_players(gan, optimisers, self.recipe.gan)

    def look(self, state: State, means: Mapping[str, float]) -> Signals:
        """One examination."""
        return examine(
            state.gan,
            state.average,
            self.reference,
            images=state.images,
            progress=min(state.images / self.recipe.train.images, 1.0),
            batch=state.batch // (self.recipe.train.micro_batches * distributed.world_size()),
            means=means,
        )

    def write_down(self, found: Signals, players: Players) -> None:
        """Add to the run's diagnosis."""
        before, self.newest = self.newest.verdict if self.newest else "learning", diagnose([*history(self.run), found], players)
        self.run.append_diagnosis({**found.to_row(), **asdict(self.newest)})
        if before != self.newest.verdict:
            log.info("at %s images: %s", f"{found.images:,}", self.newest)
        self.show(self.newest.verdict)
        if self.newest.verdict == "diverging" and self.may_recover():
            self.ending = "diverging"
        elif self.has_converged():
            self.ending = "converged"

    def has_converged(self) -> bool:
        """Whether the run should end here because it has converged."""
        return self.recipe.jobs.stop_when == "converged" and converged([row["verdict"] for row in self.run.diagnoses()])

    def may_recover(self) -> bool:
        """Whether another recovery is allowed."""
        return len(self.run.recoveries()) < self.recipe.jobs.recover

    def recover(self, images: int, reason: str) -> None:
        """Go back to the newest checkpoint that is no newer than the last healthy examination, and write down why.

        Divergence shows in two examinations: the two before the last are not trusted, whatever was said of them.
        """
        rows = self.run.diagnoses()[:-3]
        healthy = max((row["images"] for row in rows if row["verdict"] in HEALTHY), default=0)
        back_to = max((int(folder.name) for folder in self.run.checkpoints() if int(folder.name) <= healthy), default=0)
        number = len(self.run.recoveries()) + 1
        self.run.add_recovery({"images": images, "reason": reason, "back_to": back_to, "rates_times": SOFTER})
        log.warning(
            "%s. Recovery %d of %d: back to %s images, and on with all learning rates times %g",
            *(reason, number, self.recipe.jobs.recover, f"{back_to:,}", SOFTER**number),
        )


def is_examined(gan: GAN, data: Data) -> bool:
    """Whether the doctor examines such a run: not one that mends what is spoilt anew each time, mostly into what it was."""
    return "source" not in gan.given or data.kind in ("pairs", "colouring", "unpaired")


def history(run: Run) -> list[Signals]:
    """What was found in a run so far."""
    return [Signals.from_row(row) for row in run.diagnoses()]


def make_players(gan: GAN, optimisers: Mapping[str, Optimiser], config: GANConfig) -> Players:
    """The players, with their learning rates and the cures that their family accepts."""
    rates = {name: max(optimiser.rate.start, optimiser.rate.end) for name, optimiser in optimisers.items()}
    cures = frozenset(name for name, value in CURES.items() if takes(config, name, value))
    judges = tuple(name for name in rates if name not in gan.sampler)
    return Players(
        rates, judges, cures if gan.makes == "image" else cures - {"augment"}, images=gan.makes not in ("tokens", "wave")
    )


def takes(config: GANConfig, name: str, value: str | float) -> bool:
    """Whether a family's settings accept a stabiliser."""
    stabilisers = getattr(config, "stabilisers", None)
    if stabilisers is None:
        return False
    try:
        replace(config, stabilisers=replace(stabilisers, **{name: value}))  # type: ignore[call-arg]
    except ValueError:
        return False
    return True


def softened(optimisers: Mapping[str, Optimiser], recoveries: list[dict[str, Any]]) -> dict[str, Optimiser]:
    """The optimisers after these recoveries."""
    factor = float(np.prod([recovery["rates_times"] for recovery in recoveries]))

    def soften(schedule: Schedule) -> Schedule:
        return replace(schedule, start=schedule.start * factor, end=schedule.end * factor)

    return {name: replace(optimiser, rate=soften(optimiser.rate)) for name, optimiser in optimisers.items()}
