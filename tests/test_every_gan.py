"""What holds for every family: tested because the file exists."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import zerosum
from processes import run_two, started
from zerosum import gans
from zerosum.api import build_gan, make_feed
from zerosum.cli import main
from zerosum.data import Dataset, open_data
from zerosum.data.feed import to_float
from zerosum.game import GAN, HasLatents
from zerosum.noise import SeededNoise
from zerosum.recipe import Average, Recipe
from zerosum.run import Run, load
from zerosum.sampling import label_rows
from zerosum.schedules import constant
from zerosum.training.loop import Loop
from zerosum.training.state import State

FAMILIES = gans.names()
CPU = torch.device("cpu")


def tiny(family: str, **train: int) -> Recipe:
    recipe = gans.get_recipe(f"{family}:tiny")
    return replace(recipe, train=replace(recipe.train, **train))


def gan_and_data(recipe: Recipe) -> tuple[GAN, Dataset]:
    dataset = open_data(recipe.data)
    return build_gan(recipe, dataset.card, CPU), dataset


def given_to(gan: GAN, dataset: Dataset, n: int) -> dict[str, Tensor]:
    """What `n` samples are made from besides noise."""
    if "source" in gan.given:
        return {"source": to_float(dataset.batch(np.arange(n))[gan.takes])}
    if "caption" in gan.given:
        return {"caption": dataset.batch(np.arange(n))["caption"]}
    return {"label": label_rows(dataset.card.labels, n, None)} if gan.given else {}


def train_steps(recipe: Recipe, steps: int, precision: str = "float32") -> State:
    gan, dataset = gan_and_data(recipe)
    state = State(gan, recipe.optimisers, recipe.train.batch)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), CPU)
    Loop(state, feed, steps * recipe.train.batch, recipe.train.seed, recipe.average, precision=precision).run()
    feed.close()
    return state


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module", params=FAMILIES)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run of every family."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    zerosum.train(tiny(request.param), folder)
    return folder


def test_tiny_run_leaves_all_a_run_should(finished: Path) -> None:
    run = Run(finished)
    recipe = run.recipe()
    assert run.stats()[-1]["images"] >= recipe.train.images
    assert {f"gradient_norm/{player}" for player in recipe.optimisers} <= run.stats()[-1].keys()
    assert [sheet.suffix for sheet in run.sheets("real")] == [run.pictures()[-1].suffix]
    assert len(run.pictures()) >= 2
    assert run.checkpoints()
    report = (finished / "report.html").read_text()
    assert "<script" not in report
    assert "http" not in report.replace("http://www.w3.org", "")
    for name in ("environment.json", "data.json", "recipe.json"):
        json.loads((finished / name).read_text())


def test_samples_are_a_function_of_seed_and_label_alone(finished: Path) -> None:
    sampler = zerosum.load(finished)
    if "source" in sampler.gan.given:
        with pytest.raises(ValueError, match="zerosum upscale"):
            sampler.sample(1)
        return
    prompt = sampler.card.captions.example if sampler.card.captions else None
    many = sampler.sample(70, seed=5, prompt=prompt)
    assert many.dtype.kind == {"image": "u", "tokens": "U"}.get(sampler.gan.makes, "f")
    assert np.array_equal(many, zerosum.load(finished).sample(70, seed=5, prompt=prompt))
    classes = max(len(sampler.card.labels.classes), 1) if sampler.gan.given else 1
    later = sampler.sample(classes, seed=5 + 2 * classes, prompt=prompt)
    if sampler.gan.makes == "tokens":
        assert np.array_equal(many[2 * classes : 3 * classes], later)
        return
    # A product of matrices may round differently for another number of rows: at most one grey level.
    assert np.abs(many[2 * classes : 3 * classes].astype(float) - later.astype(float)).max() <= 1


def test_sampling_copy_is_frozen_and_holds_no_discriminator(finished: Path) -> None:
    gan, *_ = load(finished)
    assert {name for name, _ in gan.named_children()} == set(gan.sampler)
    assert not any(parameter.requires_grad for parameter in gan.parameters())
    assert not any(module.training for module in gan.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_player_whose_turn_it_is_moves(family: str) -> None:
    recipe = tiny(family)
    gan, dataset = gan_and_data(recipe)
    state = State(gan, recipe.optimisers, recipe.train.batch)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), CPU)
    loop = Loop(state, feed, recipe.train.images, 0, recipe.average)
    state.set_rates()
    for number, turn in enumerate(gan.turns()):
        before = {name: [p.clone() for p in player.parameters()] for name, player in gan.players().items()}
        loop._play(number, turn, 1, 1, feed.draw(0), False)
        for name, player in gan.players().items():
            moved = any(not torch.equal(old, new) for old, new in zip(before[name], player.parameters(), strict=True))
            assert moved == (name == turn.player)
    feed.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_players_share_no_weight_and_leave_none_out(family: str) -> None:
    gan, _ = gan_and_data(tiny(family))
    owned = [id(parameter) for player in gan.players().values() for parameter in player.parameters()]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(parameter) for parameter in gan.parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_pass_gradients_to_the_generator(family: str) -> None:
    gan, dataset = gan_and_data(tiny(family))
    given = given_to(gan, dataset, 4)
    samples = gan.sample(given, SeededNoise(range(4)))
    assert samples.shape == (4, *gan.shapes[gan.makes])
    if gan.makes == "image":
        assert samples.abs().max() <= 1
    if not samples.is_floating_point():  # tokens have no gradient: what the generator lowers must have one
        turn = next(turn for turn in gan.turns() if turn.player in gan.sampler)
        torch.stack(list(turn.loss(dataset.batch(np.arange(4)), 0.5).terms.values())).sum().backward()
        assert all(parameter.grad is not None for parameter in gan.players()[turn.player].parameters())
        return
    samples.square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in gan.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_latents_can_be_seen_and_changed(family: str) -> None:
    gan, dataset = gan_and_data(tiny(family))
    if gan.makes != "image" or gan.given - {"label"}:
        pytest.skip("a latent is asked for of families that make images of noise, or of noise and a label")
    assert isinstance(gan, HasLatents)
    gan = gan.for_sampling()
    assert isinstance(gan, HasLatents)
    given = given_to(gan, dataset, 64)
    noise = SeededNoise(range(64))
    latents = gan.latents(given, noise)
    assert torch.equal(gan.synthesise(latents, given, noise), gan.sample(given, SeededNoise(range(64))))

    layered, found = latents.dim() == 3, gan.latent_weights()
    assert len(found) == (latents.shape[1] if layered else 1)
    assert all(weight.dim() == 2 and weight.shape[1] == latents.shape[-1] for weight in found)

    def spread(values: Tensor) -> float:
        return float((values - values.mean(0)).square().mean())

    assert spread(gan.truncate(latents, 0.3)) < spread(gan.truncate(latents, 0.8)) < spread(latents) * (1 + 1e-6)
    if layered:
        half = gan.truncate(latents, 0.5, 1)
        assert torch.equal(half[:, 1:], latents[:, 1:])
        assert not torch.equal(half[:, 0], latents[:, 0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_batch_is_refused_in_words(family: str) -> None:
    gan, dataset = gan_and_data(tiny(family))
    batch = {key: to_float(value) for key, value in dataset.batch(np.arange(4)).items()}
    gan.check(batch)
    with pytest.raises(ValueError, match=f"'{gan.makes}' is missing"):
        gan.check({key: value for key, value in batch.items() if key != gan.makes})
    with pytest.raises(ValueError, match="the networks were built for"):
        gan.check(batch | {gan.makes: torch.zeros(4, 5, 6, 7)})


@pytest.mark.parametrize("family", FAMILIES)
def test_average_follows_the_weights_by_half_life(family: str) -> None:
    recipe = replace(tiny(family), average=Average(half_life=constant(1e12)))
    state = train_steps(recipe, 2)
    first = build_gan(recipe, open_data(recipe.data).card, CPU)
    start, now = dict(first.named_parameters()), dict(state.gan.named_parameters())
    for name, averaged in state.average.named_parameters():
        assert torch.allclose(averaged, start[name], rtol=0, atol=1e-9)
    assert any(not torch.allclose(now[name], start[name], rtol=0, atol=1e-9) for name, _ in state.average.named_parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_training_is_a_function_of_the_seed(family: str) -> None:
    one, again, other = (weights(train_steps(tiny(family, seed=seed), 2).gan) for seed in (3, 3, 4))
    assert same(one, again)
    assert not same(one, other)


@pytest.mark.parametrize("family", FAMILIES)
def test_trains_in_fewer_bits(family: str) -> None:
    for name, parameter in train_steps(tiny(family), 2, precision="bfloat16").gan.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.isfinite().all(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_all_weights_change_in_a_few_steps(family: str) -> None:
    recipe = tiny(family)
    first = dict(build_gan(recipe, open_data(recipe.data).card, CPU).named_parameters())
    for name, parameter in train_steps(recipe, 3).gan.named_parameters():
        assert not torch.equal(parameter, first[name]), f"{name} is never trained"


def long_enough_to_kill(family: str) -> list[str]:
    """A tiny run stretched to some seconds, with a checkpoint every few steps: its arguments on the command line."""
    recipe = tiny(family)
    batch = recipe.train.batch
    every = [f"--jobs.{job}-every={batch * steps}" for job, steps in (("log", 2), ("sample", 40), ("checkpoint", 7))]
    return ["train", f"{family}:tiny", f"--train.images={batch * 60}", *every]


def kill_during(arguments: list[str], run: Run, lines: int, delay: float) -> None:
    """Start the command, and SIGKILL it `delay` seconds after stats.jsonl has grown by `lines` lines."""
    before = len(run.stats())
    with started(arguments, run.folder.with_suffix(".txt")) as process:
        deadline = time.monotonic() + 300  # machines are shared
        while process.is_alive() and not len(run.stats()) - before >= lines:
            assert time.monotonic() < deadline, "the run does not get going"
            time.sleep(0.01)
        time.sleep(delay)
        process.kill()


@pytest.mark.parametrize("family", FAMILIES)
def test_resume_after_sigkill_is_bit_exact(family: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(FAMILIES.index(family))
    arguments = long_enough_to_kill(family)
    assert main([*arguments, f"--out={tmp_path / 'whole'}"]) == 0
    killed = Run(tmp_path / "killed")
    for _ in range(3):
        kill_during([*arguments, f"--out={killed.folder}"], killed, int(chance.integers(1, 9)), chance.uniform(0, 0.2))
    assert main([*arguments, f"--out={killed.folder}"]) == 0
    whole, resumed = (run.newest_state(CPU) for run in (Run(tmp_path / "whole"), killed))
    assert whole is not None
    assert resumed is not None
    assert same(whole["gan"], resumed["gan"])
    assert same(whole["average"], resumed["average"])
    for name, optimiser in whole["optimisers"].items():
        for index, values in optimiser["state"].items():
            for key, value in values.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(resumed["optimisers"][name]["state"][index][key]))
    assert [row["images"] for row in Run(tmp_path / "whole").stats()] == [row["images"] for row in killed.stats()]


@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_train_like_two_micro_batches(family: str, tmp_path: Path) -> None:
    arguments = ["train", f"{family}:tiny", f"--train.images={tiny(family).train.batch * 4}", "--train.seed=5"]
    assert main([*arguments, "--train.micro-batches=2", f"--out={tmp_path / 'parts'}"]) == 0
    run_two([*arguments, f"--out={tmp_path / 'processes'}"], tmp_path / "words")
    parts, processes = (Run(tmp_path / name).newest_state(CPU) for name in ("parts", "processes"))
    assert parts is not None
    assert processes is not None
    assert same(parts["gan"], processes["gan"])
    assert same(parts["average"], processes["average"])
