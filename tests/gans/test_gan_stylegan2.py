"""StyleGAN2: parity with the authors' networks and penalties, architectures, latents, lazy turns, reduced precision."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from zerosum.game import HasLatents
from zerosum.gans.stylegan2 import Config, Discriminator, Generator, StyleGAN2, auto_settings
from zerosum.noise import SeededNoise
from zerosum.recipe import Stabilisers
from zerosum.regularizers import path_lengths, squared_gradient_norm

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "stylegan2.safetensors")
IO = {name.removeprefix("io."): value for name, value in GOLDEN.items() if name.startswith("io.")}
AUTHORS = Config(latent=32, style=32, mapping_layers=2, channel_base=512, channel_max=32, conditional=True)
SMALL = Config(latent=8, style=8, mapping_layers=2, channel_base=64, channel_max=8)


def ours(name: str) -> str:
    """Our name of one of the authors' weights."""
    player, *path = name.split(".")
    end = player == "D" and path[0] == "b4"
    if path[0] == "mapping":
        path = [part.replace("fc", "layers.") for part in path]
    elif player == "G":
        path.insert(1, "blocks")
    else:
        path = ["end", *path[1:]] if end else ["blocks", *path]
    names = {"torgb": "to_rgb", "fromrgb": "from_rgb"}
    return ".".join([{"G": "generator", "D": "discriminator"}[player], *(names.get(part, part) for part in path)])


@pytest.fixture(scope="module")
def authors() -> StyleGAN2:
    """Our networks with the authors' weights."""
    gan = StyleGAN2(AUTHORS, {"image": (3, 32, 32), "label": (4,)})
    weights = {ours(name[8:]): value for name, value in GOLDEN.items() if name.startswith("weights.")}
    weights = {name: value for name, value in weights.items() if not name.endswith("resample_filter")}
    gan.load_state_dict(weights | {"path_mean": torch.zeros(())}, strict=True)
    return gan.to(memory_format=torch.channels_last)


def close(value: Tensor, name: str) -> None:
    torch.testing.assert_close(value, IO[name], rtol=1e-4, atol=1e-5)


def test_golden_styles_and_images(authors: StyleGAN2) -> None:
    generator = authors.generator
    styles = generator.styles(IO["z"], IO["c_onehot"])
    close(styles, "ws")
    close(authors.truncate(styles, 0.7), "ws_psi07")
    close(authors.truncate(styles, 0.5, layers=4), "ws_psi05_cut4")
    close(generator.synthesis(styles, "constant"), "img_const")
    close(generator.synthesis(styles, "none"), "img_none")
    close(generator.synthesis(authors.truncate(styles, 0.7), "constant"), "img_psi07")
    mixed = torch.cat([styles[:, :4], styles.flip(0)[:, 4:]], 1)
    close(generator.synthesis(mixed, "constant"), "img_mix4")


def test_golden_scores_and_penalties(authors: StyleGAN2) -> None:
    real = IO["real"].clone().requires_grad_()
    scores = authors.discriminator(real, IO["c_onehot"])
    close(scores[:, None], "d_real")
    close(authors.discriminator(IO["img_const"], IO["c_onehot"])[:, None], "d_fake")
    close(squared_gradient_norm(scores, real), "r1")
    batch = {"image": IO["real"], "label": IO["c_onehot"]}
    torch.testing.assert_close(authors.r1_loss(batch, 0).terms["r1"], 5 * IO["r1"].mean(), rtol=1e-4, atol=1e-5)
    styles = IO["ws"].clone().requires_grad_()
    close(path_lengths(authors.generator.synthesis(styles, "constant"), styles, IO["pl_noise"] * 32), "pl_length")


