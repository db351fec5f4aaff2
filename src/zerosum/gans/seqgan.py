"""SeqGAN: text by a generator that is rewarded by the discriminator for every word, since words have no gradient.

Yu et al. 2017, "SeqGAN: Sequence generative adversarial nets with policy gradient" (arXiv 1609.05473). The reward Q(t) of a
word is D of the whole text for the last one, and for the others the mean of D over `rollouts` ways in which the text could have
gone on from there (eq. 4), written by a delayed copy of the generator. The generator lowers -E[sum_t log G(y_t | y_1..t-1)
Q(t)] (eq. 7), the discriminator -E[log D(x)] - E[log(1 - D(y))] (eq. 5). It is trained in two stages: `likelihood()` lowers
-E[log G(x)] alone, then `gan()` goes on from there.

What differs: texts have lengths of their own, so nothing is written, learned or rewarded after the end; losses are means over
words where the paper's are sums, and gradients are not clipped; the discriminator sees fresh samples in every step, where the
released code goes three times over a set of 10,000.
"""

import copy

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import dropout, relu

from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, probability_notes
from zerosum.nn.sequences import (
    State,
    WindowFeatures,
    is_written,
    likelihood_loss,
    log_likelihoods,
    read_shapes,
    shifted,
    write,
    write_on,
)
from zerosum.noise import FreshNoise, Noise
from zerosum.recipe import STRICT, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.vocabulary import END

FILTERS = (
    *((1, 100), (2, 200), (3, 200), (4, 200), (5, 200), (6, 100), (7, 100), (8, 100), (9, 100), (10, 100)),
    *((15, 160), (20, 160)),
)
"""Words wide, and how many: the discriminator's filters in the released code."""
INIT = 0.1
"""Standard deviation of the generator's first weights, as in the released code."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of SeqGAN."""

    embedding: int = 32
    """Numbers that a word becomes in the generator."""
    hidden: int = 32
    """Of the generator's LSTM."""
    adversarial: bool = True
    """Whether there is a game; else the generator learns by maximum likelihood alone."""
    discriminator_embedding: int = 64
    """Numbers that a word becomes in the discriminator."""
    filters: tuple[tuple[int, int], ...] = FILTERS
    """Of the discriminator: words wide and how many, of each kind; those wider than a text are left out."""
    dropout: float = 0.25
    """Share of the discriminator's features that are dropped in its own turn."""
    l2: float = 0.2
    """Weight of half the squared norm of the discriminator's last layer."""
    rollouts: int = 16
    """Ways on from each word over which its reward is averaged."""
    rollout_rate: float = 0.8
    """Share of the delayed copy, which writes these, that stays as it is at each update."""
    discriminator_steps: int = 5
    """Updates of the discriminator for one of the generator."""
    first_discriminator_steps: int = 0
    """Updates of the discriminator before the generator's first one."""

    def __post_init__(self) -> None:
        positive(embedding=self.embedding, hidden=self.hidden, discriminator_embedding=self.discriminator_embedding)
        positive(rollouts=self.rollouts, discriminator_steps=self.discriminator_steps, filters=len(self.filters))
        positive(narrowest_filter=min(min(pair) for pair in self.filters))
        not_negative(l2=self.l2, first_discriminator_steps=self.first_discriminator_steps)
        if not 0 <= self.dropout < 1 or not 0 <= self.rollout_rate < 1:
            raise ValueError(f"gan.dropout and gan.rollout_rate must be in [0, 1), not {self.dropout} and {self.rollout_rate}")


