"""Augmentation in the game: its adaptation, its state, and that no family's discriminator sees anything else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from zerosum import gans
from zerosum.api import build_gan, make_feed
from zerosum.augment import Augment, centred
from zerosum.cli import main
from zerosum.data import open_data
from zerosum.game import GAN, Loss
from zerosum.recipe import Recipe, Stabilisers
from zerosum.run import Run
from zerosum.training.buffers import PartwiseBuffers
from zerosum.training.loop import Loop
from zerosum.training.state import State

SHAPES = {"image": (1, 16, 16), "label": (10,), "caption": (4,), "words": (20,)}
EAGER = Stabilisers(augment="ada", augment_target=-0.9, augment_images=400)
"""Raises the probability whenever one score in twenty is positive."""


def family(name: str, cures: Stabilisers) -> GAN:
    torch.manual_seed(0)
    found = gans.find(name)
    return found.gan(replace(found.recipes["tiny"]().gan, stabilisers=cures), SHAPES)


def losses(gan: GAN) -> list[Loss]:
    torch.manual_seed(1)
    batch = {"image": torch.rand(6, 1, 16, 16), "label": torch.eye(10)[:6], "caption": torch.randint(1, 20, (6, 4))}
    return [turn.loss(batch, 0.0) for turn in gan.turns() if turn.every == 1 and turn.player != "matcher"]


def test_none_changes_nothing_draws_nothing_and_keeps_nothing() -> None:
    augment, examples, state = Augment(Stabilisers(), (2,)), torch.randn(4, 2), torch.get_rng_state()
    assert augment(examples) is examples
    assert augment.observe(examples) == {}
    augment.adapt(64)
    assert torch.equal(torch.get_rng_state(), state)
    assert augment.state_dict() == {}


def test_probability_follows_the_discriminators_sureness_within_its_limit() -> None:
    augment = Augment(Stabilisers(augment="ada", augment_limit=0.5, augment_images=1000), (1, 8, 8))

    def play(positive: int, updates: int) -> float:
        for _ in range(updates):
            notes = augment.observe(torch.tensor([3.0] * positive + [-0.1] * (10 - positive)))
            augment.adapt(50)
        assert abs(notes["augment/sign"] - (2 * positive - 10) / 10) < 1e-3
        return float(augment.probability)

    assert play(7, 30) == 0, "a mean sign of 0.4 is below the target"
    risen = play(9, 40)
    assert risen == 0.5, "0.8 is above it, and the limit is kept"
    assert play(7, 30) < risen
    assert play(0, 30) == 0
    augment.observe(torch.ones(10))
    before = float(augment.probability)
    for _ in range(5):
        augment.observe(torch.ones(10))
    augment.adapt(50)
    assert float(augment.probability) - before == pytest.approx(0.05), "50 of the 1000 images from 0 to 1"


def test_scores_without_a_zero_are_centred_between_real_and_generated() -> None:
    real, fake = torch.tensor([11.0, 13.0, 9.0, 7.0]), torch.tensor([8.0, 4.0])
    assert torch.equal(centred(real, fake), real - 8)
    assert torch.equal(centred(real + 5, fake + 5), centred(real, fake))


def test_parts_of_a_batch_agree_on_sign_and_probability() -> None:
    whole, split = Augment(EAGER, (1, 8, 8)), Augment(EAGER, (1, 8, 8))
    for _ in range(3):
        scores = torch.randn(12)
        whole.observe(scores)
        buffers = PartwiseBuffers(split, 2)
        for part in scores.chunk(2):
            with buffers.part():
                split.observe(part)
        buffers.settle()
        for augment in (whole, split):
            augment.adapt(12)
        assert torch.allclose(whole.sign, split.sign)
        assert torch.equal(whole.probability, split.probability)
    assert whole.probability > 0


AUGMENTED = [name for name in gans.names() if hasattr(gans.get_recipe(f"{name}:tiny").gan, "stabilisers")]


@pytest.mark.parametrize("name", AUGMENTED)
@pytest.mark.parametrize("kind", ["diffaug", "ada"])
def test_discriminators_see_augmented_images_only(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = family(name, Stabilisers(augment=kind)).eval()
    if kind == "ada":
        gan.augment.probability.fill_(0.9)
    seen, plain = losses(gan)[0], losses(family(name, Stabilisers()).eval())[0]
    assert not torch.equal(seen.terms["adversarial"], plain.terms["adversarial"])
    assert ("augment/probability" in seen.notes) == (kind == "ada")
    monkeypatch.setattr(gan.augment, "forward", lambda images: images * 0)
    blind, generating = losses(gan)
    assert torch.equal(blind.notes["score_real"], blind.notes["score_fake"])
    generating.terms["adversarial"].backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in gan.generator.parameters())
    assert "augment" not in dict(gan.for_sampling().named_children())


@pytest.mark.parametrize("name", ["gan", "wgan", "wgan_gp"])
def test_points_are_refused(name: str) -> None:
    found = gans.find(name)
    network = {} if name == "gan" else {"network": "mlp"}
    config = found.config(**network, stabilisers=Stabilisers(augment="diffaug"))
    with pytest.raises(ValueError, match=r"augment diffaug is for images, but .* shape \[2\]"):
        found.gan(config, {"point": (2,)})


def train(recipe: Recipe, steps: int, saved: dict[str, object] | None = None) -> State:
    dataset, cpu = open_data(recipe.data), torch.device("cpu")
    state = State(build_gan(recipe, dataset.card, cpu), recipe.optimisers, recipe.train.batch)
    if saved:
        state.load_state_dict(saved)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), cpu)
    Loop(state, feed, steps * recipe.train.batch, 0, recipe.average).run()
    feed.close()
    return state


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
def test_resume_is_bit_exact_and_the_probability_is_part_of_it(name: str) -> None:
    recipe = gans.get_recipe(f"{name}:tiny")
    # Without instance noise the run's length does not matter to its beginning.
    recipe = replace(recipe, gan=replace(recipe.gan, stabilisers=EAGER))
    whole = train(recipe, 6).gan.state_dict()
    resumed = train(recipe, 6, train(recipe, 3).state_dict()).gan.state_dict()
    assert 0 < whole["augment.probability"] < 0.8
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment_target": 1.0}, r"augment_target must be in \(-1, 1\), not 1.0"),
        ({"augment_limit": 0.0}, r"augment_limit must be in \(0, 1\], not 0.0"),
        ({"augment_images": 0}, "augment_images must be above 0, not 0"),
        ({"augment": "mixup"}, "'none', 'diffaug' or 'ada'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Stabilisers(**settings)


def test_the_command_line_has_a_short_form(tmp_path: Path) -> None:
    command = ["train", "dcgan:tiny", "--train.images", "32", "--jobs.log-every", "16", "--out"]
    assert main([*command, str(tmp_path / "a"), "--augment", "ada"]) == 0
    assert main([*command, str(tmp_path / "b"), "--augment=diffaug"]) == 0
    kinds = [Run(tmp_path / name).recipe().gan.stabilisers.augment for name in "ab"]
    assert kinds == ["ada", "diffaug"]
    assert {"augment/probability", "augment/sign"} <= Run(tmp_path / "a").stats()[-1].keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [("gan:ring", "augment ada is for images"), ("examples.my_gan:tiny", "--augment: examples.my_gan has no gan.stabilisers")],
)
def test_the_command_line_refuses_it_where_it_means_nothing(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", name, "--augment", "ada", "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "recipe.json").exists()
