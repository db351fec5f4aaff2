from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate
from torch.nn.utils.parametrize import remove_parametrizations

from zerosum.gans import esrgan
from zerosum.losses import relativistic_average_d, relativistic_average_g
from zerosum.nn.picture_discriminators import UNetDiscriminator, VGGDiscriminator
from zerosum.noise import FreshNoise
from zerosum.recipe import Data
from zerosum.schedules import constant

GOLDEN = Path(__file__).parents[1] / "golden" / "esrgan.safetensors"
SMALL = {"width": 4, "growth": 4, "blocks": 1}


def shapes(scale: int = 4, side: int = 32) -> dict[str, tuple[int, ...]]:
    return {"source": (3, side // scale, side // scale), "target": (3, side, side)}


def batch(scale: int = 4, side: int = 32, n: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {key: torch.rand(n, *shape) * 2 - 1 for key, shape in shapes(scale, side).items()}


def test_golden_parity_of_the_generator() -> None:
    golden = load_file(GOLDEN)
    gan = esrgan.ESRGAN(esrgan.Config(width=8, growth=4, blocks=2), shapes(side=64))
    weights = {key.removeprefix("weights.G."): value for key, value in golden.items() if key.startswith("weights.G.")}
    gan.generator.load_state_dict(weights)
    torch.testing.assert_close(gan.generator(golden["io.x"]), golden["io.y"], rtol=1e-4, atol=1e-5)
    samples = gan.sample({"source": golden["io.x"] * 2 - 1}, FreshNoise(2))
    torch.testing.assert_close((samples + 1) / 2, golden["io.y"], rtol=1e-4, atol=1e-5)


def test_golden_parity_of_the_unet_discriminator() -> None:
    """The authors' layers keep both singular vectors, ours one: so their weights are normalised by theirs first."""
    golden, judge = load_file(GOLDEN), UNetDiscriminator(3, 4)
    for number in range(10):
        layer, name = judge.get_submodule(f"conv{number}"), f"weights.D.conv{number}."
        if number in (0, 9):
            layer.load_state_dict({key: golden[name + key] for key in ("weight", "bias")})
            continue
        remove_parametrizations(layer, "weight")
        weight, u, v = (golden[f"{name}weight_{part}"] for part in ("orig", "u", "v"))
        layer.load_state_dict({"weight": weight / (u @ weight.flatten(1) @ v)})
    torch.testing.assert_close(judge(golden["io.d_in"]), golden["io.d"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("scale", "generator"), [(4, "rrdb"), (2, "rrdb"), (1, "rrdb"), (1, "plain")])
def test_nothing_beyond_its_reach_changes_a_pixel(scale: int, generator: Literal["rrdb", "plain"]) -> None:
    config = esrgan.Config(generator=generator, skip="bicubic", width=2, growth=2, blocks=1)
    gan = esrgan.ESRGAN(config, shapes(scale)).double()
    for weight in gan.parameters():
        # So that nothing cancels, and of a black source every map is 0, where no bound is near.
        weight.data = weight.data.abs() + 0.1 if weight.ndim > 1 else torch.zeros_like(weight)
    side, farthest = 2 * (gan.reach - gan.reach % gan.multiple) + 8, 0
    source = torch.full((1, 3, side, side), -1.0, dtype=torch.float64, requires_grad=True)
    images = gan.sample({"source": source}, FreshNoise(1))
    for place in range(side // 2, side // 2 + gan.multiple):
        (gradient,) = torch.autograd.grad(images[:, :, scale * place].sum(), source, retain_graph=True)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        farthest = max(farthest, place - int(rows.min()), int(rows.max()) - place)
    assert gan.reach - gan.multiple <= farthest <= gan.reach


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_any_size_becomes_scale_times_as_large(scale: int) -> None:
    gan = esrgan.ESRGAN(esrgan.Config(**SMALL, skip="bicubic"), shapes(scale))
    made = gan.sample({"source": torch.zeros(2, 3, 12, 20)}, FreshNoise(2))
    assert made.shape == (2, 3, 12 * scale, 20 * scale)


def test_the_skip_adds_to_the_source_enlarged() -> None:
    gan = esrgan.ESRGAN(esrgan.Config(**SMALL, skip="bicubic"), shapes())
    torch.nn.init.zeros_(gan.generator.conv_last.weight)
    torch.nn.init.zeros_(gan.generator.conv_last.bias)  # type: ignore[arg-type]
    source = batch()["source"]
    enlarged = interpolate(source, [32, 32], mode="bicubic", antialias=True)
    assert torch.equal(gan.sample({"source": source}, FreshNoise(3)), enlarged)


def test_a_u_net_without_norms_changes_the_source_at_its_own_size() -> None:
    config = esrgan.Config(**SMALL, generator="plain", skip="bicubic")
    gan, source = esrgan.ESRGAN(config, shapes(1)), batch(1)["source"]
    made = gan.sample({"source": source}, FreshNoise(3))
    torch.testing.assert_close(made, source + 2 * gan.generator((source + 1) / 2))
    assert 0 < (made - source).abs().mean() < 0.1
    with pytest.raises(ValueError, match=r"works at data.scale 1, not 4: choose gan.generator rrdb"):
        esrgan.ESRGAN(config, shapes(4))
    with pytest.raises(ValueError, match=r"gan.generator plain needs gan.skip bicubic"):
        esrgan.Config(generator="plain")


def test_relativistic_average_losses_are_those_of_the_paper() -> None:
    """Equations 1 and 2 by torch's own cross-entropy, for scores and for maps of scores."""
    torch.manual_seed(1)
    for shape in ((6,), (6, 1, 4, 4)):
        real, fake = torch.randn(shape), torch.randn(shape) + 0.5
        relative = real - fake.mean(), fake - real.mean()
        one, zero = torch.ones(shape), torch.zeros(shape)
        cross = binary_cross_entropy_with_logits
        torch.testing.assert_close(relativistic_average_d(real, fake), cross(relative[0], one) + cross(relative[1], zero))
        torch.testing.assert_close(relativistic_average_g(real, fake), cross(relative[0], zero) + cross(relative[1], one))


def test_the_terms_are_weighed_as_the_settings_say_and_the_judge_is_no_part_of_the_game() -> None:
    def gan(**settings: float) -> esrgan.ESRGAN:
        torch.manual_seed(0)
        return esrgan.ESRGAN(esrgan.Config(**SMALL, discriminator_width=4, **settings), shapes())  # type: ignore[arg-type]

    one, two = gan(perceptual=1.0, adversarial=1.0), gan(pixel=0.5, perceptual=2.0, adversarial=3.0)
    first, second = one.generator_loss(batch(), 0.0).terms, two.generator_loss(batch(), 0.0).terms
    for name, factor in {"pixel": 0.5, "perceptual": 2.0, "adversarial": 3.0}.items():
        torch.testing.assert_close(second[name], factor * first[name])
    images = one.sample({"source": batch()["source"]}, FreshNoise(3))
    # The mean absolute difference is of pixels in [0, 1].
    torch.testing.assert_close(first["pixel"], ((images + 1) / 2 - (batch()["target"] + 1) / 2).abs().mean())
    players = {id(weight) for player in one.players().values() for weight in player.parameters()}
    assert players == {id(weight) for weight in one.parameters()}
    assert not any("network" in name for name in one.state_dict())
    first["perceptual"].backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None for weight in one.generator.parameters())


def test_reading_the_judges_weights_leaves_the_random_stream_alone() -> None:
    gan = esrgan.ESRGAN(esrgan.Config(**SMALL, perceptual=1.0), shapes())
    torch.manual_seed(3)
    gan.generator_loss(batch(), 0.0)
    after = torch.rand(3)
    torch.manual_seed(0)  # as `batch` does
    for shape in shapes().values():
        torch.rand(3, *shape)
    assert torch.equal(after, torch.rand(3))


def test_without_an_adversarial_weight_there_is_no_discriminator() -> None:
    gan = esrgan.ESRGAN(esrgan.Config(**SMALL), shapes())
    assert list(gan.players()) == ["generator"]
    assert [turn.player for turn in gan.turns()] == ["generator"]
    assert not hasattr(gan, "discriminator")
    assert set(gan.generator_loss(batch(), 0.0).terms) == {"pixel"}


@pytest.mark.parametrize("game", ["relativistic", "standard"])
@pytest.mark.parametrize("discriminator", ["vgg", "unet"])
def test_both_players_move_the_scores_their_way(game: str, discriminator: str) -> None:
    torch.manual_seed(0)
    config = esrgan.Config(
        **SMALL,
        game=game,
        discriminator=discriminator,
        discriminator_width=8,
        pixel=0.0,
        adversarial=1.0,  # type: ignore[arg-type]
    )
    gan = esrgan.ESRGAN(config, shapes())
    losses = {}
    for player, loss in (("discriminator", gan.discriminator_loss), ("generator", gan.generator_loss)):
        optimiser = torch.optim.Adam(gan.players()[player].parameters(), 1e-3)
        losses[player] = [loss(batch(), 0.0).terms["adversarial"].item()]
        for _ in range(8):
            optimiser.zero_grad()
            loss(batch(), 0.0).terms["adversarial"].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        losses[player].append(loss(batch(), 0.0).terms["adversarial"].item())
    assert all(last < first for first, last in losses.values())


def test_what_the_discriminators_give() -> None:
    assert VGGDiscriminator(3, 128, 4)(torch.zeros(2, 3, 128, 128)).shape == (2,)
    assert UNetDiscriminator(1, 4)(torch.zeros(2, 1, 16, 24)).shape == (2, 1, 16, 24)
    widths = [layer.out_channels for layer in VGGDiscriminator(3, 128, 64).layers if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [64, 64, 128, 128, 256, 256, 512, 512, 512, 512], "those of the released code"


def test_the_papers_network_has_its_size() -> None:
    with torch.device("meta"):
        gan = esrgan.ESRGAN(esrgan.Config(), shapes(side=128))
    assert sum(weight.numel() for weight in gan.generator.parameters()) == 16_697_987


def test_the_second_stage_starts_from_the_first() -> None:
    assert esrgan.gan().train.start == "runs/esrgan-psnr"
    assert esrgan.real("elsewhere").train.start == "elsewhere"
    assert esrgan.gan(None).train.start is None
    assert esrgan.gan().optimisers["generator"].rate(0) == 1e-4
    assert esrgan.psnr().optimisers["generator"].rate(16e6) == pytest.approx(2e-4 / 32)
    assert esrgan.real().optimisers["discriminator"].rate == constant(1e-4)


def test_wrong_settings_and_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="are all 0: give one of them a weight"):
        esrgan.Config(pixel=0)
    with pytest.raises(ValueError, match="set data.kind photographs"):
        esrgan.ESRGAN(esrgan.Config(**SMALL), {"image": (3, 32, 32)})
    with pytest.raises(ValueError, match="the scale must be 1, 2 or 4"):
        esrgan.ESRGAN(esrgan.Config(**SMALL), {"source": (3, 8, 8), "target": (3, 64, 64)})
    with pytest.raises(ValueError, match="power of two from 8, not 48"):
        esrgan.ESRGAN(esrgan.Config(**SMALL, adversarial=1.0), shapes(side=48))
    with pytest.raises(ValueError, match="multiple of 16 at data.scale 4, not 40"):
        Data(kind="photographs", resolution=40)
