from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from zerosum.gans import dcgan
from zerosum.noise import FreshNoise, SeededNoise
from zerosum.recipe import Stabilisers

GOLDEN = Path(__file__).parents[1] / "golden" / "dcgan.safetensors"
SMALL = {"image": (1, 16, 16)}


class Fixed(FreshNoise):
    """The latents of a file."""

    def __init__(self, latent):
        super().__init__(len(latent))
        self.latent_values = latent

    def normal(self, *shape):
        return self.latent_values.reshape(-1, *shape)


def load_example(gan, golden):
    """PyTorch's example counts its layers as we do and calls them `main`."""
    for ours, theirs in ((gan.generator, "weights.G.main."), (gan.discriminator, "weights.D.main.")):
        # The example has no place for a minibatch layer before its last convolution, layer 11.
        names = {name: (theirs + name.removeprefix("layers.")).replace("D.main.12", "D.main.11") for name in ours.state_dict()}
        ours.load_state_dict({name: golden[key] for name, key in names.items()})


def test_golden_parity_with_pytorchs_example(monkeypatch):
    golden = load_file(GOLDEN)
    gan = dcgan.DCGAN(dcgan.Config(latent=16, generator_width=4, discriminator_width=4), {"image": (3, 64, 64)})
    load_example(gan, golden)
    gan.eval()
    noise = Fixed(golden["io.z"])
    images = gan.sample({}, noise)
    monkeypatch.setattr(dcgan, "FreshNoise", lambda *_: noise)
    batch = {"image": golden["io.real"]}
    ours = {
        "io.img_eval": images,
        "io.p_fake": gan.discriminator(images).sigmoid(),
        "io.p_real": gan.discriminator(golden["io.real"]).sigmoid(),
        "io.loss_d": gan.discriminator_loss(batch, 0.0).terms["adversarial"],
        "io.loss_g": gan.generator_loss(batch, 0.0).terms["adversarial"],
    }
    for name, value in ours.items():
        torch.testing.assert_close(value, golden[name], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_stabilisers_change_what_both_players_lower():
    torch.manual_seed(0)
    batch = {"image": torch.rand(8, 1, 16, 16) * 2 - 1}
    plain = dcgan.Config(latent=4, generator_width=4, discriminator_width=4)

    def losses(progress, **stabilisers):
        torch.manual_seed(1)
        config = dcgan.Config(**vars(plain) | {"stabilisers": Stabilisers(**stabilisers)})
        gan = dcgan.DCGAN(config, SMALL)
        terms = []
        for loss in (gan.discriminator_loss, gan.generator_loss):
            torch.manual_seed(2)
            terms.append(loss(batch, progress).terms["adversarial"].item())
        return terms

    before = losses(0.0)
    assert all(a != b for a, b in zip(losses(0.0, instance_noise=0.5), before, strict=True))
    assert losses(1.0, instance_noise=0.5) == before
    assert [a != b for a, b in zip(losses(0.0, label_smoothing=0.1), before, strict=True)] == [True, False]
    for kind in ("discrimination", "std"):
        assert losses(0.0, minibatch=kind) != before


def test_samples_depend_on_their_seed_alone():
    gan = dcgan.DCGAN(dcgan.tiny().gan, SMALL).for_sampling()
    assert set(dict(gan.named_children())) == {"generator"}
    together = gan.sample({}, SeededNoise(range(5)))
    torch.testing.assert_close(gan.sample({}, SeededNoise([3])), together[3:4])


def test_notes_are_the_probabilities():
    gan = dcgan.DCGAN(dcgan.tiny().gan, SMALL)
    notes = gan.discriminator_loss({"image": torch.zeros(4, 1, 16, 16)}, 0.0).notes
    assert 0 < notes["D(x)"] < 1
    torch.testing.assert_close(notes["D(x)"], notes["score_real"].sigmoid(), rtol=1e-2, atol=1e-2)
    assert not any(note.requires_grad for note in notes.values())


def test_refuses_what_it_cannot_build():
    with pytest.raises(ValueError, match="generator_width must be above 0, not 0"):
        dcgan.Config(generator_width=0)
    with pytest.raises(ValueError, match="Input should be 4 or 5"):
        dcgan.Config(kernel=3)
    with pytest.raises(ValueError, match="power of two from 8"):
        dcgan.DCGAN(dcgan.Config(), {"image": (1, 28, 28)})
    with pytest.raises(ValueError, match="the data has only point"):
        dcgan.DCGAN(dcgan.Config(), {"point": (2,)})


def test_papers_widths():
    with torch.device("meta"):
        gan = dcgan.DCGAN(dcgan.paper().gan, {"image": (3, 64, 64)})
    assert [m.weight.shape[1] for m in gan.generator.layers if hasattr(m, "weight") and m.weight.dim() == 4] == [
        1024,
        512,
        256,
        128,
        3,
    ]
    assert [m.weight.shape[0] for m in gan.discriminator.layers if hasattr(m, "weight") and m.weight.dim() == 4] == [
        128,
        256,
        512,
        1024,
        1,
    ]
