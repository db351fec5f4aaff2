"""Pictures made into another kind: all together like pictures of that kind, and each still the one that it was.

Near to the kind: Frechet and kernel distance to real pictures of it. Still the same: retrieval of the own partner among all
truths, and the cycle error |F(G(a)) - a| of a generator that goes both ways (Zhu et al. 2017, sec. 3.2). A copy of the source
is best in the second and worst in the first, so that both are needed. What is made is rounded to 8 bits first, as files are.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zerosum.evaluate.arrays import Features
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import bootstrap_interval
from zerosum.evaluate.pairs import as_bytes
from zerosum.evaluate.runner import Examples, evaluate_features
from zerosum.features import FeatureNetwork

Make = Callable[[Tensor], Tensor]
"""Pictures `[N, C, H, W]` in [-1, 1] to such of the other kind."""

BATCH = 64
"""Pictures made at once."""
TIE = 1e-6
"""Cosines closer than this are equal, and features shorter than this are none."""
OWN = "higher is better: the share whose own truth is the nearest of all; beside it that of the truths themselves"
CYCLE = "lower is better: levels of 255 by which what comes back differs from the source"
"""What a reader must know of these."""


def retrieval(made: Features, truths: Features) -> list[float]:
    """Of every row of features `[N, D]` whether its own truth, of all truths `[N, D]`, is the nearest by angle: 1 or 0.

    Where several are equally near, its own among them, it counts as their share.

    Raises:
        ValueError: features of two shapes.
    """
    if made.shape != truths.shape:
        raise ValueError(f"features of shape {list(made.shape)} beside truths of {list(truths.shape)}: they must be alike")
    # Blank pictures may have no features at all: these are as near to one truth as to another.
    lengths = [np.linalg.norm(side, axis=1, keepdims=True) for side in (made, truths)]
    rows, columns = (np.asarray(side) / np.maximum(length, TIE) for side, length in zip((made, truths), lengths, strict=True))
    nearness = rows @ columns.T
    nearest = nearness >= nearness.max(1, keepdims=True) - TIE
    found: list[float] = (nearest.diagonal() / nearest.sum(1)).tolist()
    return found


def cycle_errors(pictures: Tensor, made: Tensor, back: Make) -> list[float]:
    """The mean absolute difference, in levels of 255, between every picture and what comes back of what was made of it."""
    return ((in_batches(back, made) - pictures).abs().flatten(1).mean(1) * 127.5).tolist()


def translated_figures(
    made: Mapping[str, Tensor],
    sources: Tensor,
    targets: Tensor,
    domain: Features,
    network: FeatureNetwork,
    *,
    back: Make | None = None,
    split: str,
    generator: str,
    seed: int = 0,
) -> list[Figure]:
    """Every metric of the first of what was made of the sources, and below it those of the others, by their names.

    Args:
        made: method -> pictures `[N, C, H, W]` in [-1, 1]. The first is the generator, whose name is not shown.
        sources, targets: the same, the truth of each at its place.
        domain: features `[M, D]` of real pictures of the target's kind, best of other things than the targets show.
        back: of a generator that goes both ways: the other way.
        split: which pairs they are, in a word.
        seed: of intervals and floors.

    Raises:
        ValueError: fewer than 24 pairs or pictures of the kind.
    """
    rounded = {name: as_bytes(pictures) for name, pictures in made.items()}
    truths, known, figures = network(as_bytes(targets)).numpy(), network.provenance, list[Figure]()
    for place, (name, pixels) in enumerate(rounded.items()):
        features, by = network(pixels).numpy(), "" if place else generator
        distances = evaluate_features(
            Examples(domain),
            Examples(features),
            ("fid", "kid"),
            judge=known.name,
            judge_hash=known.sha256,
            resize=known.resize,
            runtime=known.runtime,
            split="of the kind",
            generator=by,
            seed=seed,
        )
        own = replace(distances[0], name="retrieval", split=split, num_real=len(truths), note=OWN)
        found = [_mean(own, retrieval(features, truths), float(np.mean(retrieval(truths, truths)))), *distances]
        figures += [replace(figure, name=f"{figure.name} ({name})") if place else figure for figure in found]
    if back is not None:
        first = next(iter(rounded.values())).float() / 127.5 - 1
        errors = cycle_errors(sources, first, back)
        cycle = replace(figures[0], name="cycle", judge="pixels", judge_hash="none", resize="as they are", note=CYCLE)
        figures.append(_mean(cycle, errors, None))
    return figures


def _mean(figure: Figure, values: list[float], floor: float | None) -> Figure:
    """The figure with the mean of a value of every pair."""
    interval = bootstrap_interval(values, seed=figure.seed)
    return replace(figure, value=float(np.mean(values)), interval=interval, floor=floor)


def in_batches(make: Make, pictures: Tensor) -> Tensor:
    """What is made of many pictures, a few at once."""
    return torch.cat([make(part) for part in torch.split(pictures, BATCH)])


def mean_of(pictures: Tensor) -> Make:
    """What costs nothing: the mean colour of pictures `[M, C, H, W]`, whatever the source is."""
    colour = pictures.mean((0, 2, 3)).reshape(1, -1, 1, 1)
    return lambda sources: colour.expand(len(sources), -1, *sources.shape[2:])
