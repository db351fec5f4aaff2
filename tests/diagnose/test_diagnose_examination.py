"""An examination: it looks at everything, and touches nothing."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum import gans
from zerosum.api import build_gan, make_feed, make_state
from zerosum.data import Dataset, open_data, split
from zerosum.datacard import DataCard, Labels
from zerosum.diagnose.examination import FEWEST, NUM_REAL, NUM_SAMPLES, Reference, Signals, draw, examine, probes
from zerosum.game import Batch
from zerosum.recipe import Recipe
from zerosum.training.loop import Job, Loop
from zerosum.training.state import State

CPU = torch.device("cpu")


def short(name: str) -> Recipe:
    recipe = gans.get_recipe(name)
    return replace(recipe, train=replace(recipe.train, images=6 * recipe.train.batch))


def reference(recipe: Recipe, dataset: Dataset | None = None, held_out: int = 200) -> Reference:
    dataset = dataset or open_data(recipe.data)
    train, fresh = split(len(dataset), held_out)
    return Reference(dataset, train, fresh, build_gan(recipe, dataset.card, CPU).makes)


def look(state: State, real: Reference, images: int = 0, means: dict[str, float] | None = None) -> Signals:
    return examine(state.gan, state.average, real, images=images, progress=0.5, batch=state.batch, means=means or {})


def played(recipe: Recipe, jobs: Callable[[State], list[Job]] = lambda state: []) -> State:
    dataset = open_data(recipe.data)
    state = make_state(recipe, dataset, CPU)
    feed = make_feed(recipe, dataset, split(len(dataset), 200)[0], CPU)
    Loop(state, feed, recipe.train.images, 0, recipe.average, jobs(state), log_every=recipe.train.batch).run()
    feed.close()
    return state


def same(one: Any, other: Any) -> bool:
    """Whether nested dicts and lists hold the same bits."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


SPECS = [*(f"{name}:tiny" for name in gans.names()), "gan:ring", "cgan:tiny ada"]


@pytest.fixture(scope="module", params=SPECS)
def trained(request: pytest.FixtureRequest) -> tuple[State, Reference]:
    """Every family after a few steps, and what it is compared with."""
    name, _, augment = request.param.partition(" ")
    recipe = short(name)
    if augment:
        cures = replace(recipe.gan.stabilisers, augment=augment)  # type: ignore[attr-defined]
        recipe = replace(recipe, gan=replace(recipe.gan, stabilisers=cures))  # type: ignore[call-arg]
    return played(recipe), reference(recipe)


def test_every_family_is_examined_and_left_as_it_was(trained: tuple[State, Reference]) -> None:
    state, real = trained
    before = copy.deepcopy(state.state_dict())
    modes = [module.training for module in state.gan.modules()]
    gradients = [parameter.requires_grad for parameter in state.gan.parameters()]
    found = look(state, real, 96, {"gradient_norm/generator": 0.5, "update_ratio/generator": 0.01, "loss/x": 3.0})
    assert same(state.state_dict(), before)
    assert [module.training for module in state.gan.modules()] == modes
    assert [parameter.requires_grad for parameter in state.gan.parameters()] == gradients
    assert found.finite
    assert found.images == 96
    assert (found.gradient_norms, found.update_ratios) == ({"generator": 0.5}, {"generator": 0.01})
    assert found.accuracy is not None
    assert found.accuracy_held_out is not None
    assert 0 <= found.accuracy <= 1
    always = ("distance", "distance_floor", "diversity", "missing_share", "duplicates", "copies", "score_real", "score_spread")
    is_text = state.gan.makes == "tokens"
    assert (found.skipped is not None) == is_text
    for name in always:
        assert isinstance(getattr(found, name), float) or (is_text and name in ("distance", "distance_floor", "missing_share"))
    if is_text:
        return
    assert found.distance is not None
    assert found.distance_floor is not None
    assert found.distance > 10 * abs(found.distance_floor), "hardly trained: far from real examples"
    is_image = len(state.gan.shapes[state.gan.makes]) == 3
    assert (found.checkerboard is not None, found.saturated is not None) == (is_image, is_image)
    assert (found.label_agreement is not None) == ("label" in state.gan.given)
    assert found.label_signal is None or found.label_signal > 0.5


def test_the_same_moment_gives_the_same_signals(trained: tuple[State, Reference]) -> None:
    state, real = trained
    torch.manual_seed(1)
    one = look(state, real)
    torch.manual_seed(2)
    assert look(state, real) == one


