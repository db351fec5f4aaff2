"""The doctor of data sets: what lies at a path, what is wrong with it, and what training would make of it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zerosum.data import duplicates, images, labels
from zerosum.data.audio import reader, remarks
from zerosum.data.folders import SOUNDS
from zerosum.data.images import UnreadableError
from zerosum.data.parallel import in_order
from zerosum.data.points import NUM_POINTS, modes
from zerosum.data.report import Report, Sizes
from zerosum.data.source import Source
from zerosum.data.sources import MIXTURES, open_source
from zerosum.data.tokens import check_tokens
from zerosum.recipe import Data

FEW = 1_000
"""Images below which a GAN soon learns them by heart."""
UNBALANCED = 5
"""Times that the largest class may be larger than the smallest before it is worth a word."""


@dataclass(frozen=True)
class Facts:
    """What is kept of one decoded image."""

    size: tuple[int, int]
    mode: str
    is_grey: bool
    traits: frozenset[str]
    digest: bytes
    hash: int
    thumbnail: np.ndarray


def check(settings: Data) -> Report:
    """Look at every example that `settings` would train on. Decodes all of them, prepares nothing, keeps nothing.

    Raises:
        FileNotFoundError, ValueError: the path cannot be opened as data at all; see `open_data`.
    """
    if settings.path in MIXTURES:
        effects = (f"points in the plane, drawn from {len(modes(settings.path))} Gaussians",)
        return Report(path=settings.path, kind="points", num_examples=NUM_POINTS, num_readable=NUM_POINTS, effects=effects)
    if settings.kind == "audio":
        with open_source(settings.path, SOUNDS) as source:
            return _sound_report(source, settings)
    if settings.kind == "tokens":
        return check_tokens(settings)
    with open_source(settings.path) as source:
        return _report(source, settings, _look(source))


def _sound_report(source: Source, settings: Data) -> Report:
    found = list(in_order(reader(source, settings), len(source.names), "checking sounds", 4))
    readable = [(name, one) for name, one in zip(source.names, found, strict=True) if not isinstance(one, str)]
    short = [name for name, (wave, _) in readable if wave.shape[1] < settings.samples]
    rates = Counter(str(origin.rate) for _, (_, origin) in readable)
    kept = np.array([index for index, one in enumerate(found) if not isinstance(one, str)], dtype=np.int64)
    classes, columns, problem = _labels(source, settings, kept)
    return Report(
        path=source.path,
        kind=source.kind,
        num_examples=len(found),
        num_readable=len(readable),
        unreadable=tuple((source.names[index], one) for index, one in enumerate(found) if isinstance(one, str)),
        classes=classes,
        columns=columns,
        label_problem=problem,
        effects=tuple(remarks(rates, short, settings)),
    )


def _look(source: Source) -> list[Facts | str]:
    def work(index: int) -> Facts | str:
        try:
            with images.naming_damage():
                return facts(source.read(index))
        except UnreadableError as problem:
            return str(problem)

    with images.quiet_decoders():
        return list(in_order(work, len(source.names), "checking images"))


def facts(raw: bytes | np.ndarray) -> Facts:
    """What one image is.

    Raises:
        UnreadableError: it cannot be decoded.
    """
    original = images.open_image(raw)
    turned = images.upright(original)
    image = images.opaque(turned)
    small = duplicates.thumbnail(image)
    is_grey = image.mode == "L" or (_has_equal_channels(small) and _has_equal_channels(np.asarray(image)))
    traits = {
        "transparent": original.has_transparency_data,
        "deep": original.mode.startswith("I") or original.mode == "F",
        "other colours": original.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "F") and original.mode[0] != "I",
        "animated": getattr(original, "is_animated", False),
        "turned": not isinstance(raw, np.ndarray) and original.getexif().get(0x0112, 1) in range(2, 9),
    }
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).digest()
    present = frozenset(name for name, holds in traits.items() if holds)
    return Facts(image.size, original.mode, is_grey, present, digest, duplicates.difference_hash(image), small)


def _has_equal_channels(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _report(source: Source, settings: Data, looked: Sequence[Facts | str]) -> Report:
    kept = [index for index, fact in enumerate(looked) if isinstance(fact, Facts)]
    readable = [fact for fact in looked if isinstance(fact, Facts)]
    unreadable = tuple((source.names[i], fact) for i, fact in enumerate(looked) if isinstance(fact, str))
    classes, columns, problem = _labels(source, settings, np.array(kept, dtype=np.int64))
    equal = duplicates.equal_groups([fact.digest for fact in readable])
    near = _near(readable, equal)
    named = [tuple(tuple(source.names[kept[i]] for i in group) for group in groups) for groups in (equal, near)]
    return Report(
        path=source.path,
        kind=source.kind,
        num_examples=len(looked),
        num_readable=len(readable),
        unreadable=unreadable,
        sizes=_sizes(readable),
        modes=dict(Counter(fact.mode for fact in readable).most_common()),
        classes=classes,
        columns=columns,
        label_problem=problem,
        num_captions=sum(bool(caption) for caption in source.columns.get("caption", [])),
        exact_duplicates=named[0],
        near_duplicates=named[1],
        effects=tuple(effects(readable, len(unreadable), settings)),
        advice=tuple(advice(readable, classes, sum(len(group) - 1 for group in equal), settings)),
    )


def _labels(source: Source, settings: Data, kept: np.ndarray) -> tuple[dict[str, int], tuple[str, ...], str]:
    """(images per class, names of columns, what is wrong with them)."""
    try:
        encoded, values = labels.encode(source, settings.labels, kept) if len(kept) else labels.encode(source, settings.labels)
    except ValueError as problem:
        return {}, (), str(problem)
    if not encoded.classes or values is None:
        return {}, tuple(column.name for column in encoded.columns), ""
    counts = np.bincount(values, minlength=len(encoded.classes)).tolist()
    return dict(zip(encoded.classes, counts, strict=True)), (), ""


def _near(readable: Sequence[Facts], equal: list[list[int]]) -> list[list[int]]:
    """Groups of near duplicates; of equal images, only the first takes part."""
    repeated = {member for group in equal for member in group[1:]}
    unique = np.array([index for index in range(len(readable)) if index not in repeated], dtype=np.int64)
    if len(unique) < 2:
        return []
    hashes = np.array([readable[index].hash for index in unique], dtype=np.uint64)
    pairs = duplicates.near_pairs(hashes, np.stack([readable[index].thumbnail for index in unique]))
    return [unique[group].tolist() for group in duplicates.groups(pairs)]


def _sizes(readable: Sequence[Facts]) -> Sizes | None:
    if not readable:
        return None
    sides = np.array([fact.size for fact in readable])
    low, middle, high = (tuple(int(side) for side in of(sides, axis=0)) for of in (np.min, np.median, np.max))
    common = Counter(fact.size for fact in readable).most_common(5)
    return Sizes(smallest=low, median=middle, largest=high, common=tuple(common))  # type: ignore[arg-type]


def effects(readable: Sequence[Facts], num_unreadable: int, settings: Data) -> list[str]:
    """What preparing does to these images, in sentences."""
    said, side = list[str](), settings.resolution
    if num_unreadable:
        skips = settings.broken == "skip"
        what = "left out (data.broken refuse: training does not start)" if skips else "a reason to refuse to start"
        said.append(f"{num_unreadable} unreadable images are {what}")
    done = {
        "transparent": "transparent images are composed on white",
        "deep": "images of more than 8 bits are scaled to 8",
        "other colours": "images in CMYK or other colours are converted to RGB",
        "animated": "animations give their first frame",
        "turned": "images are turned as their EXIF orientation says",
    }
    said += [f"{count} {text}" for trait, text in done.items() if (count := sum(trait in fact.traits for fact in readable))]
    oblong = sum(fact.size[0] != fact.size[1] for fact in readable)
    if oblong:
        how = "cropped to their centre" if settings.fit == "crop" else "letterboxed with white bars"
        said.append(f"{oblong} images are not square: {how}")
    sides = np.array([(min if settings.fit == "crop" else max)(fact.size) for fact in readable])
    for count, how in (((sides < side).sum(), "smaller than"), ((sides > side).sum(), "larger than")):
        if count:
            verb = "upscaled (blurred)" if how == "smaller than" else "reduced, antialiased"
            said.append(f"{count} images are {how} {side}x{side}: {verb}")
    return said + _colour_effect(readable, settings)


def _colour_effect(readable: Sequence[Facts], settings: Data) -> list[str]:
    grey = sum(fact.is_grey for fact in readable)
    if settings.colour == "grey":
        return [f"{len(readable) - grey} colour images become grey (data.colour grey)"] if grey < len(readable) else []
    if settings.colour == "auto" and grey == len(readable):
        return ["all images are grey: one channel"] if readable else []
    return [f"{grey} grey images become RGB"] if grey else []


def advice(readable: Sequence[Facts], classes: dict[str, int], num_repeated: int, settings: Data) -> list[str]:
    """What a user should know before training, in sentences."""
    said = list[str]()
    if len(readable) < FEW:
        more = "" if settings.mirror else "; data.mirror doubles them where left and right do not matter"
        said.append(f"only {len(readable)} images: below about {FEW:,} a GAN learns them by heart; collect more{more}")
    middle = int(np.median([min(fact.size) for fact in readable])) if readable else 0
    if 0 < middle < 0.75 * settings.resolution:
        said.append(f"most images are much smaller than {settings.resolution}: a data.resolution of {middle} loses nothing")
    if len(classes) == 1:
        said.append("there is only one class: conditional families need at least two")
    if classes and max(classes.values()) > UNBALANCED * min(classes.values()):
        large, few = max(classes, key=classes.__getitem__), min(classes, key=classes.__getitem__)
        said.append(f"classes are unbalanced: {large!r} has {classes[large]} images, {few!r} {classes[few]}")
    if num_repeated:
        said.append(f"{num_repeated} images repeat others exactly: they count more often; remove them if that is not meant")
    return said
