"""Balance of power: on a simulated player, and in the engine."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zerosum
from zerosum.api import make_feed, make_state
from zerosum.data import open_data
from zerosum.distributed import mean_over_ranks
from zerosum.game import Batch, Loss, Turn
from zerosum.recipe import Recipe, Training
from zerosum.run import Run
from zerosum.training.balance import FASTEST, SLOWEST, SPEED, Balance
from zerosum.training.loop import Loop
from zerosum.training.state import State

CPU = torch.device("cpu")
TARGET = 0.75


def nothing(batch: Batch, progress: float) -> Loss:
    return Loss({})


DISCRIMINATOR, GENERATOR = Turn("discriminator", nothing), Turn("generator", nothing)


def simulated(balance: Balance, steps: int, gain: float, turn: Turn = DISCRIMINATOR) -> Iterator[tuple[int, float]]:
    """Plays and accuracy of a discriminator that every play makes better by `gain` and every step of the generator worse."""
    skill = 0.0
    for step in range(steps):
        plays = balance.plays(turn, step)
        for _ in range(plays):
            skill += gain
            balance.adapt(turn.player, 1 / (1 + math.exp(-skill)))
        skill = 0.9 * skill - 0.1
        yield plays, 1 / (1 + math.exp(-skill))


@pytest.mark.parametrize("gain", [0.06, 0.2, 1.0])
def test_a_players_accuracy_is_held_near_the_target(gain: float) -> None:
    # The accuracy after its last play is what the player reports: it plays less than once a step where it learns fast.
    balance, reported = Balance(TARGET), list[float]()
    adapt = balance.adapt
    balance.adapt = lambda player, accuracy: (reported.append(accuracy), adapt(player, accuracy))[1]  # type: ignore[method-assign]
    plays = [count for count, _ in simulated(balance, 4000, gain)]
    assert np.mean(reported[len(reported) // 2 :]) == pytest.approx(TARGET, abs=0.03)
    free = [accuracy for _, accuracy in simulated(Balance(None), 4000, gain)]
    assert abs(float(np.mean(free[2000:])) - TARGET) > 0.05, "by itself it would be elsewhere"
    assert (np.mean(plays[2000:]) < 1) == (gain > 0.2)


def test_one_report_changes_the_pace_by_the_rule() -> None:
    balance = Balance(0.8)
    balance.adapt("discriminator", 0.9)
    assert balance.pace == {"discriminator": pytest.approx(math.exp(-SPEED * 0.1))}
    balance.adapt("discriminator", 0.7)
    assert balance.pace == {"discriminator": pytest.approx(1)}


@pytest.mark.parametrize(("accuracy", "bound"), [(1.0, SLOWEST), (0.0, FASTEST)])
def test_the_pace_has_bounds(accuracy: float, bound: float) -> None:
    balance = Balance(TARGET)
    for _ in range(300):
        balance.adapt("discriminator", accuracy)
    assert balance.pace["discriminator"] == bound
    turn = replace(DISCRIMINATOR, repeat=2)
    plays = [balance.plays(turn, step) for step in range(16)]
    assert sum(plays) == 16 * 2 * bound
    assert max(plays) - min(plays) <= 1, "evenly spread"


@pytest.mark.parametrize("pace", [0.3, 1.7])
def test_plays_follow_the_pace_also_of_a_repetition_that_changes(pace: float) -> None:
    balance = Balance(TARGET)
    balance.pace["discriminator"] = pace
    turn = replace(DISCRIMINATOR, repeat=lambda step: 3 if step < 10 else 1)
    plays = [balance.plays(turn, step) for step in range(110)]
    assert sum(plays[:10]) == pytest.approx(30 * pace, abs=1)
    assert sum(plays) == pytest.approx(130 * pace, abs=1)
    assert [balance.plays(GENERATOR, step) for step in range(3)] == [1, 1, 1], "a player without accuracy keeps its turns"
    assert balance.plays(replace(DISCRIMINATOR, every=4), 0) == 1, "a lazy turn stays"


def test_without_a_target_nothing_changes() -> None:
    balance = Balance(None)
    for accuracy in (0.1, 1.0):
        balance.adapt("discriminator", accuracy)
    assert balance.pace == {}
    assert [balance.plays(replace(DISCRIMINATOR, repeat=5), step) for step in range(3)] == [5, 5, 5]


def test_state_round_trip() -> None:
    one, other = Balance(TARGET), Balance(TARGET)
    list(simulated(one, 37, 0.4))
    saved = one.state_dict()
    other.load_state_dict(saved)
    assert list(simulated(one, 50, 0.4)) == list(simulated(other, 50, 0.4))
    assert saved != one.state_dict(), "what was saved does not move with the player"


@pytest.mark.parametrize("value", [0.5, 1.0, -1.0, 0.0, 2.0])
def test_targets_that_make_no_sense_are_refused(value: float) -> None:
    message = rf"train.balance must be between 0.5 \(cannot tell\) and 1 \(always right\), not {value}; try 0.8"
    with pytest.raises(ValueError, match=message):
        Training(balance=value)


def balanced(target: float | None, steps: int = 30, family: str = "dcgan", **train: Any) -> Recipe:
    recipe = zerosum.get_recipe(f"{family}:tiny")
    images = steps * recipe.train.batch
    return replace(recipe, train=replace(recipe.train, balance=target, images=images, **train))


def played(recipe: Recipe) -> tuple[State, dict[str, int]]:
    """The state after the recipe's steps, and how often every player moved."""
    dataset = open_data(recipe.data)
    state = make_state(recipe, dataset, CPU)
    moves = dict.fromkeys(state.optimisers, 0)

    def count(player: str) -> None:
        moves[player] += 1

    for name, optimiser in state.optimisers.items():
        optimiser.register_step_post_hook(lambda *_, name=name: count(name))
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), CPU)
    Loop(state, feed, recipe.train.images, 0, recipe.average).run()
    feed.close()
    return state, moves


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_the_engine_plays_a_strong_discriminator_less_often(micro_batches: int) -> None:
    state, moves = played(balanced(0.55, steps=200, micro_batches=micro_batches))
    pace = state.balance.pace
    assert set(pace) == {"discriminator"}
    assert moves["generator"] == 200
    assert moves["discriminator"] < 190
    assert state.draws == 200, "one batch a step, for the generator plays in every one"


