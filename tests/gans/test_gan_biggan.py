"""BigGAN: the authors' numbers, every resolution's channels, chunks of the latent, standing statistics, what is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from zerosum.gans.biggan import BigGAN, Config
from zerosum.losses import hinge_d, hinge_g
from zerosum.noise import FreshNoise

GOLDEN = Path(__file__).parents[1] / "golden" / "biggan.safetensors"
SHAPES = {"image": (1, 16, 16), "label": (3,)}
SMALL = {"latent": 12, "generator_width": 4, "discriminator_width": 4, "attention": (), "embedding": 8}


def our_name(theirs: str) -> str:
    """The name in this house of one of BigGAN-PyTorch's weights."""
    names = {"G.": "generator.", "D.": "discriminator.", ".bn": ".norm", ".conv_sc": ".shortcut", ".shared": ".embed"}
    for old, new in (names | {"output_layer": "end", "stored_": "norm.running_"}).items():
        theirs = theirs.replace(old, new)
    theirs = theirs.replace("end.0.gain", "end.0.weight").replace("end.0.norm.", "end.0.")
    layer, _, name = theirs.rpartition(".")
    if name == "weight" and not layer.endswith(("end.0", "generator.embed")):
        return f"{layer}.parametrizations.weight.original"
    return f"{layer}.parametrizations.weight.0.u" if name == "u0" else theirs


def golden_gan(golden: dict[str, Tensor]) -> BigGAN:
    config = Config(latent=40, generator_width=8, discriminator_width=8, attention=(16,), embedding=16, spectral_eps=1e-12)
    gan = BigGAN(config, {"image": (3, 32, 32), "label": (4,)})
    weights = {our_name(name[8:]): value for name, value in golden.items() if name.startswith("weights.") and "sv0" not in name}
    weights = {name: value.squeeze(0) if name.endswith(".u") else value for name, value in weights.items()}
    missing, unexpected = gan.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return gan.eval()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_authors_numbers(layout: torch.memory_format, frozen: bool) -> None:
    golden = load_file(GOLDEN)
    gan = golden_gan(golden).to(memory_format=layout).requires_grad_(not frozen)
    label = torch.eye(4)[golden["io.y"]]
    images = gan.synthesise(golden["io.z"].unflatten(1, (4, 10)), {"label": label}, FreshNoise(8))
    real, fake = golden["io.hinge_logits_real"], golden["io.hinge_logits_fake"]
    ours = {
        "io.img_eval": images,
        "io.d_fake_eval": gan.discriminator(images, label)[:, None],
        "io.d_real_eval": gan.discriminator(golden["io.real"], label)[:, None],
        "io.loss_g": hinge_g(fake),
    }
    for name, value in ours.items():
        torch.testing.assert_close(value, golden[name], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
    torch.testing.assert_close(hinge_d(real, fake), golden["io.loss_d_real"] + golden["io.loss_d_fake"])
