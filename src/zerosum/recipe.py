"""A whole run as frozen, typed data: the GAN, its data, its optimisers, the training and the periodic jobs."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ConfigDict, SerializeAsAny, TypeAdapter
from pydantic.dataclasses import dataclass

from zerosum.schedules import Schedule, constant

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
VERSION = 1
"""Of the run folder's format; a folder of a newer version is refused."""


def positive(**values: float) -> None:
    """Refuse values that are not above zero, by name.

    Raises:
        ValueError: the first such value.
    """
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name} must be above 0, not {value}")


def not_negative(**values: float) -> None:
    """Refuse values below zero, by name.

    Raises:
        ValueError: the first such value.
    """
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, not {value}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GANConfig:
    """Base of every family's own settings."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Stabilisers:
    """Cures for instability and mode collapse that any family with a discriminator may use."""

    minibatch: Literal["none", "discrimination", "std"] = "none"
    """Let the discriminator see the batch: minibatch discrimination (Salimans 2016, sec. 3.2) or standard deviation
    (Karras 2018, sec. 3)."""
    instance_noise: float = 0.0
    """Standard deviation of Gaussian noise added to all that the discriminator sees, at the start of the run; images are in
    [-1, 1] (Sonderby 2017, sec. 2.3)."""
    instance_noise_until: float = 1.0
    """Share of the run, in (0, 1], at which the instance noise has decayed linearly to zero."""
    label_smoothing: float = 0.0
    """One-sided, for cross-entropy losses: the discriminator's target for real images is 1 minus this (Salimans 2016,
    sec. 3.4)."""
    augment: Literal["none", "diffaug", "ada"] = "none"
    """Let the discriminator see transformed images only, real and generated, where images are few: DiffAugment (Zhao 2020), or
    adaptive augmentation (Karras 2020, "Training generative adversarial networks with limited data")."""
    augment_target: float = 0.6
    """Of ada: the mean sign of the scores of real images, in (-1, 1), above which augmentation grows and below which it
    shrinks."""
    augment_limit: float = 0.8
    """Of ada: the largest probability of a transformation, in (0, 1]; above 0.8 samples may come out rotated or recoloured."""
    augment_images: int = 500_000
    """Of ada: images in which the probability can go from 0 to 1; fewer for short runs."""
    augment_schedule: Schedule | None = None
    """Of ada: the probability as a schedule over images seen instead, such as cosine(0, 0.3, over=2e7) (R3GAN)."""

    def __post_init__(self) -> None:
        if not -1 < self.augment_target < 1:
            raise ValueError(f"augment_target must be in (-1, 1), not {self.augment_target}")
        if not 0 < self.augment_limit <= 1:
            raise ValueError(f"augment_limit must be in (0, 1], not {self.augment_limit}")
        positive(augment_images=self.augment_images)
        if self.augment_schedule and not all(0 <= end <= 1 for end in (self.augment_schedule.start, self.augment_schedule.end)):
            raise ValueError(f"augment_schedule is of a probability in [0, 1], not {self.augment_schedule}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), not {self.label_smoothing}")
        not_negative(instance_noise=self.instance_noise)
        if not 0 < self.instance_noise_until <= 1:
            raise ValueError(f"instance_noise_until must be in (0, 1], not {self.instance_noise_until}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Data:
    """Which data, and how it is prepared."""

    path: str = "fashion"
    """A folder, archive or file of images, a folder or archive of sounds, a file or folder of text, or the name of embedded
    data: fashion, emoji, ring, grid, drums, sentences."""
    kind: Literal["images", "photographs", "pairs", "colouring", "unpaired", "inpainting", "captions", "tokens", "audio"] = (
        "images"
    )
    """What the examples are: images brought to one size; of photographs of any size random crops, with what a degradation makes
    of them; pairs of pictures of one thing, from two sub-folders or side by side in one file; colouring: grey and coloured
    pairs made of any images; unpaired: pictures of two kinds that need not belong together; inpainting: any images with
    holes to be filled; captions: images with texts; tokens: lines of text; or audio: sounds."""
    captions: str = ""
    """Of captions: where the texts are, such as captions.jsonl, with names relative to the images. Empty: in metadata.jsonl or
    metadata.csv, or of photo.png in photo.txt, a caption a line."""
    caption_column: str = ""
    """Of captions: the column of the metadata that has them, texts or lists of texts. Empty: caption, captions, text or
    prompt."""
    sentence_encoder: str = ""
    """Of captions: a sentence-transformer that reads them, its folder or its name on the hub (needs the extra: pip install
    "zerosum[text]"). Empty: a small encoder of words that learns on the data itself."""
    text: Literal["lines", "running"] = "lines"
    """Of tokens: an example is a line, or a slice of the text, whose line ends are then spaces."""
    vocabulary: Literal["words", "characters", "bpe"] = "words"
    """Of tokens: what they are. bpe: pieces of words, learned from the data (needs the extra: pip install "zerosum[text]")."""
    vocabulary_size: int = 5_000
    """Of tokens: at most so many, the commonest, one of which is the end; examples with others are left out."""
    num_tokens: int = 20
    """Of tokens: in an example; longer lines are cut there."""
    sides: tuple[str, str] = ("A", "B")
    """Of pairs and unpaired: the sub-folders (or classes) of what is given and of what is to be made of it. In a file that
    shows both, A is the left half and B the right one: B A goes from right to left."""
    jitter: int = 0
    """Of pairs, colouring and unpaired: pixels by which images are prepared larger than the resolution, so that crops at random
    places are trained on (pix2pix: 30 at 256); the middle is looked at."""
    resolution: int = 32
    """Width and height of the prepared images, in pixels; of photographs, of the crops."""
    scale: Literal[1, 2, 4] = 4
    """Of photographs: how many times smaller the sources are than the crops."""
    degradation: Literal["bicubic", "real", "old", "holes"] = "bicubic"
    """Of photographs: what makes them worse: reduction alone, the blur, noise and JPEG of Real-ESRGAN, a print's age, or holes,
    for inpainting."""
    holes: Literal["mixed", "strokes", "boxes", "halves"] = "mixed"
    """Of inpainting, and of photographs with holes: strokes of a brush, boxes of a quarter to half of the sides, halves of the
    picture, or mixed: one of these."""
    rate: int = 16_000
    """Of audio: samples in a second, to which sounds are resampled."""
    samples: int = 16_384
    """Of audio: length of the slices that are trained on."""
    channels: Literal["mono", "stereo"] = "mono"
    """Of audio: mix channels down to one, or keep two."""
    slices: Literal["start", "random"] = "start"
    """Of audio: where slices are taken from sounds that are longer; what is looked at are always the beginnings."""
    short: Literal["pad", "skip"] = "pad"
    """Of audio: add silence to sounds that are shorter than a slice, or leave them out."""
    trim: float = 0.0
    """Of audio: cut off both ends what is quieter than the loudest sample by more than so many decibels; 0: nothing."""
    fit: Literal["crop", "letterbox"] = "crop"
    """How an image that is not square becomes so: its centre, or all of it with bars."""
    colour: Literal["auto", "grey", "rgb"] = "auto"
    """Channels of the prepared images; auto: grey if every image is."""
    labels: tuple[str, ...] = ()
    """Columns of the metadata to condition on; empty: the class, from the label column or the sub-folder."""
    held_out: int = 200
    """Examples that are never trained on, for the doctor to see overfitting by; at most a tenth of the data."""
    mirror: bool = False
    """Show each image mirrored left to right half of the time."""
    broken: Literal["skip", "refuse"] = "skip"
    """What to do about unreadable files: leave them out and list them, or refuse to start."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("data.path is empty: give a folder, an archive, a file, or the name of embedded data")
        not_negative(held_out=self.held_out, jitter=self.jitter)
        not_negative(trim=self.trim)
        if not 1_000 <= self.rate <= 384_000 or self.samples < 64:
            raise ValueError(
                f"data.rate must be from 1,000 to 384,000 Hz and data.samples at least 64, not {self.rate} and {self.samples}"
            )
        if self.kind == "audio" and self.mirror:
            raise ValueError("data.mirror is for images, not for sounds: leave it out")
        if self.sides[0] == self.sides[1]:
            raise ValueError(f"data.sides must be two different sub-folders, not {self.sides[0]!r} twice")
        if self.jitter and self.kind not in ("pairs", "colouring", "unpaired"):
            raise ValueError(f"data.jitter is for pairs, colouring and unpaired, not for data.kind {self.kind}: set it to 0")
        if self.kind != "captions" and (self.captions or self.caption_column or self.sentence_encoder):
            raise ValueError(
                "data.captions, data.caption_column and data.sentence_encoder are for data.kind captions, not for "
                f"{self.kind}: leave them out"
            )
        if self.kind == "tokens" and self.mirror:
            raise ValueError("data.mirror is for images, and text is not mirrored: leave it out")
        if not 3 <= self.vocabulary_size <= 65_536:
            raise ValueError(f"data.vocabulary_size must be between 3 and 65,536 tokens, not {self.vocabulary_size}")
        if not 2 <= self.num_tokens <= 4_096:
            raise ValueError(f"data.num_tokens must be between 2 and 4,096, not {self.num_tokens}")
        if self.kind == "unpaired" and self.held_out:
            raise ValueError(
                f"data.held_out must be 0 for unpaired data, not {self.held_out}: nothing is examined by them there"
            )
        if not 4 <= self.resolution <= 4096:
            raise ValueError(f"data.resolution must be between 4 and 4096 pixels, not {self.resolution}")
        if self.kind == "photographs" and self.degradation == "holes" and self.scale > 1:
            raise ValueError(f"data.degradation holes leaves photographs at their size: set data.scale to 1, not {self.scale}")
        if self.kind == "photographs" and self.resolution % (4 * self.scale):
            raise ValueError(
                f"data.resolution of photographs must be a multiple of {4 * self.scale} at data.scale {self.scale}, "
                f"not {self.resolution}"
            )

    @property
    def has_holes(self) -> bool:
        """Whether the examples are pictures with holes, for inpainting."""
        return self.kind == "inpainting" or (self.kind == "photographs" and self.degradation == "holes")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Optimiser:
    """How one player moves."""

    kind: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    """The rule by which a gradient becomes a step."""
    rate: Schedule = constant(2e-4)
    """Learning rate: a number, or a schedule over images seen such as linear(0.0002, 0, over=3200000)."""
    momentum: Schedule = constant(0.0)
    """Of sgd and rmsprop: a number or a schedule."""
    beta1: float = 0.9
    """Of adam and adamw: decay of the mean gradient."""
    beta2: Schedule = constant(0.999)
    """Of adam and adamw: decay of the mean squared gradient, a number or a schedule; of rmsprop: its alpha."""
    eps: float = 1e-8
    """Added to the root of the mean squared gradient."""
    weight_decay: float = 0.0
    """L2 penalty (adamw: decoupled decay)."""

    def __post_init__(self) -> None:
        for name, value in {"beta1": self.beta1, "beta2": self.beta2.start, "beta2 at the end": self.beta2.end}.items():
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), not {value}")
        positive(eps=self.eps)
        not_negative(rate=min(self.rate.start, self.rate.end), weight_decay=self.weight_decay)
        not_negative(momentum=min(self.momentum.start, self.momentum.end))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Average:
    """The moving average of the generator's weights (EMA), which is what is sampled and released."""

    half_life: Schedule = constant(0.0)
    """Images after which a weight's share in the average has halved, a number or a schedule; 0: no averaging, the current
    weights are released."""
    ramp_up: float | None = None
    """Half-life at most this share of the images seen so far (StyleGAN2: 0.05)."""
    start: int = 0
    """Images before which the average simply follows the weights."""

    def __post_init__(self) -> None:
        half_life = min(self.half_life.start, self.half_life.end)
        not_negative(half_life=half_life, ramp_up=self.ramp_up or 0.0, start=self.start)
        if not self.is_used and (self.ramp_up is not None or self.start):
            raise ValueError("average.ramp_up and average.start say nothing without average.half_life: set it above 0")

    @property
    def is_used(self) -> bool:
        """Whether there is an average at any time."""
        return max(self.half_life.start, self.half_life.end) > 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Training:
    """How long, how much at once, and from which seed."""

    images: int = 1_000_000
    """Length of the run: real images shown, counted as steps x batch."""
    batch: int = 64
    """Images in a batch, over all processes."""
    micro_batches: int = 1
    """Parts in which each process works off its share of a batch: less memory, the same gradient."""
    seed: int = 0
    """Everything random is a function of this and the images seen."""
    balance: float | None = None
    """Accuracy in (0.5, 1) that discriminators are held near, by playing them more or less often; None: as the family says.
    Accuracy is the share of pairs of a real and a generated example that are ranked rightly."""
    channels_last: bool = True
    """Keep image tensors in channels-last memory: faster for ordinary convolutions."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """In which convolutions and matrix products are computed (autocast); weights stay float32. The short ones need CUDA."""
    compile: bool = False
    """Compile the networks (torch.compile): the same up to rounding. Turns that differentiate a gradient are never compiled."""
    start: str | None = None
    """A run folder whose newest networks, of the same family, this run starts from (fine-tuning)."""
    freeze: tuple[str, ...] = ()
    """Networks or layers that are not trained, by the beginning of their weights' names, such as discriminator.layers.0."""

    def __post_init__(self) -> None:
        positive(images=self.images, batch=self.batch, micro_batches=self.micro_batches)
        if self.batch % self.micro_batches:
            raise ValueError(f"train.batch {self.batch} is not divisible by train.micro_batches {self.micro_batches}")
        if self.balance is not None and not 0.5 < self.balance < 1:
            raise ValueError(
                f"train.balance must be between 0.5 (cannot tell) and 1 (always right), not {self.balance}; try 0.8"
            )


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Jobs:
    """What happens beside training, and how often. Changing these never changes the weights."""

    log_every: int = 3_200
    """Images between two lines of stats.jsonl."""
    sample_every: int = 32_000
    """Images between two grids of samples."""
    checkpoint_every: int = 64_000
    """Images between two checkpoints."""
    keep: int = 3
    """Checkpoints kept; the oldest are deleted."""
    num_samples: int = 64
    """Samples in a grid."""
    diagnose_every: int | None = None
    """Images between two examinations by the doctor; None: as often as grids of samples."""
    stop_when: Literal["finished", "converged"] = "finished"
    """End the run when all its images have been seen, or already when the doctor finds it in equilibrium for long enough."""
    recover: int = 0
    """How often, at most 3 times, a diverging run goes back to its last healthy checkpoint and on with lower rates."""
    tensorboard: bool = False
    """Write TensorBoard curves as well (needs the extra: pip install "zerosum[tensorboard]")."""
    evaluate_every: int | None = None
    """Images between two evaluations of the averaged generator; None: not during training."""
    metrics: str = "kid"
    """What is then measured: names of `zerosum evaluate` with commas between. The first decides which checkpoint is best."""
    judge: str = "lite0"
    """The feature network, as in `zerosum evaluate --features`."""
    evaluate_samples: int = 1_000
    """Samples that are judged, at least 24; up to twice as many real images are used."""

    def __post_init__(self) -> None:
        counts = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        positive(**{name: value for name, value in counts.items() if name not in ("tensorboard", "recover")})
        if self.evaluate_samples < 24:
            raise ValueError(f"jobs.evaluate_samples must be at least 24, not {self.evaluate_samples}")
        if not 0 <= self.recover <= 3:
            raise ValueError(f"jobs.recover must be from 0 to 3, not {self.recover}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """The whole run."""

    family: str
    """Name of the GAN: a file in zerosum.gans, or a package.module of your own."""
    gan: SerializeAsAny[GANConfig]
    """The family's own settings."""
    optimisers: dict[str, Optimiser]
    """One per player."""
    data: Data = Data()
    """Which data, and how it is prepared."""
    train: Training = Training()
    """How long, how much at once, and from which seed."""
    average: Average = Average()
    """The moving average of the weights that is sampled and released."""
    jobs: Jobs = Jobs()
    """What happens beside training, and how often."""

    def to_json(self) -> str:
        """The recipe as JSON text, with the format's version."""
        plain = TypeAdapter(Recipe).dump_python(self, mode="json")
        return json.dumps({"version": VERSION, **plain}, indent=2)

    @staticmethod
    def from_plain(plain: Mapping[str, Any], config: type[GANConfig]) -> "Recipe":
        """The recipe from parsed JSON, its `gan` read as `config`.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type, or the version is newer than this program.
        """
        refuse_newer(plain.get("version", VERSION))
        fields = {name: value for name, value in plain.items() if name != "version"}
        gan = TypeAdapter(config).validate_python(fields.pop("gan", {}))
        return TypeAdapter(Recipe).validate_python({**fields, "gan": gan})


def refuse_newer(version: int) -> None:
    """Refuse a format version that this program does not know.

    Raises:
        ValueError: it is newer.
    """
    if version > VERSION:
        raise ValueError(f"this run has format version {version}, this zerosum reads up to {VERSION}: upgrade zerosum")


def flatten(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings, as (dotted name, value)."""
    for name, value in plain.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(old: Recipe, new: Recipe) -> list[tuple[str, Any, Any]]:
    """The fields in which two recipes differ, as (dotted name, old value, new value)."""
    before, after = (dict(flatten(json.loads(recipe.to_json()))) for recipe in (old, new))
    names = [*before, *(name for name in after if name not in before)]
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def adam(
    rate: float | Schedule,
    beta1: float = 0.9,
    beta2: float | Schedule = 0.999,
    weight_decay: float = 0.0,
    eps: float = 1e-8,
) -> Optimiser:
    """Adam (Kingma & Ba 2015)."""
    rate, beta2 = Schedule.parse(rate), Schedule.parse(beta2)
    return Optimiser(kind="adam", rate=rate, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps)


def rmsprop(rate: float | Schedule) -> Optimiser:
    """RMSprop with torch's defaults."""
    return Optimiser(kind="rmsprop", rate=Schedule.parse(rate), beta2=constant(0.99))


def sgd(rate: float | Schedule, momentum: float | Schedule = 0.0) -> Optimiser:
    """Stochastic gradient descent with momentum."""
    return Optimiser(kind="sgd", rate=Schedule.parse(rate), momentum=Schedule.parse(momentum))
