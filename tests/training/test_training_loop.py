"""The engine's rules, shown on a game simple enough to know every number of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.data.feed import Feed
from zerosum.datacard import DataCard
from zerosum.game import GAN, Batch, Loss, Turn
from zerosum.noise import FreshNoise, Noise
from zerosum.recipe import Average, Optimiser, adam, sgd
from zerosum.schedules import constant
from zerosum.training.loop import DivergedError, Job, Loop
from zerosum.training.state import State, laziness


@dataclass
class Numbers(Dataset):
    """A data set of 24 numbers."""

    card: DataCard = DataCard(24, "", {"point": (2,)})

    def __len__(self) -> int:
        return 24

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return {"point": torch.as_tensor(np.stack([indices, indices], 1), dtype=torch.float32)}


class Toy(GAN):
    """Two one-layer networks with batch norm; the turns are given."""

    needs = frozenset({"point"})
    makes = "point"

    def __init__(self, make_turns: Callable[["Toy"], list[Turn]]) -> None:
        super().__init__({"point": (2,)})
        self.generator = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.discriminator = nn.Linear(2, 1)
        self.make_turns = make_turns
        self.played: list[tuple[str, list[int]]] = []

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        return self.make_turns(self)

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.generator(noise.normal(3))

    def play(self, name: str) -> Callable[[Batch, float], Loss]:
        def loss(batch: Batch, progress: float) -> Loss:
            self.played.append((name, batch["point"][:, 0].int().tolist()))
            score = self.discriminator(self.sample({}, FreshNoise(len(batch["point"])))).mean()
            return Loss({"score": score}, {"progress": torch.tensor(progress)})

        return loss


def alternate(toy: Toy) -> list[Turn]:
    return [Turn("discriminator", toy.play("d")), Turn("generator", toy.play("g"))]


def engine(
    make_turns: Callable[[Toy], list[Turn]] = alternate,
    images: int = 24,
    optimiser: Optimiser = sgd(0.1),
    average: Average = Average(),
    parts: int = 1,
    jobs: list[Job] | None = None,
) -> tuple[Toy, Loop]:
    torch.manual_seed(0)
    toy = Toy(make_turns)
    state = State(toy, {"generator": optimiser, "discriminator": optimiser}, batch=6)
    feed = Feed(Numbers(), batch=6, seed=0, parts=parts, own=range(parts))
    return toy, Loop(state, feed, images, 0, average, jobs or [], log_every=6)


def test_turns_alternate_and_each_repetition_has_a_fresh_batch() -> None:
    toy, loop = engine(lambda toy: [Turn("discriminator", toy.play("d"), repeat=3), Turn("generator", toy.play("g"))])
    loop.run()
    names = "".join(name for name, _ in toy.played)
    assert names == "dddg" * 4
    shown = [number for name, batch in toy.played if name == "d" for number in batch]
    assert sorted(shown) == sorted(list(range(24)) * 3), "every pass over the data shows each example once"
    assert toy.played[3][1] == toy.played[0][1], "the generator's turn shares the step's first batch"


def test_repeat_as_a_function_of_the_step_and_every() -> None:
    turns = lambda toy: [Turn("discriminator", toy.play("d"), repeat=lambda step: 3 if step == 0 else 1),  # noqa: E731
                         Turn("generator", toy.play("g"), every=2)]  # fmt: skip
    toy, loop = engine(turns)
    loop.run()
    assert "".join(name for name, _ in toy.played) == "dddgd" + "dgd"


def test_batches_are_shuffled_anew_every_epoch() -> None:
    feed = Feed(Numbers(), batch=6, seed=0)
    first, second = (np.concatenate([feed.indices(4 * epoch + i) for i in range(4)]) for epoch in range(2))
    assert sorted(first) == sorted(second) == list(range(24))
    assert list(first) != list(second)
    assert sorted(Feed(Numbers(), batch=36, seed=0).indices(1)) == sorted([*second[12:], *range(24)])


def test_lazy_turn_is_weighted_and_adam_corrected() -> None:
    turns = lambda toy: [*alternate(toy), Turn("discriminator", toy.play("lazy"), every=4)]  # noqa: E731
    toy, loop = engine(turns, optimiser=adam(0.01, 0.5, 0.9))
    assert laziness("discriminator", toy.turns()) == 0.8
    assert laziness("generator", toy.turns()) == 1.0
    group = loop.state.optimisers["discriminator"].param_groups[0]
    assert group["betas"] == (0.5**0.8, 0.9**0.8)
    loop.state.set_rates()
    assert group["lr"] == pytest.approx(0.008)
    gradients: list[float] = []
    step = loop.state.optimisers["discriminator"].step
    loop.state.optimisers["discriminator"].step = lambda: (  # type: ignore[method-assign]
        gradients.append(float(toy.discriminator.bias.grad)), step()
    )  # fmt: skip
    loop.run()
    assert gradients == pytest.approx([1, 4, 1, 1, 1]), "d(mean score)/d(bias) is 1, and 4 in the lazy turn"


def test_an_occasional_turn_alone_is_not_lazy() -> None:
    toy, _ = engine(lambda toy: [Turn("discriminator", toy.play("d")), Turn("generator", toy.play("g"), every=5)])
    assert laziness("generator", toy.turns()) == 1.0


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_sum_to_the_gradient_of_the_whole_and_average_the_statistics(parts: int) -> None:
    seen: list[Tensor] = []

    def real_mean(toy: Toy) -> list[Turn]:
        def loss(batch: Batch, progress: float) -> Loss:
            toy.sample({}, FreshNoise(len(batch["point"])))
            seen.append(toy.generator[1].running_mean.clone())
            return Loss({"score": toy.discriminator(batch["point"]).mean()})

        return [Turn("discriminator", loss)]

    whole, one = engine(real_mean, images=6)
    one.run()
    seen.clear()
    split, several = engine(real_mean, images=6, parts=parts)
    several.run()
    assert torch.allclose(whole.discriminator.weight, split.discriminator.weight, atol=1e-6)
    assert torch.allclose(split.generator[1].running_mean, torch.stack(seen).mean(0))
    assert not torch.equal(seen[0], seen[1]), "each part has its own random stream"


def test_average_has_the_half_life_it_says() -> None:
    toy, loop = engine(images=24, optimiser=sgd(0.0), average=Average(half_life=constant(12)))
    with torch.no_grad():
        loop.state.average.generator[0].weight.zero_()
    loop.run()
    assert torch.allclose(loop.state.average.generator[0].weight, toy.generator[0].weight * 0.75)


def test_average_ramps_up_and_starts_late() -> None:
    _, loop = engine(images=6)
    state = loop.state
    for settings in (Average(half_life=constant(1e9), start=6), Average(half_life=constant(1e9), ramp_up=1e-9), Average()):
        state.step = 1
        with torch.no_grad():
            state.average.generator[0].weight.zero_()
        state.update_average(settings)
        assert torch.equal(state.average.generator[0].weight, state.gan.generator[0].weight)


def test_nan_stops_before_any_job_sees_it() -> None:
    jobs_run: list[int] = []

    def poison(toy: Toy) -> list[Turn]:
        def loss(batch: Batch, progress: float) -> Loss:
            return Loss({"score": toy.discriminator(batch["point"]).mean() * (float("nan") if progress >= 0.5 else 1)})

        return [Turn("discriminator", loss)]

    _, loop = engine(poison, jobs=[Job(6, lambda state, means: jobs_run.append(state.images))])
    with pytest.raises(DivergedError, match="at 18 images: loss/discriminator/score, .* became NaN or infinite"):
        loop.run()
    assert jobs_run == [6, 12]


def test_jobs_are_due_by_images_and_at_the_end() -> None:
    runs: list[int] = []
    _, loop = engine(images=30, jobs=[Job(12, lambda state, means: runs.append(state.images))])
    loop.run()
    assert runs == [12, 24, 30]


def test_watch_can_end_the_run_early_and_jobs_still_run() -> None:
    runs: list[int] = []
    _, loop = engine(images=600, jobs=[Job(300, lambda state, means: runs.append(state.images))])
    loop.watch = lambda images: images >= 12
    loop.run()
    assert loop.state.images == 12
    assert runs == [12]


def test_project_is_called_after_every_update() -> None:
    calls: list[int] = []
    _, loop = engine(lambda toy: [Turn("discriminator", toy.play("d"), repeat=2, project=calls.append)])
    loop.run()
    assert calls == [6] * 8, "with the images of the update"


def test_batch_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="train.batch 6 is not divisible by 4"):
        Feed(Numbers(), batch=6, seed=0, parts=4)


def test_optimisers_for_other_players_are_refused() -> None:
    with pytest.raises(ValueError, match=r"optimisers for \['critic'\], the players are \['discriminator', 'generator'\]"):
        State(Toy(alternate), {"critic": sgd(0.1)}, 6)


def test_the_average_is_settled_before_a_job_that_looks_at_it_and_at_no_other_time() -> None:
    events: list[str] = []
    jobs = [
        Job(12, lambda state, means: events.append(f"look {state.images}")),
        Job(6, lambda state, means: events.append(f"log {state.images}"), looks=False),
    ]
    _, loop = engine(images=24, jobs=jobs)
    loop.state.average.settle = lambda truncation=None: events.append("settle")
    loop.run()
    looks = [number for number, event in enumerate(events) if event.startswith("look")]
    assert [events[number - 1] for number in looks] == ["settle"] * len(looks)
    assert events.count("settle") == len(looks) == 2