@pytest.mark.parametrize("architecture", ["skip", "residual", "original"])
@pytest.mark.parametrize("resolution", [4, 8, 64])
@pytest.mark.parametrize("conditional", [False, True])
def test_every_architecture_at_every_resolution(architecture: str, resolution: int, conditional: bool) -> None:
    config = replace(
        SMALL,
        generator_architecture=architecture,
        discriminator_architecture=architecture,
        conditional=conditional,
        clamp=256.0,
    )
    gan = StyleGAN2(config, {"image": (1, resolution, resolution), "label": (3,)})
    batch = {"image": torch.rand(6, 1, resolution, resolution) * 2 - 1, "label": torch.eye(3).repeat(2, 1)}
    for name, turn in zip(["discriminator", "discriminator", "generator", "generator"], gan.turns(), strict=True):
        assert turn.player == name
        gan.zero_grad()
        sum(turn.loss(batch, 0.0).terms.values()).backward()
        grown = [bool(p.grad is not None and p.grad.any()) for p in gan.players()[name].parameters()]
        assert sum(grown) > len(grown) / 2
    assert isinstance(gan, HasLatents)
    latents = gan.latents(batch, SeededNoise(range(6)))
    assert latents.shape == (6, 2 * (resolution.bit_length() - 2), 8)
    assert len(gan.latent_weights()) == latents.shape[1]
    assert all(weight.shape[1] == 8 for weight in gan.latent_weights())
    # Mapping and layers draw from the same streams, the latent first.
    noise = SeededNoise(range(6))
    torch.testing.assert_close(
        gan.synthesise(gan.latents(batch, noise), batch, noise), gan.sample(batch, SeededNoise(range(6)))
    )


def test_channels_follow_the_resolution() -> None:
    assert [Config().channels(size) for size in (4, 64, 128, 1024)] == [512, 512, 256, 32]


def test_activations_keep_the_second_moment_of_the_latent() -> None:
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, latent=64, style=64, mapping_rate=1.0), 3, 8, 0)
    styles = generator.mapping(torch.randn(512, 64) * 7)
    assert styles.square().mean().sqrt().item() == pytest.approx(1, abs=0.2)


def test_the_mean_style_follows_the_generators_turn_only() -> None:
    gan = StyleGAN2(replace(SMALL, style_decay=0.9), {"image": (1, 8, 8)})
    batch = {"image": torch.rand(4, 1, 8, 8)}
    gan.discriminator_loss(batch, 0)
    gan.path_loss(batch, 0)
    assert not gan.generator.mapping.w_avg.any()
    torch.manual_seed(0)
    gan.generator_loss(batch, 0)
    torch.manual_seed(0)
    torch.testing.assert_close(gan.generator.mapping.w_avg, 0.1 * gan.generator.mapping(torch.randn(4, 8)).mean(0))


def test_truncation_goes_to_the_mean_in_the_first_layers() -> None:
    gan = StyleGAN2(SMALL, {"image": (1, 16, 16)})
    gan.generator.mapping.w_avg.normal_()
    latents = gan.latents({}, SeededNoise(range(2)))
    assert torch.equal(gan.truncate(latents, 1.0), latents)
    cut = gan.truncate(latents, 0.0, layers=2)
    torch.testing.assert_close(cut[:, :2], gan.generator.mapping.w_avg.expand(2, 2, -1))
    assert torch.equal(cut[:, 2:], latents[:, 2:])


def test_mixing_takes_one_cut_for_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    gan, seen = StyleGAN2(replace(SMALL, mixing=1.0), {"image": (1, 16, 16)}), []
    gan.generator.synthesis.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    cuts = set()
    for _ in range(30):
        gan.generator_loss({"image": torch.rand(3, 1, 16, 16)}, 0)
        changes = (seen[-1][:, 1:] != seen[-1][:, :-1]).any(2)
        assert changes.sum(1).tolist() == [1, 1, 1]
        cuts |= set(changes.int().argmax(1).tolist())
    assert cuts == set(range(5))


def test_path_mean_moves_towards_the_lengths_on_half_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = StyleGAN2(replace(SMALL, path_decay=0.25, path_weight=3.0), {"image": (1, 8, 8)})
    lengths = torch.tensor([1.0, 3.0])
    monkeypatch.setattr("zerosum.gans.stylegan2.path_lengths", lambda images, styles, noise: lengths[: len(images)])
    loss = gan.path_loss({"image": torch.rand(5, 1, 8, 8)}, 0)
    assert gan.path_mean == pytest.approx(0.5)
    assert loss.terms["path_length"].item() == pytest.approx(3 * (0.5**2 + 2.5**2) / 2)


def test_every_turn_can_be_asked_of_a_frozen_game() -> None:
    gan = StyleGAN2(SMALL, {"image": (1, 8, 8)}).requires_grad_(False)
    for turn in gan.turns():
        assert all(term.isfinite() for term in turn.loss({"image": torch.rand(4, 1, 8, 8)}, 0).terms.values())


