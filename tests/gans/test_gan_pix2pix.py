from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from zerosum.gans import pix2pix
from zerosum.noise import SilentNoise

GOLDEN = Path(__file__).parents[1] / "golden" / "pix2pix.safetensors"
SMALL = {"width": 4, "downs": 5, "discriminator_width": 4}


def shapes(inputs: int = 3, side: int = 32) -> dict[str, tuple[int, ...]]:
    return {"source": (inputs, side, side), "target": (3, side, side)}


def batch(inputs: int = 3, n: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {key: torch.rand(n, *shape) * 2 - 1 for key, shape in shapes(inputs).items()}


def unet_weights(golden: dict[str, Tensor], levels: int) -> dict[str, Tensor]:
    """The authors' weights, each level of which lies inside the one around it, by our names."""
    ours, prefix = dict[str, Tensor](), "weights.G.model."
    for level in range(levels):
        inner = "model.0" if level == 0 else "model.1"
        up = {0: "model.3", levels - 1: "model.3"}.get(level, "model.5")
        places = {inner: f"down.{level}", "model.2": f"down_norm.{level}", up: f"up.{level}"}
        places |= {f"model.{int(up[-1]) + 1}": f"up_norm.{level}"}
        for theirs, name in places.items():
            found = {key: value for key, value in golden.items() if key.rpartition(".")[0] == prefix + theirs}
            ours |= {f"{name}.{key.rpartition('.')[2]}": value for key, value in found.items()}
        prefix += "model.1." if level == 0 else "model.3."
    return ours


def test_golden_parity() -> None:
    golden = load_file(GOLDEN)
    gan = pix2pix.Pix2Pix(pix2pix.Config(**SMALL, norm="batch"), shapes()).eval()
    gan.generator.load_state_dict(unet_weights(golden, 5))
    prefix = "weights.D."
    gan.discriminator.load_state_dict({k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)})
    made = gan.sample({"source": golden["io.x"]}, SilentNoise(2))
    torch.testing.assert_close(made, golden["io.g"], rtol=1e-4, atol=1e-5)
    scores = gan.discriminator(torch.cat([golden["io.x"], made], 1))
    torch.testing.assert_close(scores, golden["io.d"], rtol=1e-4, atol=1e-5)
    real = {"source": golden["io.x"], "target": golden["io.g"]}
    adversarial = gan.generator_loss(real, 0.0).terms["adversarial"]
    torch.testing.assert_close(adversarial, golden["io.bce_real"], rtol=1e-4, atol=1e-5)
    both = gan.discriminator_loss(real, 0.0).terms["adversarial"]
    torch.testing.assert_close(both, (golden["io.bce_real"] + golden["io.bce_fake"]) / 2, rtol=1e-4, atol=1e-5)


def test_losses_are_those_of_the_paper() -> None:
    gan, data = pix2pix.Pix2Pix(pix2pix.Config(**SMALL, dropout=0.0, l1=7.0), shapes()), batch()
    made = gan.sample(data, SilentNoise(4))
    real, fake = (gan.discriminator(torch.cat([data["source"], pictures], 1)) for pictures in (data["target"], made))
    one, zero = torch.ones_like(fake), torch.zeros_like(fake)
    terms = gan.generator_loss(data, 0.0).terms
    torch.testing.assert_close(terms["adversarial"], cross_entropy(fake, one))
    torch.testing.assert_close(terms["l1"], 7 * (data["target"] - made).abs().mean())
    judged = gan.discriminator_loss(data, 0.0).terms["adversarial"]
    torch.testing.assert_close(judged, (cross_entropy(real, one) + cross_entropy(fake, zero)) / 2)


def test_the_papers_networks_have_their_sizes() -> None:
    with torch.device("meta"):
        gan = pix2pix.Pix2Pix(pix2pix.Config(norm="batch"), shapes(side=256))
    assert sum(weight.numel() for weight in gan.generator.parameters()) == 54_413_955
    assert sum(weight.numel() for weight in gan.discriminator.parameters()) == 2_768_705
    dropping = [isinstance(layer, torch.nn.Dropout) for layer in gan.generator.drop]  # type: ignore[union-attr]
    assert dropping == [False] * 4 + [True] * 3 + [False]


def test_instance_norm_is_batch_norm_of_one_picture() -> None:
    """As the paper trains and tests: the statistics of the one picture."""
    torch.manual_seed(0)
    batched, single = (
        pix2pix.Pix2Pix(pix2pix.Config(**SMALL, dropout=0.0, norm=kind), shapes()) for kind in ("batch", "instance")
    )  # type: ignore[arg-type]
    weights = {
        key: value for key, value in batched.generator.state_dict().items() if "running" not in key and "num_b" not in key
    }
    single.generator.load_state_dict(weights)
    one = {"source": batch(n=1)["source"]}
    torch.testing.assert_close(
        batched.train().sample(one, SilentNoise(1)), single.eval().sample(one, SilentNoise(1)), rtol=1e-4, atol=1e-5
    )


