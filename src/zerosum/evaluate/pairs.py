"""Pictures made from pictures, beside the ones they should be: fidelity and perceptual distance, with a baseline for nothing.

PSNR and SSIM are of red, green and blue; `psnr-y` is of the brightness alone, as papers on super-resolution give it (they also
cut off a border, which is not done here). What is made is rounded to 8 bits first, as files are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from zerosum.evaluate.diversity import ms_ssim
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import bootstrap_interval
from zerosum.features.lite0 import SHA256
from zerosum.features.perceptual import Perceptual
from zerosum.fidelity import luma, psnr, ssim

Pair = tuple[Tensor, Tensor]
"""A source `[1, C, h, w]` and a target `[1, C, H, W]`, in [-1, 1]."""

PATCH = 128
"""Pixels a side of the patches whose perceptual distance is taken: the network sees them at twice the size."""
HIGHER_IS_BETTER = {"psnr": True, "psnr-y": True, "ssim": True, "ms-ssim": True, "perceptual": False}
"""The metrics, and which way is up."""


def do_nothing(source: Tensor, size: Sequence[int]) -> Tensor:
    """What costs nothing: the source `[N, C, h, w]` itself, or enlarged to a size (bicubic, a = -0.5) where that is another."""
    if list(source.shape[2:]) == list(size):
        return source
    return interpolate(source, list(size), mode="bicubic", antialias=True).clamp(-1, 1)


def in_channels(pictures: Tensor, count: int) -> Tensor:
    """Pictures `[N, C, H, W]` with so many channels: the mean of them, or one as all."""
    return pictures.mean(1, keepdim=True) if pictures.shape[1] > count else pictures.expand(-1, count, -1, -1)


def judge_pair(images: Tensor, target: Tensor, perceptual: Perceptual) -> dict[str, float]:
    """Metrics by name of an image `[1, C, H, W]` in [-1, 1] beside its target.

    Raises:
        ValueError: another shape than the target's, or fewer than 11 pixels a side.
    """
    if images.shape != target.shape:
        raise ValueError(f"an image of shape {list(images.shape)} beside a target of {list(target.shape)}: they must be alike")
    images = as_bytes(images) / 127.5 - 1
    return {
        "psnr": psnr(images, target).item(),
        "psnr-y": psnr(luma(images), luma(target)).item(),
        "ssim": ssim(images, target).item(),
        "ms-ssim": float(ms_ssim(as_bytes(images), as_bytes(target))[0]),
        "perceptual": perceptual_distance(images, target, perceptual).item(),
    }


def as_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8, rounded, as files are."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


@torch.no_grad()
def perceptual_distance(images: Tensor, targets: Tensor, perceptual: Perceptual) -> Tensor:
    """The distance `[N]`, averaged over patches of 128 x 128 pixels, those at the borders smaller."""
    total, weight = torch.zeros(len(images), device=images.device), 0
    for top in range(0, images.shape[2], PATCH):
        for left in range(0, images.shape[3], PATCH):
            one, other = (side[:, :, top : top + PATCH, left : left + PATCH] for side in (images, targets))
            pixels = one.shape[2] * one.shape[3]
            total += pixels * perceptual(perceptual.maps(one), perceptual.maps(other))
            weight += pixels
    return total / weight


def pair_figures(
    make: Callable[[Tensor], Tensor],
    pairs: Iterable[Pair],
    perceptual: Perceptual,
    *,
    split: str,
    generator: str,
    seed: int = 0,
) -> list[Figure]:
    """Every metric of what `make` makes of the sources, and below it that of doing nothing, with intervals over pairs.

    Args:
        make: `[1, C, h, w]` to `[1, C, H, W]`.
        split: which pairs they are, in a word.
        seed: of the bootstrap.

    Raises:
        ValueError: fewer than 2 pairs, or as `judge_pair`.
    """
    made, nothing, name = list[Mapping[str, float]](), list[Mapping[str, float]](), "source"
    for source, target in pairs:
        name = "bicubic" if source.shape[2:] != target.shape[2:] else "source"
        made.append(judge_pair(make(source), target, perceptual))
        free = in_channels(do_nothing(source, target.shape[2:]), target.shape[1])
        nothing.append(judge_pair(free, target, perceptual))
    figures = []
    for metric in HIGHER_IS_BETTER:
        ours, theirs = ([row[metric] for row in rows] for rows in (made, nothing))
        note = compared(ours, theirs, HIGHER_IS_BETTER[metric], name)
        figures.append(figure_of(metric, ours, split, generator, seed, note))
        figures.append(figure_of(f"{metric} ({name})", theirs, split, "", seed, "what costs nothing"))
    return figures


def compared(ours: Sequence[float], theirs: Sequence[float], higher_is_better: bool, name: str) -> str:
    """In words: whether it is better than the baseline, pair by pair."""
    better = sum((one > other) if higher_is_better else (one < other) for one, other in zip(ours, theirs, strict=True))
    return f"{'higher' if higher_is_better else 'lower'} is better; better than {name} on {better} of {len(ours)}"


def figure_of(metric: str, values: Sequence[float], split: str, generator: str, seed: int, note: str) -> Figure:
    """The mean of a metric over pairs, with its interval and provenance."""
    is_perceptual = metric.startswith("perceptual")
    return Figure(
        metric,
        sum(values) / len(values),
        interval=bootstrap_interval(values, seed=seed),
        floor=None,
        judge="lite0 maps" if is_perceptual else "pixels",
        judge_hash=SHA256 if is_perceptual else "none",
        resize=f"patches of {PATCH} x {PATCH} at twice the size" if is_perceptual else "images as they are",
        num_real=len(values),
        num_fake=len(values),
        split=split,
        seed=seed,
        note=note,
        generator=generator,
    )
