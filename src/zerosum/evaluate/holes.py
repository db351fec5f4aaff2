"""Holes in pictures that were filled, beside the pictures themselves and what costs nothing: one colour, and diffusion.

Every filling is judged on the same holes, and over all of the picture, whose known pixels are right in all of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import coo_matrix, diags  # type: ignore[import-untyped]
from scipy.sparse.linalg import splu  # type: ignore[import-untyped]
from torch import Tensor

from zerosum.evaluate.figures import Figure
from zerosum.evaluate.pairs import HIGHER_IS_BETTER, Pair, compared, figure_of, judge_pair
from zerosum.evaluate.runner import LEAST, Examples, evaluate_features
from zerosum.features import FeatureNetwork
from zerosum.features.perceptual import Perceptual
from zerosum.pictures import to_pixels

Fill = Callable[[Tensor], Tensor]
"""A picture with a hole `[1, C + 1, H, W]` to one without `[1, C, H, W]`, both in [-1, 1]."""

MOST_PARTS = 1_000
"""Parts of pictures that distances of distributions are taken between."""


def mean_colour(source: Tensor) -> Tensor:
    """The hole in the mean of all that is known."""
    picture, known = source[:, :-1], source[:, -1:] > 0
    mean = (picture * known).sum((2, 3), keepdim=True) / known.sum().clamp(min=1)
    return torch.where(known, picture, mean)


def diffuse(source: Tensor) -> Tensor:
    """The hole as smooth as can be: each of its pixels is the mean of its neighbours (Laplace's equation), solved exactly.

    At the picture's border the neighbours are those that there are.

    Raises:
        ValueError: nothing is known.
    """
    picture, hole = source[0, :-1].double().numpy(), (source[0, -1] <= 0).numpy()
    if hole.all():
        raise ValueError("nothing of the picture is known: there is nothing that could spread into the hole")
    numbers = np.full(hole.shape, -1)
    numbers[hole] = np.arange(hole.sum())
    degree, known = np.zeros(hole.sum()), np.zeros((hole.sum(), len(picture)))
    rows, columns = list[np.ndarray](), list[np.ndarray]()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        here, there = (_shifted(hole.shape, axis, side) for side in (step, -step))
        inside = hole[here]
        ours, theirs = numbers[here][inside], numbers[there][inside]
        np.add.at(degree, ours, 1)
        open_ = theirs >= 0
        rows.append(ours[open_])
        columns.append(theirs[open_])
        np.add.at(known, ours[~open_], picture[:, *there][:, inside][:, ~open_].T)
    neighbours = np.concatenate(rows), np.concatenate(columns)
    laplacian = diags(degree) - coo_matrix((np.ones(len(neighbours[0])), neighbours), (len(degree), len(degree)))
    filled = picture.copy()
    if len(degree):
        filled[:, hole] = splu(laplacian.tocsc()).solve(known).T
    return torch.from_numpy(filled)[None].to(source)


def _shifted(shape: tuple[int, ...], axis: int, step: int) -> tuple[slice, slice]:
    """All places that have a neighbour `step` further along an axis."""
    part = slice(None, -1) if step > 0 else slice(1, None)
    return (part, slice(None)) if axis == 0 else (slice(None), part)


FREE: Mapping[str, Fill] = {"diffusion": diffuse, "mean colour": mean_colour}
"""What costs nothing, by name."""


def hole_figures(
    make: Fill,
    pairs: Iterable[Pair],
    perceptual: Perceptual,
    network: FeatureNetwork,
    side: int,
    *,
    split: str,
    generator: str,
    seed: int = 0,
) -> list[Figure]:
    """Every metric of pairs for what `make` makes and below it for what costs nothing, then distances of distributions.

    Args:
        network: gives the features of the latter.
        side: pixels a side of the parts that pictures are cut into for these; they are left out where there are fewer than 24.
        split: which pairs they are, in a word.
        seed: of the bootstrap and of what is drawn.

    Raises:
        ValueError: fewer than 2 pairs, or as `judge_pair`.
    """
    fills = {"": make, **FREE}
    rows: dict[str, list[Mapping[str, float]]] = {name: [] for name in fills}
    parts: dict[str, list[Tensor]] = {name: [] for name in (*fills, "truth")}
    for source, target in pairs:
        parts["truth"] += cut(target, side)
        for name, fill in fills.items():
            filled = fill(source)
            rows[name].append(judge_pair(filled, target, perceptual))
            parts[name] += cut(filled, side)
    figures = []
    for metric, higher in HIGHER_IS_BETTER.items():
        values = {name: [row[metric] for row in found] for name, found in rows.items()}
        notes = [compared(values[""], values[name], higher, name).split("; ") for name in FREE]
        note = "; ".join([*notes[0], *(rest[-1] for rest in notes[1:])])
        figures.append(figure_of(metric, values[""], split, generator, seed, note))
        figures += [figure_of(f"{metric} ({name})", values[name], split, "", seed, "what costs nothing") for name in FREE]
    return figures + _distances(parts, network, split=split, generator=generator, seed=seed)


def cut(pictures: Tensor, side: int) -> list[Tensor]:
    """The whole parts of side x side pixels of a picture `[1, C, H, W]`, uint8 `[C, side, side]`."""
    pixels = torch.from_numpy(to_pixels(pictures)[0]).permute(2, 0, 1)
    height, width = (length // side * side for length in pixels.shape[1:])
    return [
        pixels[:, top : top + side, left : left + side].contiguous()
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def _distances(
    parts: Mapping[str, list[Tensor]], network: FeatureNetwork, split: str, generator: str, seed: int
) -> list[Figure]:
    """Frechet and kernel distance of every filling to the truth, of the same parts."""
    count = len(parts["truth"])
    if count < LEAST:
        return []
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_PARTS])
    features = {name: network(torch.stack([found[place] for place in chosen])).numpy() for name, found in parts.items()}
    known, figures = network.provenance, list[Figure]()
    for name in ("", *FREE):
        made = evaluate_features(
            Examples(features["truth"]),
            Examples(features[name]),
            ("fid", "kid"),
            judge=known.name,
            judge_hash=known.sha256,
            resize=known.resize,
            runtime=known.runtime,
            split=split,
            generator="" if name else generator,
            seed=seed,
        )
        figures += [replace(figure, name=f"{figure.name} ({name})") if name else figure for figure in made]
    return figures
