"""RelGAN: text by a relational memory, judged through many small views of it, with words softened so that gradients pass.

Nie, Narodytska & Patel 2019, "RelGAN: Relational generative adversarial networks for text generation" (ICLR). A word is drawn
as argmax(o + g), o the logits and g Gumbel noise; in the game the discriminator sees softmax(b (o + g)) in its place, whose
gradient reaches the generator. The inverse temperature b rises from 1 to `inverse_temperature`, as that to the power of the
progress. The discriminator sees each text through `representations` embeddings, and both players lower the relativistic
standard loss (RSGAN) over these. It is trained in two stages: `likelihood()` lowers -E[log G(x)] alone, then `gan()` goes on
from there.

The memory is that of Santoro et al. 2018 (arXiv 1806.01822), with layer norm also on queries, keys and values. What differs:
texts have lengths of their own, so nothing is written or learned after the end; gradients are not clipped.
"""

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import dropout, one_hot, relu

from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import relativistic_d, relativistic_g, score_notes
from zerosum.nn.sequences import State, WindowFeatures, likelihood_loss, log_likelihoods, read_shapes, shifted, write
from zerosum.noise import FreshNoise, Noise
from zerosum.recipe import STRICT, Data, GANConfig, Jobs, Recipe, Training, adam, positive
from zerosum.vocabulary import END

