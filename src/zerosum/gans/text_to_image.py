"""Text to image: an image from a text, by one pair of networks in which the text is fused into every layer (DF-GAN).

Tao et al. 2022, "DF-GAN: A simple and effective baseline for text-to-image synthesis" (arXiv 2008.05865). The discriminator
lowers E[max(0, 1 - D(x, e))] + (E[max(0, 1 + D(G(z, e), e))] + E[max(0, 1 + D(x, e'))]) / 2 + 2 E[norm^6], where e is the
vector of a caption, e' that of another image's, and norm that of D's gradient at real images and their captions (eq. 2 and 3:
hinge with mismatched captions, matching-aware gradient penalty); the generator lowers -E[D(G(z, e), e)].

The networks are those of the released code: with the authors' weights they give the authors' images, features and scores. What
differs: the vectors e are not of their pretrained DAMSM but of a small encoder that learns on the same data, for the first
`gan.matching_steps` steps, which captions belong to which images, and is then left alone; a caption that happens to be the same
is not taken for a mismatch; a doubling is computed in one with the convolution after it, which is exact.
"""

from itertools import pairwise

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import hinge_g, matching_loss, mismatched_hinge_d, score_notes
from zerosum.nn.convolutional import image_shape
from zerosum.nn.matching import SLOPE, ImageEncoder, VectorEncoder, WordEncoder, same_texts
from zerosum.nn.resample import UpConv2d
from zerosum.noise import FreshNoise, Noise
from zerosum.recipe import (
    STRICT,
    Average,
    Data,
    GANConfig,
    Jobs,
    Recipe,
    Stabilisers,
    Training,
    adam,
    not_negative,
    positive,
)
from zerosum.regularizers import matching_aware_penalty
from zerosum.schedules import constant, linear

WIDEST = 8
"""Times that a map may have more channels than the narrowest."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of text to image."""

    latent: int = 100
    """Size of the latent z."""
    sentence: int = 256
    """Size of a caption's vector e."""
    width: int = 32
    """Channels of the generator's last maps (ngf); they double towards 4x4, up to 8 times."""
    discriminator_width: int = 32
    """Channels of the discriminator's first maps (ndf)."""
    penalty: float = 2.0
    """Weight k of the matching-aware gradient penalty."""
    power: float = 6.0
    """Its exponent p."""
    penalty_apart: bool = False
    """Whether the norm is |grad_x D| + |grad_e D|, as the paper writes it, or that of both together, as in its code."""
    matching_steps: int = 2_000
    """Steps at the start in which only the encoder of the captions learns."""
    matching_width: int = 32
    """Channels of the first maps of the encoder of images that it learns with; embeddings of words have 4 times as many."""
    matching_sharpness: float = 10.0
    """What cosines of vectors are multiplied by, to be logits of which belong together (DAMSM's gamma_3)."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse; of them, the augmentations."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, sentence=self.sentence, width=self.width, discriminator_width=self.discriminator_width)
        positive(power=self.power, matching_steps=self.matching_steps, matching_width=self.matching_width)
        positive(matching_sharpness=self.matching_sharpness)
        not_negative(penalty=self.penalty)
        cures = self.stabilisers
        if cures.minibatch != "none" or cures.instance_noise or cures.label_smoothing:
            raise ValueError(
                "stabilisers: text_to_image takes stabilisers.augment alone; leave out minibatch (the penalty is of single "
                "examples), instance_noise and label_smoothing (hinge scores have no labels)"
            )


class Affine(nn.Module):
    """Every map times a gain plus a bias, both by a small network of the condition, at first 1 and 0."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.gain, self.bias = (
            nn.Sequential(nn.Linear(condition, channels), nn.ReLU(), nn.Linear(channels, channels)) for _ in range(2)
        )
        for network, start in ((self.gain, 1.0), (self.bias, 0.0)):
            end = network[2]
            assert isinstance(end, nn.Linear)
            nn.init.zeros_(end.weight)
            nn.init.constant_(end.bias, start)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` and conditions `[N, L]` -> maps `[N, C, H, W]`."""
        return torch.addcmul(self.bias(condition)[:, :, None, None], maps, self.gain(condition)[:, :, None, None])


class Fusion(nn.Module):
    """The deep fusion of a text into maps: two affine layers, each with a leaky ReLU after it (fig. 4)."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.affine1, self.affine2 = (Affine(condition, channels) for _ in range(2))

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` and conditions `[N, L]` -> maps `[N, C, H, W]`."""
        maps = leaky_relu(self.affine1(maps, condition), SLOPE)
        return leaky_relu(self.affine2(maps, condition), SLOPE)


class UpBlock(nn.Module):
    """Doubling, fusion, convolution, fusion, convolution; beside it the doubled maps, by a 1x1 convolution if they widen."""

    def __init__(self, condition: int, before: int, after: int) -> None:
        super().__init__()
        self.fusion1, self.conv1 = Fusion(condition, before), UpConv2d(before, after)
        self.fusion2, self.conv2 = Fusion(condition, after), nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Maps `[N, before, H, W]` and conditions `[N, L]` -> maps `[N, after, 2H, 2W]`."""
        # What works on single places commutes with the doubling: first it, on a quarter of the places.
        hidden = self.conv1(self.fusion1(maps, condition))
        hidden = self.conv2(self.fusion2(hidden, condition))
        result: Tensor = hidden + interpolate(self.shortcut(maps), scale_factor=2.0)
        return result


