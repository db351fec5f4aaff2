"""Starting a run from another one's networks, and what the Python door refuses."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import zerosum
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.schedules import constant

CPU = torch.device("cpu")


def tiny(family: str, **train) -> Recipe:
    recipe = zerosum.get_recipe(f"{family}:tiny")
    return replace(recipe, train=replace(recipe.train, **train))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin") / "run"
    zerosum.train(tiny("dcgan"), folder)
    return folder


def test_a_run_starts_from_another_ones_networks_and_goes_on_without_it(origin: Path, tmp_path: Path) -> None:
    batch = tiny("dcgan").train.batch
    still = replace(tiny("dcgan", images=batch, start=str(origin), seed=7))
    frozen = {name: replace(optimiser, rate=constant(0.0)) for name, optimiser in still.optimisers.items()}
    zerosum.train(replace(still, optimisers=frozen), tmp_path / "tuned")
    old, new = (Run(folder).newest_state(CPU) for folder in (origin, tmp_path / "tuned"))
    assert old is not None
    assert new is not None
    for name, _ in zerosum.load(origin).gan.named_parameters():
        assert torch.equal(old["gan"][name], new["gan"][name])
    assert new["step"] == 1
    # Once it has a checkpoint, the origin is not needed any more.
    moved = origin.rename(origin.with_name("moved"))
    zerosum.train(replace(still, optimisers=frozen, train=replace(still.train, images=2 * batch)), tmp_path / "tuned")
    moved.rename(origin)


def test_what_does_not_fit_starts_anew_and_is_named(origin: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = tiny("dcgan", images=tiny("dcgan").train.batch, start=str(origin))
    with caplog.at_level(logging.INFO, "zerosum"):
        zerosum.train(replace(recipe, data=replace(recipe.data, path="emoji")), tmp_path / "colour")
    assert "these start anew" in caplog.text
    assert "discriminator.layers.0.weight" in caplog.text


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("wgan", {}, "is a run of dcgan, whose networks are not those of wgan"),
        ("dcgan", {"start": "nowhere"}, "nowhere is not a run"),
        ("dcgan", {"precision": "bfloat16"}, "train.precision bfloat16 is for CUDA devices"),
        ("dcgan", {"freeze": ("generators",)}, "is the beginning of no weight's name"),
    ],
)
def test_refusals(family: str, changes: dict, message: str, origin: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        zerosum.train(tiny(family, **({"start": str(origin)} | changes)), tmp_path / "run")


def test_a_torch_that_cannot_compile_players_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.api.COMPILES_FROM", "1000")
    with pytest.raises(ValueError, match="train.compile needs torch 1000 or newer"):
        zerosum.train(tiny("dcgan", compile=True), tmp_path / "run")


def test_another_size_of_network_is_refused(origin: Path, tmp_path: Path) -> None:
    recipe = tiny("dcgan", start=str(origin))
    with pytest.raises(ValueError, match="most of its generator's weights have other shapes"):
        zerosum.train(replace(recipe, gan=replace(recipe.gan, generator_width=3, latent=5)), tmp_path / "run")
