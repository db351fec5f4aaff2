"""The training loop: turns, then the average, then the jobs that are due. It knows no family by name."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zerosum import distributed
from zerosum.data.feed import Feed
from zerosum.game import Batch, Turn
from zerosum.noise import derive_seed, seed_stream
from zerosum.recipe import Average
from zerosum.training.buffers import PartwiseBuffers
from zerosum.training.means import Means, total_norm
from zerosum.training.state import State, is_lazy


class DivergedError(ArithmeticError):
    """A loss or a weight has become NaN or infinite."""


@dataclass(frozen=True)
class Job:
    """Something done beside training, whenever another `every` images have been seen, and at the end."""

    every: int
    run: Callable[[State, dict[str, float]], object]
    """Called in the first process with the state and the newest means. It may look at the state but must not change it."""
    together: bool = False
    """Whether every process calls it, each with means of its own."""
    looks: bool = True
    """Whether it looks at the averaged networks."""


@dataclass
class Loop:
    """Plays the game from the state's images to `images`.

    Args:
        seed: of the run; every part of every play has a random stream of its own.
        log_every: images after which the means are read, and checked for NaN, at the latest.
        watch: called after every step with the images seen; True ends the training early.
        precision: of what autocast computes in fewer bits: float32, bfloat16 or float16.
    """

    state: State
    feed: Feed
    images: int
    seed: int
    average: Average
    jobs: Sequence[Job] = ()
    log_every: int = 3_200
    watch: Callable[[int], bool] = lambda images: False
    precision: str = "float32"
    means: Means = field(default_factory=Means)

    def run(self) -> None:
        """Train to the end.

        Raises:
            DivergedError: a loss or a weight became NaN or infinite; no job has seen it.
        """
        state, turns, newest, stopping = self.state, self.state.gan.turns(), dict[str, float](), False
        while state.images < self.images and not stopping:
            state.set_rates()
            log_due = self._due(self.log_every)
            first = self.feed.draw(state.draws)
            most = 0
            for number, turn in enumerate(turns):
                if state.step % turn.every == 0:
                    plays = state.balance.plays(turn, state.step)
                    self._play(number, turn, plays, turn.every if is_lazy(turn, turns) else 1, first, log_due)
                    most = max(most, plays)
            state.draws += most
            state.step += 1
            stopping = self._told_to_stop(log_due)
            ended = stopping or state.images >= self.images
            due = [job for job in self.jobs if ended or state.images % job.every < state.batch]
            if self.average.is_used or due:
                state.update_average(self.average)
            if any(job.looks for job in due):
                state.average.settle()
            if log_due or due:
                newest |= self._read_means()
            for job in due:
                if job.together or distributed.rank() == 0:
                    job.run(state, newest)

    def _due(self, every: int) -> bool:
        """Whether the step about to be played completes another `every` images."""
        return (self.state.images + self.state.batch) % every < self.state.batch

    def _told_to_stop(self, together: bool) -> bool:
        """Processes must agree, and to ask costs an exchange: only now and then where there are several."""
        told = self.watch(self.state.images)
        return told if distributed.world_size() == 1 else together and distributed.any_rank(told)

    def _play(self, number: int, turn: Turn, plays: int, weight: int, first: list[Batch], measure: bool) -> None:
        """Let one player move, `plays` times, each on a fresh batch."""
        state, optimiser, moving = self.state, self.state.optimisers[turn.player], self.state.parameters[turn.player]
        scaler = state.scalers[turn.player]
        for player, parameters in state.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(player == turn.player)
        for play in range(plays):
            batches = first if play == 0 else self.feed.draw(state.draws + play)
            optimiser.zero_grad(set_to_none=True)
            buffers, accuracy = PartwiseBuffers(state.gan, self.feed.parts), list[Tensor]()
            for part, batch in zip(self.feed.own, batches, strict=True):
                seed_stream(derive_seed(self.seed, "play", state.step, number, play, part), self.feed.device)
                with buffers.part():
                    notes = self._backward(turn, batch, weight / self.feed.parts)
                accuracy += [notes["accuracy"]] if "accuracy" in notes else []
            buffers.settle()
            distributed.sum_gradients(moving)
            scaler.unscale_(optimiser)
            before = [parameter.detach().clone() for parameter in moving] if measure else []
            scaler.step(optimiser)
            scaler.update()
            if turn.project:
                turn.project(state.batch)
            if measure:
                norm = total_norm([p.grad for p in moving if p.grad is not None])
                # A scaler tries too large a scale now and then, and skips that step.
                if not scaler.is_enabled() or norm.isfinite():
                    self.means.add(f"gradient_norm/{turn.player}", norm)
                change = total_norm([new.detach() - old for new, old in zip(moving, before, strict=True)])
                self.means.add(f"update_ratio/{turn.player}", change / total_norm(before).clamp(min=1e-12))
            if accuracy and state.balance.target is not None:
                state.balance.adapt(turn.player, distributed.mean_over_ranks(torch.stack(accuracy).mean()))

    def _backward(self, turn: Turn, batch: Batch, weight: float) -> dict[str, Tensor]:
        """Add to the gradients, and return what the loss notes."""
        eager = torch.compiler.set_stance("force_eager") if turn.second_order else nullcontext()
        with torch.autocast(self.feed.device.type, getattr(torch, self.precision), enabled=self.precision != "float32"), eager:
            loss = turn.loss(batch, self.state.images / self.images)
            total = torch.stack([term.float() for term in loss.terms.values()]).sum() * weight
        self.state.scalers[turn.player].scale(total).backward()  # type: ignore[no-untyped-call]
        for name, value in ({f"loss/{turn.player}/{name}": term for name, term in loss.terms.items()} | loss.notes).items():
            self.means.add(name, value)
        return loss.notes

    def _read_means(self) -> dict[str, float]:
        newest = self.means.read()
        bad = [name for name, value in newest.items() if not abs(value) < float("inf")]
        if distributed.any_rank(bool(bad) or not self.state.is_finite()):
            raise DivergedError(f"at {self.state.images:,} images: {', '.join(bad) or 'a weight'} became NaN or infinite")
        return newest
