"""Data sets and trained generators as examples: their pixels through a feature network.

Where several processes work together, each takes a share and gets the whole, so every process must make the same calls.
"""

import hashlib
import io
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor

from zerosum import distributed
from zerosum.caches import cache_folder
from zerosum.data import Captioned, Images
from zerosum.datacard import Labels
from zerosum.evaluate.intervals import Positions
from zerosum.evaluate.runner import Examples
from zerosum.features import FeatureNetwork
from zerosum.game import Batch, HasPrompts
from zerosum.noise import SeededNoise, derive_seed
from zerosum.pictures import to_pixels
from zerosum.run import write
from zerosum.sampling import BATCH, Sampler, generate


def data_examples(
    dataset: Images | Captioned,
    network: FeatureNetwork,
    at_most: int | None = None,
    seed: int = 0,
    *,
    among: Positions | None = None,
    needs: Collection[str] = (),
    labels: Labels | None = None,
    cache: Path | None = None,
) -> Examples:
    """Examples of a data set; their features are kept by content, network and choice, and computed only once.

    Args:
        at_most: how many are drawn, without repetition; None: all.
        seed: of the choice.
        among: the positions that they are drawn from; None: all.
        needs: what is wanted beside features, out of "labels", "logits", "images".
        labels: the numbering of classes to use; None: the data set's own.
        cache: the folder that holds the features; default `cache_folder() / "features"`.

    Raises:
        ValueError: labels are needed and there are none, or of other classes.
        OSError: the cache cannot be written.
    """
    dataset = dataset.pictures if isinstance(dataset, Captioned) else dataset
    positions = choose(len(dataset) if among is None else len(among), at_most, seed)
    positions = positions if among is None else among[positions]
    classes = None
    if "labels" in needs:
        classes = recode(dataset, positions, labels or dataset.card.labels)
    folder = cache or cache_folder() / "features"
    folder.mkdir(parents=True, exist_ok=True)
    features = _kept(
        folder / f"{key(dataset.card.content, network, positions)}.npy",
        lambda: through(network, len(positions), lambda part: take(dataset, positions[part]), "features of real images"),
        len(positions),
    )
    images = take(dataset, positions).numpy() if "images" in needs else None
    return Examples(features, classes, find_logits(network, features, needs), images)


def generated_examples(
    sampler: Sampler,
    network: FeatureNetwork,
    n: int,
    seed: int = 0,
    *,
    like: Images | Captioned | None = None,
    needs: Collection[str] = (),
    quiet: bool = False,
) -> Examples:
    """`n` samples of a trained generator of images, from seeds seed, seed + 1, ...

    Args:
        like: of a conditional generator: the data whose labels or captions it is given, drawn without repetition while they
            last, so that they are as frequent as there.
        needs: what is wanted beside features, out of "labels", "logits", "images".
        quiet: show no progress.

    Raises:
        ValueError: a conditional generator without data that has its labels.
    """
    given, kept = draw_given(sampler, like, n, seed), [torch.empty((0, 0, 0, 0), dtype=torch.uint8)]

    def draw(part: slice) -> Tensor:
        seeds = range(seed, seed + n)[part]
        own = {key: value[part].to(sampler.device) for key, value in given.items()}
        made = generate(sampler.gan, own, lambda inner: SeededNoise(seeds[inner], sampler.device), len(seeds))
        pixels = torch.from_numpy(to_pixels(made)).permute(0, 3, 1, 2)
        if "images" in needs:
            kept.append(pixels)
        return pixels

    features = through(network, n, draw, "" if quiet else "features of samples")
    classes = given["label"].argmax(1).numpy() if "label" in given and "labels" in needs else None
    images = distributed.concat_over_ranks(torch.cat(kept[1:] or kept)).numpy() if "images" in needs else None
    return Examples(features, classes, find_logits(network, features, needs), images)


def draw_given(sampler: Sampler, like: Images | Captioned | None, n: int, seed: int) -> Batch:
    """What a conditional generator is given for `n` samples, labels or captions as they occur in a data set; else nothing.

    Raises:
        ValueError: no data, or it has other labels, or no captions.
    """
    gan = sampler.gan
    if "label" not in gan.given and not isinstance(gan, HasPrompts):
        return {}
    if like is None:
        raise ValueError("a conditional generator needs data whose labels or captions it is given: like=")
    order = condition_order(len(like), n, seed)
    if isinstance(gan, HasPrompts):
        if not isinstance(like, Captioned):
            raise ValueError("this generator makes images of captions, but the real images have none: give such as have")
        return sampler.read([like.texts[index][0] for index in order.tolist()])
    if isinstance(like, Captioned):
        raise ValueError("this generator is given labels, but the real images are read with captions: leave out data.kind")
    values = recode(like, order, sampler.card.labels)
    return {"label": torch.from_numpy(values) if sampler.card.labels.columns else torch.eye(sampler.card.labels.width)[values]}