class Generator(nn.Module):
    """From a latent and a caption's vector to an image."""

    def __init__(self, config: Config, channels: int, resolution: int) -> None:
        super().__init__()
        widths = [config.width * factor for factor in reversed(factors(resolution))]
        condition = config.latent + config.sentence
        self.start = nn.Linear(config.latent, widths[0] * 16)
        self.blocks = nn.ModuleList(UpBlock(condition, *pair) for pair in pairwise(widths))
        self.end = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, latent: Tensor, sentence: Tensor) -> Tensor:
        """`[N, latent]` and `[N, sentence]` -> images `[N, C, H, W]` in [-1, 1]."""
        condition = torch.cat([latent, sentence], 1)
        maps = self.start(latent).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            maps = block(maps, condition)
        images: Tensor = self.end(leaky_relu(maps, SLOPE)).tanh()
        return images


class DownBlock(nn.Module):
    """x + gamma f(x) at half the size: f a strided convolution and another, x by a 1x1 convolution if the maps widen."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(before, after, 4, 2, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.LeakyReLU(SLOPE),
        )
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, before, H, W]` -> `[N, after, H / 2, W / 2]`."""
        # 1x1 convolution and mean commute: first the mean.
        result: Tensor = self.shortcut(avg_pool2d(maps, 2)) + self.gamma * self.residual(maps)
        return result


class Discriminator(nn.Module):
    """Does this image belong to this caption? One way out: features, joined with the caption, to one score (sec. 3.3)."""

    def __init__(self, config: Config, channels: int, resolution: int) -> None:
        super().__init__()
        widths = [config.discriminator_width * factor for factor in factors(resolution)]
        self.start = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks = nn.Sequential(*(DownBlock(*pair) for pair in pairwise(widths)))
        self.joint = nn.Sequential(
            nn.Conv2d(widths[-1] + config.sentence, 2 * config.discriminator_width, 3, 1, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * config.discriminator_width, 1, 4, bias=False),
        )

    def features(self, images: Tensor) -> Tensor:
        """`[N, C, H, W]` -> maps `[N, F, 4, 4]`, which know nothing of captions."""
        maps: Tensor = self.blocks(self.start(images))
        return maps

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """Features `[N, F, 4, 4]` and captions `[N, sentence]` -> scores `[N]`."""
        planes = sentence[:, :, None, None].expand(-1, -1, *features.shape[2:])
        scores: Tensor = self.joint(torch.cat([features, planes], 1)).flatten()
        return scores