def test_the_engine_plays_a_weak_discriminator_more_often_on_fresh_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.gans.dcgan.probability_notes", lambda real, fake: {"accuracy": torch.tensor(0.0)})
    state, moves = played(balanced(TARGET, steps=40))
    assert state.balance.pace == {"discriminator": FASTEST}
    assert 4 * 20 < moves["discriminator"] < 4 * 40
    assert moves["generator"] == 40
    assert state.draws == moves["discriminator"]


def test_without_a_target_the_engine_plays_what_the_family_says() -> None:
    state, moves = played(balanced(None, steps=4, family="wgan_gp"))
    turns = {turn.player: turn.repeat for turn in state.gan.turns()}
    assert moves == {player: 4 * repeat for player, repeat in turns.items()}  # type: ignore[operator]
    assert state.balance.state_dict() == {"pace": {}, "owed": {}}


def test_resume_is_bit_exact(tmp_path: Path) -> None:
    whole, halved = balanced(TARGET), balanced(TARGET, steps=13)
    zerosum.train(whole, tmp_path / "whole")
    zerosum.train(halved, tmp_path / "halved")
    zerosum.train(whole, tmp_path / "halved")
    one, other = (Run(tmp_path / name).newest_state(CPU) for name in ("whole", "halved"))
    assert one is not None
    assert one["balance"]["pace"]["discriminator"] != 1
    assert equal(one, other)


def test_mean_over_ranks_of_one_process_is_its_value() -> None:
    value = torch.tensor(0.625, requires_grad=True)
    assert mean_over_ranks(value) == 0.625
    assert value.requires_grad
