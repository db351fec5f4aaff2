"""Evaluation while a run goes on: a job that judges the averaged generator, writes the figures down and keeps the best one."""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from zerosum import distributed, features
from zerosum.data import Captioned, Dataset, Images
from zerosum.evaluate.figures import HIGHER_IS_BETTER, LOWER_IS_BETTER, Figure, from_plain, shown_name, to_plain
from zerosum.evaluate.metrics import needed, read_metrics
from zerosum.evaluate.runner import LEAST, METRICS
from zerosum.evaluate.samples import data_examples, generated_examples
from zerosum.evaluate.sides import Sides, measure
from zerosum.features import FeatureNetwork
from zerosum.game import GAN
from zerosum.recipe import Jobs, Recipe
from zerosum.run import Run, serialised, write
from zerosum.sampling import Sampler
from zerosum.training.jobs import Show
from zerosum.training.loop import Job
from zerosum.training.state import State

log = logging.getLogger("zerosum")

SEED = 1_000_000_000
"""Of the first sample and of all that is drawn: far from the seeds of the sample grids and from those that people choose."""
MUCH = 0.1
"""Share of the best value by which another must be worse to be called so, where no intervals are known."""


@dataclass(frozen=True)
class Judge:
    """What is measured during training, and how often."""

    network: FeatureNetwork
    metrics: tuple[str, ...]
    """The first decides which checkpoint is best."""
    num_samples: int
    every: int
    """Images between two evaluations."""

    @property
    def needs(self) -> set[str]:
        """What the metrics need beside features."""
        return needed(self.metrics)


def load_judge(jobs: Jobs, device: torch.device) -> Judge | None:
    """The judge that the jobs ask for, if they do; torch's random stream is left as it was.

    Raises:
        ValueError: an unknown metric or judge, or metrics that cannot be measured or compared during training.
    """
    if jobs.evaluate_every is None:
        return None
    first, *_ = metrics = read_metrics(jobs.metrics)
    if first not in LOWER_IS_BETTER | HIGHER_IS_BETTER:
        choices = ", ".join(name for name in METRICS if name in LOWER_IS_BETTER | HIGHER_IS_BETTER)
        raise ValueError(
            f"jobs.metrics: the first decides which checkpoint is best, but {first} is neither better the lower nor the "
            f"higher it is; put one of these first: {choices}"
        )
    others = [name for name in metrics if name not in METRICS or "train" in needed([name])]
    if others:
        raise ValueError(
            f"jobs.metrics: {', '.join(others)} cannot be measured during training; use `zerosum evaluate` for them"
        )
    with distributed.first_alone(), unmoved(device):
        network = features.load(jobs.judge, device)
    if "logits" in needed(metrics) and network.logits is None:
        raise ValueError(f"jobs.metrics: the inception-score needs logits, which jobs.judge {jobs.judge} has none of")
    return Judge(network, tuple(metrics), jobs.evaluate_samples, jobs.evaluate_every)


def check(judge: Judge, gan: GAN, dataset: Dataset) -> None:
    """See that this judge can judge what the GAN makes of this data.

    Raises:
        ValueError: not images, too few, or metrics per class without classes.
    """
    if gan.makes != "image" or not isinstance(dataset, Images | Captioned):
        raise ValueError("jobs.evaluate_every: the judge looks at images, which this run does not make; leave it out")
    if len(dataset) < LEAST:
        raise ValueError(f"jobs.evaluate_every: at least {LEAST} real images are needed to judge by, not {len(dataset)}")
    if "labels" in judge.needs and not ("label" in gan.given and dataset.card.labels.classes):
        raise ValueError("jobs.metrics: metrics per class are for generators conditioned on classes; leave them out")


