"""StyleGAN: layers against direct formulas, growing, R1 on full-size images, latents, what is refused."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import avg_pool2d, conv2d, instance_norm, interpolate, leaky_relu

from zerosum.game import HasLatents
from zerosum.gans.stylegan import Config, Discriminator, Stage, StyledLayer, StyleGAN, shown_at, stage_at
from zerosum.nn.fir import blur, fir_kernel
from zerosum.nn.norm import adaptive_instance_norm
from zerosum.noise import SeededNoise
from zerosum.recipe import Stabilisers

SMALL = Config(latent=8, style=8, mapping_layers=2, channel_base=64, channel_max=8, start_resolution=4)
KERNEL = fir_kernel([1, 2, 1])


def small_gan(resolution: int = 16, **settings: object) -> StyleGAN:
    torch.manual_seed(0)
    gan = StyleGAN(replace(SMALL, **settings), {"image": (1, resolution, resolution), "label": (3,)})
    for name, parameter in gan.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            torch.nn.init.normal_(parameter, 0, 0.2)
    return gan


def test_adain_is_instance_norm_then_scale_and_shift() -> None:
    maps, scale, shift = torch.randn(3, 4, 5, 6) * 3 + 1, torch.randn(3, 4), torch.randn(3, 4)
    expected = instance_norm(maps, eps=1e-8) * scale[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(adaptive_instance_norm(maps, scale, shift), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
def test_a_layer_is_convolution_noise_bias_activation_adain(up: bool) -> None:
    layer = StyledLayer(4, 6, 5, 16 if up else 8, up=up)
    torch.nn.init.normal_(layer.noise_strength)
    torch.nn.init.normal_(layer.bias)
    maps, style = torch.randn(3, 4, 8, 8), torch.randn(3, 5)
    weight = layer.conv.weight * 2**0.5 / 36**0.5
    plain = conv2d(interpolate(maps, scale_factor=2.0) if up else maps, weight, padding=1)
    if up:
        plain = blur(plain, KERNEL, 1)
    noise = SeededNoise(range(3)).normal(1, layer.resolution, layer.resolution)
    plain = leaky_relu(plain + noise * layer.noise_strength[:, None, None] + layer.bias[:, None, None], 0.2)
    scale, shift = (style @ layer.affine.weight.T / 5**0.5 + layer.affine.bias).split(6, 1)
    expected = instance_norm(plain, eps=1e-8) * (scale + 1)[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(layer(maps, style, SeededNoise(range(3)), KERNEL), expected, rtol=1e-4, atol=1e-5)


def test_the_schedule_of_growing() -> None:
    stages = [stage_at(seen, 8, 32, 100, 50) for seen in (0, 100, 110, 150, 250, 275, 300, 10_000)]
    resolutions, shares = zip(*stages, strict=True)
    assert resolutions == (8, 8, 16, 16, 16, 32, 32, 32)
    assert shares == (1, 1, pytest.approx(0.2), 1, 1, pytest.approx(0.5), 1, 1)
    assert stage_at(0, 32, 32, 100, 50) == Stage(32, 1)
    assert [stage_at(seen, 4, 16, 10, 0).resolution for seen in (0, 9, 10, 19, 20, 99)] == [4, 4, 8, 8, 16, 16]
    assert stage_at(0, 4, 16, 0, 0) == Stage(16, 1)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_fading_in_mixes_with_the_resolution_below(share: float) -> None:
    gan = small_gan()
    styles = gan.latents({}, SeededNoise(range(4)))

    def images(stage: Stage) -> torch.Tensor:
        return gan.generator(styles, None, stage)

    below, above = interpolate(images(Stage(8, 1.0)), scale_factor=2.0), images(Stage(16, 1.0))
    torch.testing.assert_close(images(Stage(16, share)), torch.lerp(below, above, share))
    assert (below - above).abs().max() > 0.01
    shown = torch.randn(4, 1, 16, 16)
    scores = gan.discriminator(shown, None, share)
    if share == 0:
        torch.testing.assert_close(scores, gan.discriminator(avg_pool2d(shown, 2), None, 1.0))
    assert scores.shape == (4,)


def test_real_images_fade_like_generated_ones() -> None:
    images = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(shown_at(images, Stage(8, 1.0)), avg_pool2d(images, 2))
    faded = shown_at(images, Stage(16, 0.25))
    torch.testing.assert_close(faded, 0.25 * images + 0.75 * interpolate(avg_pool2d(images, 2), scale_factor=2.0))
    assert shown_at(images, Stage(16, 1.0)) is images


def test_the_discriminator_against_its_formula() -> None:
    discriminator = Discriminator(replace(SMALL, minibatch_group=1), 1, 8, 3)
    images, label = torch.randn(2, 1, 8, 8), torch.eye(3)[:2]

    def layer(maps: torch.Tensor, conv: torch.nn.Module, padding: int = 1) -> torch.Tensor:
        weight = conv.weight / (conv.weight[0].numel()) ** 0.5
        return conv2d(maps, weight, padding=padding) + conv.bias[:, None, None]

    def active(maps: torch.Tensor) -> torch.Tensor:
        return leaky_relu(maps, 0.2) * 2**0.5

    block, end = discriminator.blocks["b8"], discriminator.end
    maps = active(layer(active(layer(images, block.from_rgb, 0)), block.conv0))
    weight = block.conv1.weight / (8 * 9) ** 0.5
    maps = active(avg_pool2d(conv2d(blur(maps, KERNEL, 1), weight, padding=1), 2) + block.conv1.bias[:, None, None])
    maps = active(layer(torch.cat([maps, torch.full((2, 1, 4, 4), 1e-4)], 1), end.conv))
    hidden = active(maps.flatten(1) @ end.fc.weight.T / 128**0.5 + end.fc.bias)
    scores = hidden @ end.out.weight.T / 8**0.5 + end.out.bias
    torch.testing.assert_close(discriminator(images, label), (scores * label).sum(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seen", [0, 12, 1000])
def test_r1_is_that_of_images_enlarged_to_the_full_size(seen: int) -> None:
    gan = small_gan(stable_images=8, fade_images=8, r1_gamma=3.0, minibatch_group=1)
    gan.grow(seen)
    stage = gan.generator.stage()
    batch = {"image": torch.randn(4, 1, 16, 16)}
    shown = interpolate(shown_at(batch["image"], stage), 16).requires_grad_()
    scores = gan.discriminator(avg_pool2d(shown, 16 // stage.resolution), None, stage.share)
    (gradient,) = torch.autograd.grad(scores.sum(), shown)
    loss = gan.discriminator_loss(batch, 0.0)
    torch.testing.assert_close(loss.terms["r1"], 1.5 * gradient.square().sum((1, 2, 3)).mean(), rtol=1e-4, atol=1e-6)
    assert loss.notes["resolution"] == {0: 4, 12: 6, 1000: 16}[seen]


def test_r1_pulls_on_the_weights_as_finite_differences_say() -> None:
    gan = small_gan(8, start_resolution=8).double()
    batch = {"image": torch.randn(4, 1, 8, 8, dtype=torch.float64)}
    weight = gan.discriminator.end.conv.weight
    direction = torch.randn_like(weight)

    def penalty() -> torch.Tensor:
        images = batch["image"].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(gan.discriminator(images, None).sum(), images, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()

    (slope,) = torch.autograd.grad(penalty(), weight)
    values = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight += step * direction
        values.append(penalty().item())
        with torch.no_grad():
            weight -= step * direction
    assert (slope * direction).sum().item() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4)


@pytest.mark.parametrize("resolution", [4, 8, 32])
@pytest.mark.parametrize("conditional", [False, True])
def test_turns_and_latents_at_every_size(resolution: int, conditional: bool) -> None:
    gan = small_gan(resolution, conditional=conditional, stable_images=6, fade_images=12)
    batch = {"image": torch.rand(6, 1, resolution, resolution), "label": torch.eye(3).repeat(2, 1)}
    for _ in range(6):
        for turn in gan.turns():
            assert all(term.isfinite() for term in turn.loss(batch, 0.0).terms.values())
            turn.project(6)
    assert isinstance(gan, HasLatents)
    latents = gan.latents(batch, SeededNoise(range(6)))
    assert latents.shape == (6, 2 * (resolution.bit_length() - 2), 8)
    assert [weight.shape[1] for weight in gan.latent_weights()] == [8] * latents.shape[1]
    noise = SeededNoise(range(6))
    samples = gan.synthesise(gan.latents(batch, noise), batch, noise)
    torch.testing.assert_close(samples, gan.sample(batch, SeededNoise(range(6))))
    assert samples.shape == batch["image"].shape


def test_samples_are_of_the_stage_and_the_sampling_copy_knows_it() -> None:
    gan = small_gan(16, stable_images=100, fade_images=100)
    first = gan.for_sampling().sample({}, SeededNoise(range(3)))
    torch.testing.assert_close(first, interpolate(first[:, :, ::4, ::4], 16), rtol=0, atol=0)
    gan.grow(1000)
    grown = gan.for_sampling()
    assert grown.generator.stage() == Stage(16, 1.0)
    assert not torch.equal(grown.sample({}, SeededNoise(range(3))), first)


def test_mixing_stays_within_the_layers_in_use() -> None:
    gan, seen = small_gan(16, mixing=1.0, stable_images=100), []
    gan.generator.blocks["b4"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    for _ in range(4):
        gan.generator_loss({"image": torch.rand(3, 1, 16, 16)}, 0)
        assert (seen[-1][:, 0] != seen[-1][:, 1]).any(), "at 4x4 there are two layers, so the cut is between them"


def test_truncation_in_the_first_layers() -> None:
    gan = small_gan()
    gan.generator_loss({"image": torch.rand(4, 1, 16, 16)}, 0)
    mean = gan.generator.mapping.w_avg
    assert mean.any()
    latents = gan.latents({}, SeededNoise(range(2)))
    cut = gan.truncate(latents, 0.7, layers=4)
    torch.testing.assert_close(cut[:, :4], mean + 0.7 * (latents[:, :4] - mean))
    assert torch.equal(cut[:, 4:], latents[:, 4:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stabilisers": Stabilisers(minibatch="std")}, "set minibatch to none and see gan.minibatch_group"),
        ({"start_resolution": 12}, r"gan\.start_resolution that is a power of two from 4 .*, not 12"),
        ({"fade_images": -1}, "fade_images must not be negative"),
        ({"mixing": 1.5}, r"mixing must be in \[0, 1\], not 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config(**settings)


def test_data_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.resolution that is a power of two from 4 .*, not 28"):
        StyleGAN(SMALL, {"image": (1, 28, 28)})
    with pytest.raises(ValueError, match="conditional needs labels, but the data has none"):
        StyleGAN(replace(SMALL, conditional=True), {"image": (1, 16, 16)})