WIDTHS = (2, 3, 4, 5)
"""Words wide: the discriminator's filters."""
HIDDEN = 100
"""Of the discriminator's last but one layer."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of RelGAN."""

    embedding: int = 32
    """Numbers that a word becomes in the generator."""
    slots: int = 1
    """Of the generator's memory."""
    heads: int = 2
    """Of attention between slots."""
    head_size: int = 256
    """Numbers a head; a slot has heads x head_size of them."""
    adversarial: bool = True
    """Whether there is a game; else the generator learns by maximum likelihood alone."""
    inverse_temperature: float = 100.0
    """How sharp softened words are at the end of the run: 1 leaves them soft, and 1000 trades variety for quality."""
    representations: int = 64
    """Embeddings through which the discriminator sees a text."""
    representation: int = 1
    """Numbers that a word becomes in each of them."""
    filters: int = 300
    """Of the discriminator, for windows of 2, 3, 4 and 5 words each."""
    dropout: float = 0.25
    """Share of the discriminator's features that are dropped."""
    discriminator_steps: int = 5
    """Updates of the discriminator for one of the generator."""

    def __post_init__(self) -> None:
        positive(embedding=self.embedding, slots=self.slots, heads=self.heads, head_size=self.head_size, filters=self.filters)
        positive(representations=self.representations, representation=self.representation)
        positive(discriminator_steps=self.discriminator_steps)
        if self.inverse_temperature < 1:
            raise ValueError(f"gan.inverse_temperature must be at least 1, not {self.inverse_temperature}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"gan.dropout must be in [0, 1), not {self.dropout}")


class RelationalMemory(nn.Module):
    """Slots that attend to each other and to what comes in (Santoro et al. 2018).

    Args:
        inputs: numbers that come in.
        slots, heads, head_size: D = heads x head_size.
    """

    def __init__(self, inputs: int, slots: int, heads: int, head_size: int) -> None:
        super().__init__()
        self.slots, self.heads, self.width = slots, heads, heads * head_size
        width = self.width
        self.take_in = nn.Linear(inputs, width)
        self.attend, self.attend_norm = nn.Linear(width, 3 * width), nn.LayerNorm(3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.gates_of_input, self.gates_of_memory = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)

    def start(self, count: int) -> Tensor:
        """Slots that differ, `[N, S, D]`."""
        slots = torch.eye(self.slots, self.width, device=self.take_in.weight.device)
        return slots.expand(count, -1, -1)

    def forward(self, inputs: Tensor, memory: Tensor) -> Tensor:
        """The memory `[N, S, D]` after what comes in `[N, I]`."""
        taken = self.take_in(inputs)[:, None]
        found = self.norm(memory + self._attention(torch.cat([memory, taken], 1)))
        found = self.mlp_norm(found + self.mlp(found))
        let_in, keep = (self.gates_of_input(taken) + self.gates_of_memory(memory.tanh())).chunk(2, 2)
        updated: Tensor = let_in.sigmoid() * found.tanh() + (keep + 1).sigmoid() * memory
        return updated

    def _attention(self, rows: Tensor) -> Tensor:
        """What the slots `[N, S, D]` find in all rows `[N, S + 1, D]`."""
        found = self.attend_norm(self.attend(rows)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        query, key, value = found.chunk(3, 3)
        weights = (query[:, :, : self.slots] @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(3)
        attended: Tensor = (weights @ value).transpose(1, 2).flatten(2)
        return attended


class RelationalWriter(nn.Module):
    """A relational memory that says of every word how likely it comes next."""

    def __init__(self, num_tokens: int, config: Config) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.embedding = nn.Embedding(num_tokens + 1, config.embedding)
        self.memory = RelationalMemory(config.embedding, config.slots, config.heads, config.head_size)
        self.output = nn.Linear(config.slots * self.memory.width, num_tokens)

    def start(self, count: int) -> State:
        """The memory `[N, S, D]`."""
        return (self.memory.start(count),)

    def step(self, previous: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits `[N, V]` of what follows the words `[N]`, and the next state."""
        memory = self.memory(self.embedding(previous), *state)
        return self.output(memory.flatten(1)), (memory,)

    def forward(self, tokens: Tensor) -> Tensor:
        """log P of every word of texts `[N, T]`, given those before it; 0 after the end."""
        memory, seen = self.memory.start(len(tokens)), []
        for embedded in self.embedding(shifted(tokens, self.num_tokens)).unbind(1):
            memory = self.memory(embedded, memory)
            seen.append(memory.flatten(1))
        return log_likelihoods(torch.stack(seen, 1), self.output, tokens)

    def soften(self, length: int, sharpness: float, noise: Noise) -> Tensor:
        """Texts `[N, T, V]` of softened words, shares that sum to 1; after the end all is end."""
        previous, state = torch.full((len(noise),), self.num_tokens, device=self.output.weight.device), self.start(len(noise))
        nothing, soft = one_hot(torch.tensor(END), self.num_tokens).to(previous.device).float(), []
        for _ in range(length):
            logits, state = self.step(previous, state)
            noisy = logits.float() + gumbel(noise, self.num_tokens)
            is_over = previous == END
            soft.append(torch.where(is_over[:, None], nothing, (sharpness * noisy).softmax(1)))
            previous = torch.where(is_over, END, noisy.argmax(1))
        return torch.stack(soft, 1)


def gumbel(noise: Noise, size: int) -> Tensor:
    """Gumbel noise `[N, size]`: -log(-log u), u uniform in (0, 1)."""
    chances = ((noise.uniform(size) + 1) / 2).clamp(1e-7, 1 - 1e-7)
    return -(-chances.log()).log()


class Discriminator(nn.Module):
    """A text through several embeddings, each judged by the same windows: to scores `[N, R]`."""

    def __init__(self, num_tokens: int, length: int, config: Config) -> None:
        super().__init__()
        self.representations, self.dropout = config.representations, config.dropout
        self.embedding = nn.Parameter(torch.empty(num_tokens, config.representations * config.representation))
        nn.init.normal_(self.embedding)
        self.windows = WindowFeatures(config.representation, [(width, config.filters) for width in WIDTHS], length)
        width = self.windows.features
        self.highway = nn.Linear(width, width)
        # Without biases: they would cancel in the difference of two scores, which is all that is learned from.
        self.hidden, self.output = nn.Linear(width, HIDDEN, bias=False), nn.Linear(HIDDEN, 1, bias=False)

    def forward(self, texts: Tensor) -> Tensor:
        """Scores of texts, words int64 `[N, T]` or softened ones `[N, T, V]`."""
        embedded = texts @ self.embedding if texts.is_floating_point() else self.embedding[texts]
        # [N, T, R E] -> [N R, T, E]: every representation is a text of its own.
        views = embedded.reshape(*embedded.shape[:2], self.representations, -1).transpose(1, 2).flatten(0, 1)
        features: Tensor = self.windows(views)
        changed = self.highway(features)
        features = changed.sigmoid() * relu(changed) + (1 - changed.sigmoid()) * features
        scores: Tensor = self.output(self.hidden(dropout(features, self.dropout, self.training)))
        return scores.reshape(len(texts), self.representations)


class RelGAN(GAN):
    """The game of RelGAN.

    Raises:
        ValueError: the data is not text.
    """

    needs = frozenset({"tokens"})
    makes = "tokens"

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        self.length, num_tokens = read_shapes(shapes)
        self.generator = RelationalWriter(num_tokens, config)
        if config.adversarial:
            self.discriminator = Discriminator(num_tokens, self.length, config)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator} | ({"discriminator": self.discriminator} if self.config.adversarial else {})

    def turns(self) -> list[Turn]:
        if not self.config.adversarial:
            return [Turn("generator", self.likelihood)]
        discriminator = Turn("discriminator", self.discriminator_loss, repeat=self.config.discriminator_steps)
        return [discriminator, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Texts, int64 `[N, T]`, which have no gradient."""
        return write(self.generator, self.length, given, noise)

    def likelihood(self, batch: Batch, progress: float) -> Loss:
        """-E[log G(x)], per word."""
        return likelihood_loss(self.generator(batch["tokens"]), batch["tokens"])

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log s(D(x) - D(G))], s the sigmoid."""
        with torch.no_grad():
            fakes = self._fakes(batch, progress)
        real, fake = self.discriminator(batch["tokens"]), self.discriminator(fakes)
        return Loss({"adversarial": relativistic_d(real, fake)}, score_notes(real.mean(1), fake.mean(1)))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log s(D(G) - D(x))]."""
        with torch.no_grad():
            real = self.discriminator(batch["tokens"])
        return Loss({"adversarial": relativistic_g(real, self.discriminator(self._fakes(batch, progress)))})

    def _fakes(self, batch: Batch, progress: float) -> Tensor:
        tokens = batch["tokens"]
        sharpness = self.config.inverse_temperature**progress
        return self.generator.soften(self.length, sharpness, FreshNoise(len(tokens), tokens.device))


def likelihood() -> Recipe:
    """First stage: maximum likelihood, 150 passes over 10,000 texts, as in the released code."""
    return _recipe(Config(adversarial=False), Training(images=1_500_000, batch=64), 1e-2)


def gan(start: str | None = "runs/textgan-likelihood") -> Recipe:
    """Second stage, from the first: 3,000 updates of the generator.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    return _recipe(Config(), Training(images=64 * 3_000, batch=64, start=start), 1e-4)


def cpu_likelihood() -> Recipe:
    """First stage on a CPU, in minutes."""
    return _small(_narrow(adversarial=False), 64 * 1_000, 2e-3)


def cpu(start: str | None = "runs/textgan-cpu-likelihood") -> Recipe:
    """Second stage on a CPU, from the first, `cpu_likelihood`.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    return _small(_narrow(), 64 * 150, 3e-4, start)


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    config = Config(embedding=8, slots=2, head_size=4, representations=3, representation=2, filters=4, discriminator_steps=2)
    return Recipe(
        family="textgan",
        gan=config,
        optimisers={"generator": adam(1e-2), "discriminator": adam(1e-3)},
        data=Data(path="sentences", kind="tokens", vocabulary_size=500, num_tokens=8),
        train=Training(images=160, batch=8),
        jobs=Jobs(log_every=40, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _narrow(adversarial: bool = True) -> Config:
    """The settings of the recipes for a CPU."""
    return Config(
        head_size=64, representations=16, representation=2, filters=64, discriminator_steps=3, adversarial=adversarial
    )


def _recipe(config: Config, training: Training, rate: float) -> Recipe:
    """A recipe of the paper's sizes."""
    players = ["generator", *(["discriminator"] if config.adversarial else [])]
    return Recipe(
        family="textgan",
        gan=config,
        optimisers=dict.fromkeys(players, adam(rate)),
        data=Data(path="sentences", kind="tokens", num_tokens=20, held_out=2_000),
        train=training,
        jobs=Jobs(log_every=6_400, sample_every=64_000, checkpoint_every=64_000),
    )


def _small(config: Config, images: int, rate: float, start: str | None = None) -> Recipe:
    """A recipe for a CPU."""
    return Recipe(
        family="textgan",
        gan=config,
        optimisers={"generator": adam(rate)} | ({"discriminator": adam(1e-3)} if config.adversarial else {}),
        data=Data(path="sentences", kind="tokens", vocabulary_size=3_000, num_tokens=16, held_out=2_000),
        train=Training(images=images, batch=64, start=start),
        jobs=Jobs(log_every=640, sample_every=3_200, checkpoint_every=6_400, num_samples=32),
    )