def test_dropout_is_for_training_alone() -> None:
    gan = pix2pix.Pix2Pix(pix2pix.Config(width=4, downs=6, discriminator_width=4), shapes(side=64))
    source = {"source": torch.rand(2, 3, 64, 64)}
    one, other = (gan.train().sample(source, SilentNoise(2)) for _ in range(2))
    assert not torch.equal(one, other)
    one, other = (gan.eval().sample(source, SilentNoise(2)) for _ in range(2))
    assert torch.equal(one, other)


def test_luma_is_kept() -> None:
    gan, data = pix2pix.Pix2Pix(pix2pix.Config(**SMALL, luma="kept"), shapes(1)), batch(1)
    made = gan.sample(data, SilentNoise(4))
    assert made.shape == (4, 3, 32, 32)
    torch.testing.assert_close(pix2pix.luma_of(made), data["source"], rtol=0, atol=1e-5)
    assert not torch.allclose(made[:, 0], made[:, 1], atol=1e-4)


@pytest.mark.parametrize("generator", ["unet", "resnet", "plain"])
def test_a_source_is_changed_by_a_generator_that_skips(generator: str) -> None:
    config = pix2pix.Config(**SMALL, generator=generator, blocks=1, dropout=0.0, skip="source")  # type: ignore[arg-type]
    gan, data = pix2pix.Pix2Pix(config, shapes()), batch()
    source = data["source"]
    last = {"unet": lambda: gan.generator.up[0], "resnet": lambda: gan.generator.model, "plain": lambda: gan.generator.end}
    torch.testing.assert_close(gan.sample(data, SilentNoise(4)), (source + 2 * gan.generator(source)).clamp(-1, 1))
    for weight in list(last[generator]().parameters())[-2:]:
        weight.data.zero_()
    assert torch.equal(gan.sample(data, SilentNoise(4)), source)
    with pytest.raises(ValueError, match="gan.skip source needs targets of as many channels as sources, .* 3 and 1"):
        pix2pix.Pix2Pix(config, shapes(1))


@pytest.mark.parametrize("generator", ["unet", "resnet", "plain"])
def test_nothing_beyond_its_reach_changes_a_pixel(generator: str) -> None:
    config = pix2pix.Config(generator=generator, width=2, downs=3, blocks=1, norm="batch", layers=1)  # type: ignore[arg-type]
    gan = pix2pix.Pix2Pix(config, shapes(side=16)).double().eval()
    for weight in gan.parameters():
        weight.data = weight.data.abs() * 0.1 + 0.01  # so that nothing cancels
    assert gan.reach is not None
    side, farthest = 2 * -(-(gan.reach + 8) // gan.multiple) * gan.multiple, 0
    source = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    images = gan.sample({"source": source}, SilentNoise(1))
    for place in range(side // 2, side // 2 + gan.multiple):
        (gradient,) = torch.autograd.grad(images[:, :, place].sum(), source, retain_graph=True)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        farthest = max(farthest, place - int(rows.min()), int(rows.max()) - place)
    assert gan.reach - 2 * gan.multiple <= farthest <= gan.reach


@pytest.mark.parametrize("generator", ["unet", "resnet", "plain"])
def test_both_players_move_the_scores_their_way(generator: str) -> None:
    torch.manual_seed(0)
    config = pix2pix.Config(**SMALL, generator=generator, spectral=generator == "plain", blocks=1, dropout=0.0, l1=0.0)  # type: ignore[arg-type]
    gan = pix2pix.Pix2Pix(config, shapes())
    for player, loss in (("discriminator", gan.discriminator_loss), ("generator", gan.generator_loss)):
        optimiser, values = torch.optim.Adam(gan.players()[player].parameters(), 1e-3), []
        for _ in range(8):
            optimiser.zero_grad()
            term = loss(batch(), 0.0).terms["adversarial"]
            values.append(term.item())
            term.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        assert values[-1] < values[0]


def test_wrong_settings_and_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="set data.kind pairs"):
        pix2pix.Pix2Pix(pix2pix.Config(), {"image": (3, 32, 32)})
    with pytest.raises(ValueError, match="must be of one size"):
        pix2pix.Pix2Pix(pix2pix.Config(), {"source": (3, 16, 16), "target": (3, 32, 32)})
    with pytest.raises(ValueError, match="divisible by 256, but data.resolution is 32: .* fewer gan.downs"):
        pix2pix.Pix2Pix(pix2pix.Config(), shapes())
    with pytest.raises(ValueError, match="needs 24 pixels a side, but data.resolution is 16: choose fewer gan.layers"):
        pix2pix.Pix2Pix(pix2pix.Config(downs=3), shapes(side=16))
    with pytest.raises(ValueError, match="gan.luma kept is for grey sources"):
        pix2pix.Pix2Pix(pix2pix.Config(**SMALL, luma="kept"), shapes())
    with pytest.raises(ValueError, match=r"gan.dropout must be in \[0, 1\)"):
        pix2pix.Config(dropout=1.0)