class TextToImage(GAN):
    """The game of text to image: first the encoder of captions alone, then discriminator and generator.

    Raises:
        ValueError: the data has no captions, or images of no power of two.
    """

    sampler = ("generator", "text")

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution = read_shapes(shapes)
        self.reads = "sentence" if "sentence" in shapes else "caption"
        self.given = frozenset({self.reads})
        self.needs = self.given | {"image"}
        self.text: nn.Module = (
            VectorEncoder(shapes["sentence"][0], config.sentence)
            if self.reads == "sentence"
            else WordEncoder(shapes["words"][0], 4 * config.matching_width, config.sentence)
        )
        self.image = ImageEncoder(channels, resolution, config.matching_width, config.sentence)
        self.generator = Generator(config, channels, resolution)
        self.discriminator = Discriminator(config, channels, resolution)
        self.augment = Augment(config.stabilisers, shapes["image"])

    def players(self) -> dict[str, nn.Module]:
        matcher = nn.ModuleList([self.text, self.image])
        return {"generator": self.generator, "discriminator": self.discriminator, "matcher": matcher}

    def turns(self) -> list[Turn]:
        steps, adapt = self.config.matching_steps, self.augment.adapt

        def before(step: int) -> int:
            return int(step < steps)

        def after(step: int) -> int:
            return int(step >= steps)

        discriminator = Turn("discriminator", self.discriminator_loss, repeat=after, project=adapt, second_order=True)
        return [
            Turn("matcher", self.matcher_loss, repeat=before),
            discriminator,
            Turn("generator", self.generator_loss, repeat=after),
        ]

    def understand(self, given: Batch) -> Tensor:
        """The vectors `[N, sentence]` of captions."""
        vectors: Tensor = self.text(given[self.reads])
        return vectors

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1] of captions, or of vectors that `understand` gave, under "understood"."""
        sentence = given["understood"] if "understood" in given else self.understand(given)
        images: Tensor = self.generator(noise.normal(self.config.latent), sentence)
        return images

    def matcher_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log P(caption | image)] - E[log P(image | caption)] over the batch."""
        texts, images = self.understand(batch), self.image(batch["image"])
        similarity = self.config.matching_sharpness / self.config.sentence * (images @ texts.T)
        same = same_texts(batch[self.reads])
        found = same.gather(1, similarity.detach().argmax(1, keepdim=True)).float().mean()
        return Loss({"matching": matching_loss(similarity, same)}, {"matched": found})

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """Hinge with mismatched captions at 1/2, and the matching-aware gradient penalty.

        Raises:
            ValueError: a batch without another caption to mismatch.
        """
        config, captions, images = self.config, batch[self.reads], batch["image"].detach().requires_grad_()
        if len(images) < 2:
            raise ValueError(
                "text_to_image shows the discriminator captions of other images of the batch, but a part has one image: raise "
                "train.batch or lower train.micro_batches"
            )
        with torch.no_grad():
            sentence = self.understand(batch)
            fakes = self.sample({"understood": sentence}, FreshNoise(len(images), images.device))
        sentence.requires_grad_()
        features = self.discriminator.features(self.augment(images))
        real, fake = self.discriminator(features, sentence), self._score(fakes, sentence)
        others = (captions != captions.roll(1, 0)).flatten(1).any(1)
        mismatched = self.discriminator(features[others], sentence.roll(1, 0)[others])
        terms = {"adversarial": mismatched_hinge_d(real, fake, mismatched)}
        if config.penalty:
            norms = matching_aware_penalty(real, images, sentence, config.power, config.penalty_apart)
            terms["penalty"] = config.penalty * norms
        notes = score_notes(real, fake) | self.augment.observe(real)
        return Loss(terms, notes | {"score_mismatched": mismatched.detach().sum() / max(len(mismatched), 1)})

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[D(G(z, e), e)]."""
        with torch.no_grad():
            sentence = self.understand(batch)
        fakes = self.sample({"understood": sentence}, FreshNoise(len(sentence), sentence.device))
        return Loss({"adversarial": hinge_g(self._score(fakes, sentence))})

    def _score(self, images: Tensor, sentence: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(self.discriminator.features(self.augment(images)), sentence)
        return scores


def factors(resolution: int) -> list[int]:
    """Channels as multiples of the width, from the image's size down to 4x4."""
    return [min(1 << level, WIDEST) for level in range(resolution.bit_length() - 2)]