def test_signals_survive_being_written_down(trained: tuple[State, Reference]) -> None:
    found = look(*trained)
    row = found.to_row()
    assert Signals.from_row({**json.loads(json.dumps(row, allow_nan=False)), "verdict": "learning"}) == found
    assert None not in row.values()


@pytest.mark.parametrize("family", ["dcgan", "wgan_gp"])
def test_training_with_and_without_examinations_gives_the_same_bits(family: str) -> None:
    recipe = short(f"{family}:tiny")
    real, found = reference(recipe), list[Signals]()

    def job(state: State) -> list[Job]:
        return [Job(2 * state.batch, lambda state, means: found.append(look(state, real, state.images, means)))]

    without, examined = played(recipe), played(recipe, job)
    assert same(without.state_dict(), examined.state_dict())
    assert [row.images for row in found] == [recipe.train.batch * steps for steps in (2, 4, 6)]
    assert all(row.gradient_norms for row in found)


@pytest.mark.parametrize("name", ["dcgan:tiny", "cgan:tiny", "gan:ring", "cyclegan:tiny", "text_to_image:tiny"])
def test_nothing_held_out(name: str) -> None:
    recipe = short(name)
    jitter = 2 if recipe.data.kind == "unpaired" else 0
    recipe = replace(recipe, data=replace(recipe.data, held_out=0, jitter=jitter))
    found = look(make_state(recipe, open_data(recipe.data), CPU), reference(recipe, held_out=0))
    unknown = ("accuracy_held_out", "overfitting", "distance_floor", "copies", "label_signal")
    assert found.finite
    assert [getattr(found, field) for field in unknown] == [None] * 5
    assert found.distance is not None
    assert found.accuracy is not None