def condition_order(count: int, n: int, seed: int) -> Positions:
    """The positions of the examples whose labels or captions `n` samples are given."""
    return np.resize(np.random.default_rng(derive_seed(seed, "labels")).permutation(count), n)


def recode(dataset: Images, positions: Positions, ours: Labels) -> NDArray[Any]:
    """The labels of examples, as `ours` codes them: class numbers `[N]`, or columns float32 `[N, L]`.

    Raises:
        ValueError: the data set has no labels, a class that `ours` lacks, or other columns.
    """
    theirs = dataset.card.labels
    if dataset.labels is None:
        raise ValueError(
            "the real images have no labels, but they are needed here: put each class into a sub-folder of its own"
        )
    names = [[column.name for column in labels.columns] for labels in (theirs, ours)]
    unknown = [name for name in theirs.classes if name not in ours.classes]
    if names[0] != names[1] or unknown:
        raise ValueError(f"labels do not fit together: {unknown or names[0]} here, {list(ours.classes) or names[1]} expected")
    values: NDArray[Any] = dataset.labels[positions]
    if theirs.classes:
        return np.array([ours.classes.index(name) for name in theirs.classes]).take(values)
    (mean, scale), (our_mean, our_scale) = (
        np.array([(column.mean, column.scale) for column in labels.columns]).T for labels in (theirs, ours)
    )
    return np.asarray((values * scale + mean - our_mean) / our_scale, np.float32)


def choose(count: int, at_most: int | None, seed: int) -> Positions:
    """Positions of a random choice of examples, in ascending order; all where there are no more."""
    if at_most is None or at_most >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(derive_seed(seed, "real")).permutation(count)[:at_most])


def take(dataset: Images, positions: Positions) -> Tensor:
    """Pixels uint8 `[N, C, H, W]`."""
    return torch.from_numpy(np.take(dataset.images, positions, axis=0))


def through(network: FeatureNetwork, count: int, draw: Callable[[slice], Tensor], title: str) -> NDArray[np.float32]:
    """Features `[count, D]` of the pixels that `draw` gives of each slice; with a title, a terminal sees how far it is.

    Processes share the slices, each taking neighbouring ones. The slices do not depend on their number, so neither do the bits.
    """
    parts = [slice(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    rank, size = distributed.rank(), distributed.world_size()
    own = parts if size == 1 else parts[len(parts) * rank // size : len(parts) * (rank + 1) // size]
    console = Console(stderr=True)
    shown = track(own, title, console=console, disable=not (title and console.is_terminal and rank == 0))
    features = [network(draw(part)) for part in shown]
    return distributed.concat_over_ranks(torch.cat(features) if features else torch.empty(0, 0)).numpy()


def find_logits(network: FeatureNetwork, features: NDArray[np.float32], needs: Collection[str]) -> Tensor | None:
    """Logits `[N, K]`, if they are needed and the network has them."""
    if "logits" not in needs or network.logits is None:
        return None
    return network.logits(torch.from_numpy(features))


def key(content: str, network: FeatureNetwork, positions: Positions) -> str:
    """Names the features of some examples of a data set with this content."""
    judge = network.provenance
    digest = hashlib.sha256("\n".join((content, judge.name, judge.sha256, judge.resize, judge.runtime)).encode())
    digest.update(positions.astype("<i8").tobytes())
    return digest.hexdigest()[:32]


def _kept(path: Path, compute: Callable[[], NDArray[np.float32]], count: int) -> NDArray[np.float32]:
    """What was written to the path before, or else what is computed, and written there; the first process does both."""
    kept: NDArray[np.float32] = np.empty((0, 0), np.float32)
    if distributed.rank() == 0:
        with suppress(OSError, ValueError, EOFError):  # not there, or not whole
            kept = np.load(path)
    if distributed.any_rank(len(kept) == count):
        return distributed.concat_over_ranks(torch.from_numpy(kept)).numpy()
    features, buffer = compute(), io.BytesIO()
    if distributed.rank() == 0:
        np.save(buffer, features)
        write(path, buffer.getvalue())
    return features