class LSTMWriter(nn.Module):
    """An LSTM that says of every word how likely it comes next."""

    def __init__(self, num_tokens: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.embedding = nn.Embedding(num_tokens + 1, embedding)
        self.cell = nn.LSTMCell(embedding, hidden)
        self.output = nn.Linear(hidden, num_tokens)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=INIT)

    def start(self, count: int) -> State:
        """Nothing is remembered, `[N, H]` twice."""
        nothing = self.output.weight.new_zeros(count, self.cell.hidden_size)
        return nothing, nothing

    def step(self, previous: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits `[N, V]` of what follows the words `[N]`, and the next state."""
        hidden, memory = self.cell(self.embedding(previous), state)
        return self.output(hidden), (hidden, memory)

    def forward(self, tokens: Tensor) -> Tensor:
        """log P of every word of texts `[N, T]`, given those before it; 0 after the end."""
        state, seen = self.start(len(tokens)), []
        for embedded in self.embedding(shifted(tokens, self.num_tokens)).unbind(1):
            state = self.cell(embedded, state)
            seen.append(state[0])
        return log_likelihoods(torch.stack(seen, 1), self.output, tokens)


class Discriminator(nn.Module):
    """Windows of all widths, a highway layer and one score: texts `[N, T]` to scores `[N]`."""

    def __init__(self, num_tokens: int, length: int, config: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, config.discriminator_embedding)
        self.windows = WindowFeatures(config.discriminator_embedding, config.filters, length)
        width = self.windows.features
        self.transform, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, -2.0)
        self.output = nn.Linear(width, 1)

    def forward(self, tokens: Tensor, dropped: float = 0.0) -> Tensor:
        """Scores; a share of features is dropped."""
        features: Tensor = self.windows(self.embedding(tokens))
        share = self.gate(features).sigmoid()
        features = share * relu(self.transform(features)) + (1 - share) * features
        scores: Tensor = self.output(dropout(features, dropped))[:, 0]
        return scores


class SeqGAN(GAN):
    """The game of SeqGAN.

    Raises:
        ValueError: the data is not text, or no filter is as narrow as a text.
    """

    needs = frozenset({"tokens"})
    makes = "tokens"

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        self.length, num_tokens = read_shapes(shapes)
        if min(width for width, _ in config.filters) > self.length:
            raise ValueError(f"gan.filters are all wider than data.num_tokens {self.length}: choose narrower ones")
        self.generator = LSTMWriter(num_tokens, config.embedding, config.hidden)
        self.delayed = without_parameters(self.generator)
        if config.adversarial:
            self.discriminator = Discriminator(num_tokens, self.length, config)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator} | ({"discriminator": self.discriminator} if self.config.adversarial else {})

    def turns(self) -> list[Turn]:
        if not self.config.adversarial:
            return [Turn("generator", self.likelihood, project=self.follow)]
        discriminator = Turn("discriminator", self.discriminator_loss, repeat=self.discriminator_steps)
        return [discriminator, Turn("generator", self.generator_loss, project=self.follow)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Texts, int64 `[N, T]`, which have no gradient."""
        return write(self.generator, self.length, given, noise)

    def likelihood(self, batch: Batch, progress: float) -> Loss:
        """-E[log G(x)], per word."""
        return likelihood_loss(self.generator(batch["tokens"]), batch["tokens"])

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """(-E[log D(x)] - E[log(1 - D(y))]) / 2 + l2 |W|^2 / 2."""
        config = self.config
        real, fake = (self.discriminator(tokens, config.dropout) for tokens in (batch["tokens"], self._fakes(batch)))
        output = self.discriminator.output
        norm = (output.weight.square().sum() + output.bias.square().sum()) / 2
        terms = {"adversarial": minimax_d(real, fake) / 2} | ({"l2": config.l2 * norm} if config.l2 else {})
        return Loss(terms, probability_notes(real, fake))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log G(y_t | y_1..t-1) Q(t)], per word."""
        fakes = self._fakes(batch)
        rewards, count = self.rewards(fakes), is_written(fakes).sum()
        gained = (self.generator(fakes) * rewards).sum() / count
        return Loss({"policy": -gained}, {"reward": (rewards * is_written(fakes)).sum() / count})

    @torch.no_grad()
    def rewards(self, tokens: Tensor) -> Tensor:
        """Q(t) of every word `[N, T]` of texts `[N, T]`."""
        values: Tensor = self.discriminator(tokens).sigmoid()[:, None].repeat(1, self.length)
        state, previous = self.delayed.start(len(tokens)), torch.full_like(tokens[:, 0], self.delayed.num_tokens)
        for place in range(self.length - 1):
            _, state = self.delayed.step(previous, state)
            previous = tokens[:, place]
            unfinished = (tokens[:, : place + 1] != END).all(1).nonzero()[:, 0]
            rows = unfinished.repeat(self.config.rollouts)
            if not len(rows):
                break
            chances = torch.rand(len(rows), self.length - 1 - place, device=tokens.device)
            rest = write_on(self.delayed, chances, previous[rows], tuple(part[rows] for part in state))
            scores = self.discriminator(torch.cat([tokens[rows, : place + 1], rest], 1)).sigmoid()
            values[unfinished, place] = scores.reshape(self.config.rollouts, -1).mean(0)
        return values

    def discriminator_steps(self, step: int) -> int:
        """Updates of the discriminator in this step, counted from 0."""
        return self.config.discriminator_steps + (0 if step else self.config.first_discriminator_steps)

    @torch.no_grad()
    def follow(self, images: int) -> None:
        """Bring the delayed copy nearer to the generator; without a game, to it."""
        rate = self.config.rollout_rate if self.config.adversarial else 0.0
        buffers = dict(self.delayed.named_buffers())
        for name, weight in self.generator.named_parameters():
            buffers[name].lerp_(weight, 1 - rate)

    @torch.no_grad()
    def _fakes(self, batch: Batch) -> Tensor:
        tokens = batch["tokens"]
        return self.sample({}, FreshNoise(len(tokens), tokens.device))


def without_parameters(network: LSTMWriter) -> LSTMWriter:
    """A copy whose weights are buffers: nobody trains them, and they are saved and restored."""
    twin = copy.deepcopy(network)
    for module in twin.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach().clone())
    return twin


def likelihood() -> Recipe:
    """First stage: maximum likelihood, 120 passes over 10,000 texts of 20 words, as in the released code."""
    return _recipe(Config(adversarial=False), Training(images=1_200_000, batch=64), 1e-2)


def gan(start: str | None = "runs/seqgan-likelihood") -> Recipe:
    """Second stage, from the first: 200 updates of the generator, each after 15 passes of the discriminator over 10,000 texts.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    config = Config(discriminator_steps=15 * 10_000 // 64, first_discriminator_steps=150 * 10_000 // 64)
    return _recipe(config, Training(images=64 * 200, batch=64, start=start), 1e-2)


def cpu_likelihood() -> Recipe:
    """First stage on a CPU, in minutes."""
    return _small(_narrow(adversarial=False), 64 * 1_500, 5e-3)


def cpu(start: str | None = "runs/seqgan-cpu-likelihood") -> Recipe:
    """Second stage on a CPU, from the first, `cpu_likelihood`.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    return _small(_narrow(), 64 * 60, 1e-3, start)


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    config = Config(
        embedding=8, hidden=8, discriminator_embedding=8, filters=((1, 8), (2, 8)), rollouts=2, discriminator_steps=2
    )
    return Recipe(
        family="seqgan",
        gan=config,
        optimisers={"generator": adam(1e-2), "discriminator": adam(1e-3)},
        data=Data(path="sentences", kind="tokens", vocabulary_size=500, num_tokens=8),
        train=Training(images=160, batch=8),
        jobs=Jobs(log_every=40, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _narrow(adversarial: bool = True) -> Config:
    """The settings of the recipes for a CPU."""
    filters = ((1, 32), (2, 64), (3, 64), (4, 64), (5, 32))
    return Config(hidden=128, filters=filters, l2=0.01, rollouts=4, first_discriminator_steps=400, adversarial=adversarial)


def _recipe(config: Config, training: Training, rate: float) -> Recipe:
    """A recipe of the paper's sizes."""
    return Recipe(
        family="seqgan",
        gan=config,
        optimisers={"generator": adam(rate)} | ({"discriminator": adam(1e-4)} if config.adversarial else {}),
        data=Data(path="sentences", kind="tokens", num_tokens=20, held_out=2_000),
        train=training,
        jobs=Jobs(log_every=640, sample_every=6_400, checkpoint_every=6_400),
    )


def _small(config: Config, images: int, rate: float, start: str | None = None) -> Recipe:
    """A recipe for a CPU."""
    return Recipe(
        family="seqgan",
        gan=config,
        optimisers={"generator": adam(rate)} | ({"discriminator": adam(1e-3)} if config.adversarial else {}),
        data=Data(path="sentences", kind="tokens", vocabulary_size=3_000, num_tokens=16, held_out=2_000),
        train=Training(images=images, batch=64, start=start),
        jobs=Jobs(log_every=640, sample_every=3_200, checkpoint_every=3_200, num_samples=32),
    )
