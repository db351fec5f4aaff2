"""Small generators with latents of every kind, for tests."""

import torch
from torch import Tensor, nn

from zerosum.datacard import DataCard, Labels
from zerosum.game import GAN, Batch, Turn
from zerosum.noise import Noise, truncated
from zerosum.sampling import Sampler

LATENT, LAYERS = 6, 4


class Flat(GAN):
    """Normal z `[N, 6]` through two random layers to images; where it is conditional, the label tints them."""

    needs = frozenset({"image"})

    def __init__(self, shapes: dict[str, tuple[int, ...]], hidden: int = 24, scale: float = 1.0) -> None:
        super().__init__(shapes)
        self.given = frozenset({"label"} & set(shapes))
        torch.manual_seed(0)
        pixels = torch.Size(shapes["image"]).numel()
        self.generator = nn.Sequential(nn.Linear(LATENT, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, pixels))
        self.tint = nn.Linear(shapes.get("label", (1,))[0], 1, bias=False)
        nn.init.normal_(self.generator[2].weight, 0, scale / hidden**0.5)
        self.sampler = ("generator", "tint")  # type: ignore[misc]

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def turns(self) -> list[Turn]:
        return []

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        return noise.normal(LATENT)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        tint = self.tint(given["label"])[:, :, None, None] if self.given else 0
        return (self.generator(latents).unflatten(1, self.shapes["image"]) + tint).tanh()

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        return truncated(latents, "normal", truncation)

    def latent_weights(self) -> list[Tensor]:
        return [self.generator[0].weight]


class Layered(GAN):
    """w `[N, 4, 6]` mapped from z; layer i draws quarter i of the image, row by row, with some noise on it."""

    needs = frozenset({"image"})

    def __init__(self, shapes: dict[str, tuple[int, ...]], grain: float = 0.02) -> None:
        super().__init__(shapes)
        torch.manual_seed(1)
        self.mapping = nn.Linear(LATENT, LATENT)
        rows = shapes["image"][1] // LAYERS
        self.layers = nn.ModuleList(nn.Linear(LATENT, rows * shapes["image"][2]) for _ in range(LAYERS))
        self.grain = grain
        self.sampler = ("mapping", "layers")  # type: ignore[misc]

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.layers}

    def turns(self) -> list[Turn]:
        return []

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        return self.mapping(noise.normal(LATENT)).unsqueeze(1).expand(-1, LAYERS, -1)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        quarters = [layer(latents[:, number]) for number, layer in enumerate(self.layers)]
        images = torch.cat(quarters, 1).unflatten(1, self.shapes["image"])
        return (images + self.grain * noise.normal(*self.shapes["image"])).tanh()

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        near = torch.lerp(self.mapping.bias.expand_as(latents), latents, truncation)
        return torch.cat([near[:, :layers], latents[:, len(near[0, :layers]) :]], 1)

    def latent_weights(self) -> list[Tensor]:
        return [layer.weight for layer in self.layers]


class Mute(Flat):
    """A generator that does not show its latents."""

    latents = None  # type: ignore[assignment]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return Flat.synthesise(self, noise.normal(LATENT), given, noise)


def flat(side: int = 8, classes: int = 0, **settings: float) -> Sampler:
    shapes: dict[str, tuple[int, ...]] = {"image": (1, side, side)} | ({"label": (classes,)} if classes else {})
    card = DataCard(10, "", shapes, Labels(classes=tuple("abcdefgh"[:classes])))
    return Sampler(Flat(shapes, **settings).for_sampling(), card)


def layered(side: int = 8, grain: float = 0.02) -> Sampler:
    shapes = {"image": (1, side, side)}
    return Sampler(Layered(shapes, grain).for_sampling(), DataCard(10, "", shapes))
