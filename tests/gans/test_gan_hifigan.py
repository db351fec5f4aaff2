from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import conv1d
from torch.nn.utils.parametrize import remove_parametrizations

from zerosum.api import build_gan
from zerosum.data import open_data
from zerosum.game import HasVocoder
from zerosum.gans import get_recipe, hifigan
from zerosum.noise import SilentNoise
from zerosum.spectra import log_mel

GOLDEN = Path(__file__).parents[1] / "golden" / "hifigan.safetensors"


def tiny() -> hifigan.HiFiGAN:
    config = get_recipe("hifigan:tiny").gan
    assert isinstance(config, hifigan.Config)
    torch.manual_seed(0)
    return hifigan.HiFiGAN(config, {"wave": (1, 1_024)})


def plain(generator: nn.Module) -> nn.Module:
    """The generator with its weight norm removed."""
    for layer in generator.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            remove_parametrizations(layer, "weight")
    return generator


def test_golden_parity_of_the_generator() -> None:
    golden = load_file(GOLDEN)
    generator = plain(hifigan.Generator(80, 32, (8, 8, 2, 2), "pairs"))
    generator.load_state_dict({key.removeprefix("weights.G."): value for key, value in golden.items() if "weights" in key})
    torch.testing.assert_close(generator(golden["io.mel"]), golden["io.wav"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "millions"), [("v1", 13.92), ("v2", 0.92), ("v3", 1.46)])
def test_the_papers_sizes(name: str, millions: float) -> None:
    """Table 1 of the paper; weight norm's gains, which are folded into the weights, are not counted there."""
    recipe = get_recipe(f"hifigan:{name}")
    assert isinstance(recipe.gan, hifigan.Config)
    config = recipe.gan
    generator = plain(hifigan.Generator(80, config.width, config.upsample, config.blocks))
    assert sum(weight.numel() for weight in generator.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_a_period_discriminator_sees_every_pth_sample_alone() -> None:
    torch.manual_seed(0)
    judge, sounds = hifigan.PeriodDiscriminator(3, 32), torch.randn(2, 1, 300)
    scores, maps = judge(sounds)
    phase = judge.layers[0](sounds[:, :, 1::3, None])[..., 0]
    torch.testing.assert_close(maps[0][..., 1], torch.where(phase > 0, phase, 0.1 * phase))
    changed = sounds.clone()
    changed[:, :, 2::3] = 0
    again, _ = judge(changed)
    assert torch.equal(again[..., :2], scores[..., :2])
    assert not torch.equal(again[..., 2], scores[..., 2])
    assert len(maps) == 6
    assert maps[-1] is scores


def test_discriminators_see_periods_and_scales() -> None:
    gan = tiny()
    found = gan.discriminators(torch.randn(2, 1, 1_024))
    assert len(found) == 8
    assert [scores.shape[-1] for scores, _ in found[:5]] == list(hifigan.PERIODS)
    first, second, third = (scores.shape[-1] for scores, _ in found[5:])
    assert first > second > third
    norms = [type(judge.layers[0].parametrizations.weight[0]).__name__ for judge in gan.discriminators.scales]  # type: ignore[union-attr, index]
    assert norms == ["SpectralNorm", "_WeightNorm", "_WeightNorm"]


def test_losses_are_those_of_the_paper() -> None:
    gan = tiny()
    wave = torch.rand(3, 1, 1_024) - 0.5
    fakes = gan.sample({"source": wave}, SilentNoise(3)).detach()
    real, fake = gan.discriminators.eval()(wave), gan.discriminators(fakes)
    gan.generator.eval()
    loss = gan.generator_loss({"wave": wave}, 0.0).terms
    torch.testing.assert_close(loss["adversarial"], sum((scores - 1).square().mean() for scores, _ in fake))
    matching = sum(
        (a - b).abs().mean() for (_, one), (_, two) in zip(real, fake, strict=True) for a, b in zip(one, two, strict=True)
    )
    torch.testing.assert_close(loss["feature_matching"], 2 * matching)
    distance = (log_mel(wave[:, 0], gan.loss_mel) - log_mel(fakes[:, 0], gan.loss_mel)).abs().mean()
    torch.testing.assert_close(loss["mel"], 45 * distance)
    wanted = sum((r - 1).square().mean() + f.square().mean() for (r, _), (f, _) in zip(real, fake, strict=True))
    torch.testing.assert_close(gan.discriminators_loss({"wave": wave}, 0.0).terms["adversarial"], wanted)


def test_dilated_blocks_add_to_what_comes_in() -> None:
    block, maps = hifigan.ResidualBlock(2, 3, (2,), is_pair=False), torch.randn(1, 2, 40)
    layer = block.convs1[0]
    assert isinstance(layer, nn.Conv1d)
    change = conv1d(torch.where(maps > 0, maps, 0.1 * maps), layer.weight, layer.bias, padding=2, dilation=2)
    torch.testing.assert_close(block(maps), maps + change)


def test_it_is_a_vocoder() -> None:
    gan = tiny()
    assert isinstance(gan, HasVocoder)
    assert gan.vocode(torch.zeros(2, 16, 9)).shape == (2, 1, 9 * 32)
    assert gan.for_sampling().vocode(torch.zeros(1, 16, 3)).abs().max() <= 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"upsample": (8, 8, 2)}, "multiply to 128: gan.hop is 256"),
        ({"upsample": (256,), "hop": 256, "width": 3}, "gan.width 3 cannot be halved 1 times"),
        ({"upsample": (5, 5)}, "even numbers"),
        ({"discriminator_width": 40}, "multiple of 32"),
        ({"high": 20_000.0}, "has none above"),
        ({"mel": -1.0}, "mel must not be negative"),
    ],
)
def test_wrong_settings_are_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hifigan.Config(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"image": (1, 32, 32)}, "set data.kind audio"),
        ({"wave": (2, 1_024)}, "set data.channels mono"),
        ({"wave": (1, 1_000)}, "data.samples 1000 must be a multiple of gan.hop 32"),
        ({"wave": (1, 96)}, "at least gan.window 128"),
    ],
)
def test_what_it_cannot_learn_from_is_refused(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hifigan.HiFiGAN(tiny().config, shapes)


def test_another_rate_is_refused() -> None:
    recipe = get_recipe("hifigan:tiny")
    card = open_data(get_recipe("wavegan:cpu").data).card
    with pytest.raises(ValueError, match="gan.rate is 8000 Hz, but the data has 16000 Hz: set data.rate and gan.rate"):
        build_gan(recipe, card, torch.device("cpu"))


def test_features_reach_the_sound() -> None:
    gan, noise = tiny(), SilentNoise(2)
    quiet: dict[str, Tensor] = {"source": torch.zeros(2, 1, 1_024)}
    loud = {"source": torch.rand(2, 1, 1_024) - 0.5}
    assert not torch.equal(gan.sample(quiet, noise), gan.sample(loud, noise))
