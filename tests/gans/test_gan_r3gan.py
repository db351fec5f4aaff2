"""R3GAN: the authors' numbers, penalties against finite differences, initialisation, schedules, what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from zerosum.gans import r3gan
from zerosum.gans.r3gan import R3GAN, Config, Resample
from zerosum.noise import FreshNoise
from zerosum.schedules import constant

GOLDEN = Path(__file__).parents[1] / "golden" / "r3gan.safetensors"
SMALL = {"latent": 4, "widths": (8, 8, 4), "blocks": (1, 2, 1), "cardinality": (2, 2, 1)}
SHAPES = {"image": (1, 16, 16), "label": (3,)}
BLOCK = {
    "widen.weight": "LinearLayer1.Layer.weight",
    "widen.bias": "NonLinearity1.Bias",
    "mix.weight": "LinearLayer2.Layer.weight",
    "mix.bias": "NonLinearity2.Bias",
    "narrow.weight": "LinearLayer3.Layer.weight",
}


def names_of(config: Config, player: str) -> dict[str, str]:
    """Our name of every weight -> the authors'."""
    names, position, blocks = {}, 0, config.blocks if player == "G" else config.blocks[::-1]
    for stage, num in enumerate(blocks):
        for block in range(num):
            layer = f"{player}.MainLayers.{stage}.Layers.{block + (player == 'G')}"
            names |= {f"layers.{position}.{ours}": f"{layer}.{theirs}" for ours, theirs in BLOCK.items()}
            position += 1
        at = f"{stage + 1}.Layers.0" if player == "G" else f"{stage}.Layers.{num}"
        names[f"layers.{position}.change.weight"] = f"{player}.MainLayers.{at}.LinearLayer.Layer.weight"
        position += 1
    names["embed.weight"] = f"{player}.EmbeddingLayer.weight"
    if player == "G":
        first, ends = "G.MainLayers.0.Layers.0", {"to_image.weight": "G.AggregationLayer.Layer.weight"}
        return names | ends | {"basis": f"{first}.Basis", "modulate.weight": f"{first}.LinearLayer.weight"}
    last, ends = f"D.MainLayers.{len(blocks) - 1}.Layers.{blocks[-1]}", {"from_image.weight": "D.ExtractionLayer.Layer.weight"}
    return names | ends | {"basis": f"{last}.Basis.weight", "score.weight": f"{last}.LinearLayer.weight"}


class Fixed(FreshNoise):
    """The latents of a file."""

    def __init__(self, latent):
        super().__init__(len(latent))
        self.latent_values = latent

    def normal(self, *shape):
        return self.latent_values.reshape(-1, *shape)


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN)


@pytest.fixture
def authors(golden):
    """Our networks of the authors' configuration with their weights."""
    with safe_open(GOLDEN, "pt") as file:
        theirs = json.loads(file.metadata()["config"])
    config = Config(
        latent=theirs["noise_dim"],
        widths=theirs["widths"],
        blocks=theirs["blocks"],
        cardinality=theirs["cardinality"],
        expansion=theirs["expansion"],
        kernel=theirs["kernel"],
        resampling=theirs["resampling_filter"],
        conditional=True,
        generator_embedding=theirs["condition_embedding_dim"],
        discriminator_embedding=theirs["condition_embedding_dim"],
        gamma=constant(theirs["gamma"]),
    )
    size = theirs["resolution"]
    gan = R3GAN(config, {"image": (3, size, size), "label": (theirs["condition_dim"],)})
    for player, network in {"G": gan.generator, "D": gan.discriminator}.items():
        names = names_of(config, player)
        state = {name: golden[f"weights.{names[name]}"].reshape(own.shape) for name, own in network.state_dict().items()}
        network.load_state_dict(state)
    taken = {name for player in "GD" for name in names_of(config, player).values()}
    assert {name.removeprefix("weights.") for name in golden if name.startswith("weights.")} - taken == {
        name.removeprefix("weights.") for name in golden if name.endswith(".Kernel")
    }
    return gan


def close(ours, theirs, name=""):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5, msg=lambda text: f"{name}: {text}")


def gradient_norm(loss, network):
    gradients = torch.autograd.grad(sum(loss.terms.values()), list(network.parameters()))
    return torch.stack([gradient.double().square().sum() for gradient in gradients]).sum().sqrt().reshape(1)


def test_golden_parity_with_the_authors_networks_and_game(golden, authors, monkeypatch):
    label, real = golden["io.y_onehot"], golden["io.real"]
    fake = authors.generator(golden["io.z"], label)
    close(fake, golden["io.fake"], "image")
    close(authors.sample({"label": label}, Fixed(golden["io.z"])), golden["io.fake"].clamp(-1, 1), "sample")
    close(authors.discriminator(real, label), golden["io.d_real"], "score of a real image")
    close(authors.discriminator(fake, label), golden["io.d_fake"], "score of a generated image")
    monkeypatch.setattr(r3gan, "FreshNoise", lambda *_: Fixed(golden["io.z"]))
    batch = {"image": real, "label": label}
    loss = authors.discriminator_loss(batch, 0.0)
    close(loss.terms["adversarial"], golden["io.d_adv"].mean(), "relativistic loss of D")
    for name in ("r1", "r2"):
        close(loss.terms[name], authors.config.gamma.start / 2 * golden[f"io.{name}"].mean(), name)
    close(gradient_norm(loss, authors.discriminator), golden["io.d_grad_norm"], "gradient of D")
    loss = authors.generator_loss(batch, 0.0)
    close(loss.terms["adversarial"], golden["io.g_adv"].mean(), "relativistic loss of G")
    close(gradient_norm(loss, authors.generator), golden["io.g_grad_norm"], "gradient of G")


def test_the_authors_filter_is_theirs_convolved_with_the_box(golden, authors):
    ours = [module.kernel for module in authors.modules() if isinstance(module, Resample)]
    theirs = [value for name, value in golden.items() if name.endswith(".Kernel")]
    assert len(ours) == len(theirs) == 4
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