def read_shapes(shapes: Shapes) -> tuple[int, int]:
    """Channels and resolution of the images.

    Raises:
        ValueError: no captions, or a resolution that cannot be halved to 4.
    """
    channels, resolution = image_shape(shapes)
    if not {"caption", "sentence"} & set(shapes):
        raise ValueError("this family learns from images with captions: set data.kind captions")
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(f"data.resolution must be a power of two from 8 here (32, 64, 128, 256 ...), not {resolution}")
    return channels, resolution


def birds() -> Recipe:
    """The paper's birds (CUB): 256 pixels, 32 at a time, 1,301 passes of 8,855 images with ten captions each."""
    return _paper(1_301 * 8_855, 32)


def coco() -> Recipe:
    """The paper's COCO: 256 pixels, 32 at a time, 301 passes of 82,783 images with five captions each."""
    return _paper(301 * 82_783, 32)


def cpu() -> Recipe:
    """32 x 32 pixels on a CPU, the embedded emoji by their names."""
    return _small(Config(latent=32, sentence=64, width=16, discriminator_width=16, matching_steps=600), 32, 120_000)


def cpu64() -> Recipe:
    """64 x 64 pixels on a CPU."""
    return _small(Config(latent=32, sentence=64, width=12, discriminator_width=12, matching_steps=600), 64, 120_000)


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="text_to_image",
        gan=Config(latent=8, sentence=12, width=4, discriminator_width=4, matching_steps=1, matching_width=4),
        optimisers={"generator": adam(1e-3, 0.0, 0.9), "discriminator": adam(1e-3, 0.0, 0.9), "matcher": adam(1e-3)},
        data=Data(path="emoji", kind="captions", resolution=16),
        train=Training(images=160, batch=8),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=8, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _paper(images: int, batch: int) -> Recipe:
    """A recipe of the paper's size (sec. 4): Adam with 1e-4 for the generator and 4e-4 for the discriminator."""
    return Recipe(
        family="text_to_image",
        gan=Config(),
        optimisers={"generator": adam(1e-4, 0.0, 0.9), "discriminator": adam(4e-4, 0.0, 0.9), "matcher": adam(1e-3)},
        data=Data(path="emoji", kind="captions", resolution=256, colour="rgb", mirror=True),
        train=Training(images=images, batch=batch),
        average=Average(half_life=constant(20_000)),
        jobs=Jobs(log_every=3_200, sample_every=96_000, checkpoint_every=192_000),
    )


def _small(config: Config, resolution: int, images: int) -> Recipe:
    """A recipe for a CPU."""
    players = {"generator": 4e-4, "discriminator": 1e-3}
    optimisers = {name: adam(linear(rate, 0, over=images / 2, delay=images / 2), 0.0, 0.9) for name, rate in players.items()}
    return Recipe(
        family="text_to_image",
        gan=config,
        optimisers=optimisers | {"matcher": adam(1e-3)},
        data=Data(path="emoji", kind="captions", resolution=resolution, colour="rgb"),
        train=Training(images=images, batch=32),
        average=Average(half_life=constant(4_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=16_000, checkpoint_every=16_000),
    )