@pytest.fixture
def untrained() -> tuple[State, Reference]:
    recipe = short("dcgan:tiny")
    return make_state(recipe, open_data(recipe.data), CPU), reference(recipe)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_samples_that_are_not_numbers(untrained: tuple[State, Reference], value: float) -> None:
    state, real = untrained
    with torch.no_grad():
        next(iter(state.average.parameters())).fill_(value)
    assert look(state, real, 32) == Signals(images=32, finite=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_scores_that_are_not_numbers_are_left_out(untrained: tuple[State, Reference], value: float) -> None:
    state, real = untrained
    with torch.no_grad():
        for parameter in state.gan.discriminator.parameters():  # type: ignore[union-attr]
            parameter.fill_(value)
    found = look(state, real)
    assert not found.finite
    assert (found.score_real, found.score_fake, found.overfitting) == (None, None, None)
    assert found.distance is not None
    json.dumps(found.to_row(), allow_nan=False)


class Made(Dataset):
    """Images of 16 pixels made on the spot, in two classes, the first half of them of the first class."""

    def __init__(self, count: int, make: Callable[[np.ndarray], Tensor]) -> None:
        self.card = DataCard(count, "", {"image": (1, 16, 16), "label": (2,)}, Labels(("dark", "light")))
        self.make = make

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        second = torch.from_numpy((indices >= len(self) // 2).astype(np.int64))
        return {"image": self.make(indices), "label": nn.functional.one_hot(second, 2).float()}


def noisy(indices: np.ndarray) -> Tensor:
    """Dark noise for the first thousand, light noise for the others."""
    pixels = np.random.default_rng(0).integers(0, 60, (2_000, 1, 16, 16)).astype(np.uint8)
    pixels[1_000:] += 190
    return torch.from_numpy(pixels[indices])


@pytest.mark.parametrize("count", [1, 2, 5, FEWEST, 30])
def test_very_few_examples(count: int) -> None:
    recipe, dataset = short("cgan:tiny"), Made(count, noisy)
    found = look(make_state(recipe, dataset, CPU), reference(recipe, dataset))
    assert found.finite
    assert found.accuracy is not None
    assert (found.distance is not None) == (count >= FEWEST)


def test_data_sorted_by_class_is_seen_from_all_over() -> None:
    recipe, dataset = short("cgan:tiny"), Made(2_000, noisy)
    real = reference(recipe, dataset)
    _, given = draw(make_state(recipe, dataset, CPU).average, real, CPU)
    assert len(given["label"]) == NUM_SAMPLES
    assert given["label"].mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.1)
    assert real.held_out["label"][:64].mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.2)
    assert all(len(side["image"]) <= NUM_REAL for side in (real.train, real.held_out))


def test_perfect_samples_have_no_fault() -> None:
    """A generator that gives real examples, all of them held out, in the classes asked for."""
    recipe, dataset = short("cgan:tiny"), open_data(short("cgan:tiny").data)
    train, fresh = split(len(dataset), 500)
    real, state = Reference(dataset, train, fresh[:200], "image"), make_state(recipe, dataset, CPU)
    fake = Reference(dataset, fresh[200:], fresh[:0], "image").train
    by_class = [fake["image"][fake["label"].argmax(1) == number] for number in range(10)]

    def sample(given: Batch, noise: object) -> Tensor:
        picks = torch.randint(10**6, (len(given["label"]),), generator=torch.Generator().manual_seed(len(taken)))
        taken.append(0)
        chosen = zip(given["label"].argmax(1).tolist(), picks.tolist(), strict=True)
        return torch.stack([by_class[number][pick % len(by_class[number])] for number, pick in chosen])

    taken: list[int] = []
    state.average.sample = sample  # type: ignore[method-assign]
    found = look(state, real)
    assert found.distance is not None
    assert found.diversity == pytest.approx(1, abs=0.05)
    assert abs(found.distance) < 0.02
    assert found.missing_share == pytest.approx(0, abs=0.1)
    assert found.copies == pytest.approx(0, abs=0.05)
    assert found.label_agreement == pytest.approx(found.label_signal, abs=0.1)
    assert found.saturated == pytest.approx(0, abs=0.05)
    assert found.checkerboard == pytest.approx(1, abs=0.2)


def test_a_generator_that_repeats_its_training_examples_copies(untrained: tuple[State, Reference]) -> None:
    state, real = untrained
    calls = iter(range(0, 10**6, 64))

    def sample(given: Batch, noise: object) -> Tensor:
        return real.train["image"][next(calls) :][:64]

    state.average.sample = sample  # type: ignore[method-assign]
    found = look(state, real)
    assert found.copies is not None
    assert found.copies > 0.9
    assert found.diversity == pytest.approx(1, abs=0.1)


def pairs_looked_at(held_out: int, sample: Callable[[Batch, object], Tensor] | None = None) -> tuple[Signals, Batch]:
    """A pix2pix run, or one whose generator is `sample`, after its examination, and what it was given in it."""
    recipe = short("pix2pix:tiny")
    dataset = open_data(recipe.data)
    state, real = make_state(recipe, dataset, CPU), reference(recipe, held_out=held_out)
    if sample is not None:
        state.average.sample = sample  # type: ignore[method-assign]
    return look(state, real), draw(state.average, real, CPU)[1]


def targets_by_source(batch: Batch) -> dict[bytes, Tensor]:
    return {source.numpy().tobytes(): target for source, target in zip(batch["source"], batch["target"], strict=True)}


def test_pictures_are_made_of_pictures_that_were_held_out_each_once() -> None:
    recipe = short("pix2pix:tiny")
    real = reference(recipe, held_out=150)
    found, given = pairs_looked_at(150)
    assert torch.equal(given["source"], real.held_out["source"])
    assert found.error is not None
    assert found.error_train is not None
    assert found.copies is not None


def test_the_truth_of_pairs_has_no_fault_and_is_no_copy() -> None:
    real = reference(short("pix2pix:tiny"), held_out=150)
    truth = targets_by_source(real.train) | targets_by_source(real.held_out)
    found, _ = pairs_looked_at(
        150, lambda given, noise: torch.stack([truth[source.numpy().tobytes()] for source in given["source"]])
    )
    assert (found.error, found.error_train) == (0, 0)
    assert found.distance == found.distance_floor
    assert found.copies == 0
    assert found.diversity == pytest.approx(1, abs=0.1)


def test_pairs_known_by_heart_show_in_the_error_of_others() -> None:
    real = reference(short("pix2pix:tiny"), held_out=150)
    known, other = targets_by_source(real.train), real.train["target"].mean(0)
    found, _ = pairs_looked_at(
        150, lambda given, noise: torch.stack([known.get(source.numpy().tobytes(), other) for source in given["source"]])
    )
    assert found.error_train == 0
    assert found.error is not None
    assert found.error > 0.1


def test_pairs_of_which_none_are_held_out_cannot_tell_copies() -> None:
    for held_out in (0, FEWEST - 1):
        found, given = pairs_looked_at(held_out)
        assert (found.error, found.copies) == (None, None)
        assert found.error_train is not None
        assert len(given["source"]) == NUM_SAMPLES


@pytest.mark.parametrize(("count", "batch"), [(200, 16), (30, 16), (3, 8)])
def test_probes_go_round_where_there_are_too_few(count: int, batch: int) -> None:
    found = probes(count, batch)
    assert [len(rows) for rows in found] == [batch] * 4
    assert torch.equal(torch.cat(found), torch.arange(4 * batch) % count)
    assert probes(0, batch) == []