def judge_job(judge: Judge, run: Run, recipe: Recipe, dataset: Dataset, show: Show) -> Job:
    """Judge the averaged generator; real features are computed, or found in the cache, here and now.

    Every process takes its share of the samples, the first one measures. A run that is stopped between two evaluations is not
    judged once more, so that a resumed run has the same evaluations as one that was never stopped.
    """
    assert isinstance(dataset, Images | Captioned)
    device, network, needs = judge.network.device, judge.network, judge.needs
    with unmoved(device):
        real = data_examples(dataset, network, 2 * judge.num_samples, SEED, needs=needs, labels=dataset.card.labels)

    def evaluate(state: State, means: dict[str, float]) -> None:
        if state.images % judge.every >= state.batch and state.images < recipe.train.images:
            return
        weights = serialised(state.average.state_dict())
        sampler = Sampler(state.average, dataset.card, device, run.named(state.images, weights))
        with unmoved(device):
            fake = generated_examples(sampler, network, judge.num_samples, SEED, like=dataset, needs=needs, quiet=True)
        if distributed.rank() > 0:
            return
        figures = measure(Sides(real, fake, "train", recipe.data, sampler.name), judge.metrics, network, SEED, num_subsets=0)
        row = {"images": state.images, "step": state.step, **{f"metric/{figure.name}": figure.value for figure in figures}}
        run.append_stats(row)
        show(row)
        keep(run, state.images, weights, figures)

    return Job(judge.every, evaluate, together=True)


def keep(run: Run, images: int, weights: bytes, figures: Sequence[Figure]) -> None:
    """Write metrics.json, and keep the generator if it is better than the best one so far."""
    text = json.dumps(to_plain(figures), indent=2, allow_nan=False) + "\n"
    write(run.folder / "metrics.json", text)
    best = find_alike(best_figures(run), figures[0])
    if best is None and run.best_checkpoints():
        log.info("the best checkpoint is from now on that of the best %s, measured as it is now", figures[0].name)
    if best is None or is_better(figures[0], best):
        run.save_best(images, weights, text)


@contextmanager
def unmoved(device: torch.device) -> Iterator[None]:
    """Leave torch's random streams as they were before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def best_figures(run: Run) -> list[Figure]:
    """What was measured of the run's best generator; nothing where there is none."""
    return read_figures(folder / "metrics.json") if (folder := run.best_checkpoint()) else []


def read_figures(file: Path) -> list[Figure]:
    """The figures in a metrics.json; none where it is not there, or of another version."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        return from_plain(json.loads(file.read_text()))
    return []


def find_alike(figures: Sequence[Figure], wanted: Figure) -> Figure | None:
    """The figure among these that was measured in the same way, so that it can be compared with the wanted one."""

    def way(figure: Figure) -> tuple[object, ...]:
        return figure.name, figure.judge_hash, figure.resize, figure.num_real, figure.num_fake, figure.split, figure.seed

    return next((figure for figure in figures if way(figure) == way(wanted)), None)


def is_lower_better(figure: Figure) -> bool:
    """Whether small values of the figure are good ones."""
    return figure.name in {shown_name(metric, figure.judge) for metric in LOWER_IS_BETTER}


def is_better(one: Figure, other: Figure) -> bool:
    """Whether one figure is better than another that is measured alike; NaN is worse than any number."""
    if math.isnan(one.value) or math.isnan(other.value):
        return not math.isnan(one.value)
    return one.value < other.value if is_lower_better(one) else one.value > other.value


def find_decline(run: Run) -> tuple[Figure, Figure] | None:
    """The run's last figure and its best one, if the last is much worse.

    That is, their intervals do not overlap; where there are none, they differ by more than a tenth of the best value.
    """
    best = next(iter(best_figures(run)), None)
    last = best and find_alike(read_figures(run.folder / "metrics.json"), best)
    if not best or not last or not is_better(best, last):
        return None
    if best.interval and last.interval:
        (low, high), (best_low, best_high) = last.interval, best.interval
        return (last, best) if low > best_high or high < best_low else None
    return (last, best) if not abs(last.value - best.value) <= MUCH * abs(best.value) else None