def test_groups_of_the_minibatch_see_each_other_only() -> None:
    discriminator = Discriminator(replace(SMALL, minibatch_group=2, minibatch_channels=2), 1, 16, 0)
    images = torch.rand(6, 1, 16, 16)
    changed = images.clone()
    changed[0] = 0
    moved = (discriminator(images) - discriminator(changed)).abs() > 1e-6
    assert moved.tolist() == [True, False, False, True, False, False]
    alone = Discriminator(replace(SMALL, minibatch_channels=0), 1, 16, 0)
    assert ((alone(images) - alone(changed)).abs() > 1e-6).tolist() == [True] + [False] * 5


def test_the_clamp_bounds_every_layer() -> None:
    gan = StyleGAN2(replace(SMALL, clamp=0.01), {"image": (1, 16, 16)})
    maps = []
    for block in gan.generator.synthesis.blocks.values():
        block.conv1.register_forward_hook(lambda module, inputs, result: maps.append(result))
    gan.sample({}, SeededNoise(range(2)))
    assert max(result.abs().max().item() for result in maps) == pytest.approx(0.01)


@pytest.mark.parametrize("architecture", ["skip", "residual"])
def test_only_the_highest_resolutions_compute_in_reduced_precision(architecture: str) -> None:
    config = replace(SMALL, half_resolutions=2, generator_architecture=architecture, discriminator_architecture=architecture)
    gan = StyleGAN2(replace(config, clamp=256.0), {"image": (1, 32, 32)})
    kinds = {}

    def watch(name: str, module: torch.nn.Module) -> None:
        module.register_forward_hook(lambda module, inputs, result: kinds.__setitem__(name, result.dtype))

    for player, network in {"G": gan.generator.synthesis, "D": gan.discriminator}.items():
        for name, block in network.blocks.items():
            watch(f"{player}.{name}", block.conv1)
    batch = {"image": torch.rand(4, 1, 32, 32) * 2 - 1}
    reference = {}
    for reduced in (False, True):
        for turn in gan.turns():
            torch.manual_seed(0)
            gan.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                loss = sum(turn.loss(batch, 0.0).terms.values())
            loss.backward()
            assert loss.dtype == torch.float32
            if not reduced:
                reference[turn.loss.__name__] = loss.item()
            elif turn.loss.__name__ in ("generator_loss", "discriminator_loss"):
                assert loss.item() == pytest.approx(reference[turn.loss.__name__], rel=0.05)
    low = {name for name, kind in kinds.items() if kind == torch.bfloat16}
    assert low == {"G.b16", "G.b32", "D.b16", "D.b32"}


def test_the_authors_automatic_settings() -> None:
    assert auto_settings(256)[:4] == (16, 4, 16_384, 0.0025)
    assert auto_settings(256).r1_gamma == pytest.approx(0.8192)
    assert auto_settings(256).half_life == 5_000
    assert auto_settings(1024, gpus=8)[:5] == (32, 4, 32_768, 0.002, pytest.approx(6.5536))
    assert auto_settings(32, gpus=1).batch == 32
    assert auto_settings(32, gpus=4).batch == 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stabilisers": Stabilisers(minibatch="std")}, "set minibatch to none and see gan.minibatch_group"),
        ({"taps": (1, 2, 1)}, "taps must be of an even length, not 3"),
        ({"mixing": 1.5}, r"mixing must be in \[0, 1\], not 1.5"),
        ({"clamp": 0.0}, "clamp must be above 0"),
        ({"r1_gamma": -1.0}, "r1_gamma must not be negative"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config(**settings)


def test_data_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.resolution that is a power of two from 4 .*, not 28"):
        StyleGAN2(SMALL, {"image": (1, 28, 28)})
    with pytest.raises(ValueError, match="conditional needs labels, but the data has none"):
        StyleGAN2(replace(SMALL, conditional=True), {"image": (1, 16, 16)})
    with pytest.raises(ValueError, match="minibatch_channels 3 does not divide the 8 channels"):
        StyleGAN2(replace(SMALL, minibatch_channels=3), {"image": (1, 16, 16)})
