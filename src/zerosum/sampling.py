"""A trained generator -> samples, interpolations, sheets. A sample depends on its own seed, label and settings alone."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from zerosum.data.sentences import find_sentence_encoder
from zerosum.datacard import DataCard, Labels
from zerosum.game import GAN, Batch, HasLatents, HasPrompts
from zerosum.latents import LatentSpace, check_truncation, space_of
from zerosum.noise import BlendedNoise, Noise, SeededNoise
from zerosum.pictures import Samples, interleaved, to_pixels
from zerosum.vocabulary import Vocabulary

Label = int | str | Mapping[str, float]
Kind = Literal["spherical", "linear"]
Draw = Callable[[slice, Batch, Noise], Tensor]
"""(which of the samples, what they are given, their noise) -> their latents."""

log = logging.getLogger("zerosum")

BATCH = 64
"""Samples made at once."""


class Settings(TypedDict, total=False):
    """What a sample may be asked for besides its seed; see `Sampler.sample`."""

    label: Label | None
    prompt: str | None
    truncation: float | None
    truncation_layers: int | None
    shift: Tensor | None


@dataclass(frozen=True)
class Sampler:
    """A trained generator, ready to use; `zerosum.load` gives one."""

    gan: GAN
    """The family, with its sampling networks only."""
    card: DataCard
    """What it was trained on."""
    device: torch.device | str = "cpu"
    name: str = ""
    """Which checkpoint it is: run folder, images seen, and the start of its weights' sha256."""

    def sample(
        self,
        n: int = 1,
        *,
        seed: int = 0,
        label: Label | None = None,
        prompt: str | None = None,
        truncation: float | None = None,
        truncation_layers: int | None = None,
        shift: Tensor | None = None,
        temperature: float | None = None,
        prefix: str = "",
    ) -> Samples:
        """`n` samples: images uint8 `[N, H, W, C]`, sounds float32 `[N, C, T]`, points float32 `[N, 2]`, texts `[N]`. Sample i
        is that of seed + i.

        Args:
            label: of a conditional generator: a class by number or name, or {column: value}; None: every class in turn.
            prompt: of a generator of texts: what is to be seen; words that it does not know are said and left out.
            truncation: better samples of less variety: of a latent z its largest absolute value, of a mapped latent w the
                share of the way from the mean w, 1 for all of it; None: as they come.
            truncation_layers: of a latent per layer, how many of the first are truncated; None: all.
            shift: added to the latents, `[L]` or `[layers, L]`: a direction times a strength.
            temperature: of text: under 1 likelier words, above 1 more varied ones; None: 1.
            prefix: of text: what every sample begins with.

        Raises:
            ValueError: a label that the generator does not have, or none where it must be given, and so a prompt; a change of
                latents that there are not, or out of range; a temperature or prefix that it cannot be given.
        """
        if n < 1:
            raise ValueError(f"the number of samples must be at least 1, not {n}")
        draw = self._draw(truncation, truncation_layers, shift)
        given = self.given(n, label, prompt) | self._wording(n, temperature, prefix)
        made = generate(self.gan, given, lambda part: self._noise(range(seed, seed + n)[part]), n, draw)
        return finish(self.gan, made, self.card.vocabulary)

    def sweep(self, n: int, columns: Sequence[Settings], *, seed: int = 0) -> Samples:
        """A sheet row by row, `[n * columns, ...]`: row i is of seed + i, in column j as `sample` makes it with columns[j].

        Raises:
            ValueError: no columns; or as `sample`.
        """
        if not columns:
            raise ValueError("a sweep needs at least one column")
        return interleaved([self.sample(n, seed=seed, **column) for column in columns])

    def mix(
        self,
        rows: Sequence[int],
        columns: Sequence[int],
        layers: range,
        *,
        label: Label | None = None,
        truncation: float | None = None,
        truncation_layers: int | None = None,
    ) -> Samples:
        """A sheet of style mixing (Karras et al. 2019, sec. 3.1), row by row, `[(rows + 1) * (columns + 1), H, W, C]`.

        Its first row and column show the seeds themselves beside an empty corner. Inside, a sample has the latents of its
        row's seed, but those of its column's seed in `layers`; what else is random in it is its row's.

        Args:
            rows, columns: seeds.
            layers: such as `latents.read_layers` gives.
            label: the same for all; None: the first class.

        Raises:
            ValueError: latents without layers, layers out of range, no seeds; or as `sample`.
        """
        num_layers = self._latents("mixed").num_layers
        if num_layers == 1:
            raise ValueError(
                "this generator takes one latent for all its layers, so there is nothing to mix; "
                "style-based families have one for each layer"
            )
        if not rows or not columns or not layers:
            raise ValueError("mixing needs at least one row, one column and one layer")
        if not 0 <= layers[0] <= layers[-1] < num_layers:
            raise ValueError(f"layers {layers[0]}-{layers[-1]} are out of range: this generator has layers 0-{num_layers - 1}")
        cells = [(row, column) for row in (None, *rows) for column in (None, *columns)][1:]
        structure = [column if row is None else row for row, column in cells]
        style = [row if column is None else column for row, column in cells]
        own = self._draw(truncation, truncation_layers, None) or self._own_latents

        def mixed(part: slice, given: Batch, noise: Noise) -> Tensor:
            latents = own(part, given, noise).clone()
            chosen = slice(layers[0], layers[-1] + 1)
            latents[:, chosen] = own(part, given, SeededNoise([int(seed or 0) for seed in style[part]], self.device))[:, chosen]
            return latents

        given = self._given_alike(len(cells), label)
        seeds = [int(seed or 0) for seed in structure]
        made = generate(self.gan, given, lambda part: SeededNoise(seeds[part], self.device), len(cells), mixed)
        return finish(self.gan, torch.cat([torch.ones_like(made[:1]), made]))

    def interpolate(
        self,
        n: int,
        *,
        seed: int = 0,
        stops: int = 2,
        label: Label | None = None,
        prompt: str | None = None,
        kind: Kind | None = None,
        truncation: float | None = None,
        truncation_layers: int | None = None,
        shift: Tensor | None = None,
    ) -> Samples:
        """`n` frames on the way through the latents of `stops` seeds, each way equally long: uint8 `[N, H, W, C]`.

        Args:
            label: of a conditional generator, the same for all frames; None: the first class.
            prompt: of a generator of texts, the same for all frames; see `between` for the way from one to another.
            kind: "spherical" goes through the noise, along a sphere where it is normal and straight where it is uniform;
                "linear" goes straight through the latents. None: linear where latents are mapped from noise (w), for their
                space is made to be straight; else spherical, for only there latents look as they did in training.

        Raises:
            ValueError: fewer than 2 frames or stops; or as `sample`.
        """
        if self.gan.makes == "tokens":
            raise ValueError("there is no way between two texts: an interpolation is for images")
        if n < 2 or stops < 2:
            raise ValueError(f"an interpolation needs at least 2 frames and 2 stops, not {n} and {stops}")
        if kind is None:
            mapped = isinstance(self.gan, HasLatents) and self._latents().distribution is None
            kind = "linear" if mapped else "spherical"
        if kind == "linear":
            self._latents("interpolated linearly")
        way = torch.linspace(0, stops - 1, n)
        leg = way.long().clamp(max=stops - 2)
        shares = (way - leg).to(self.device)

        def noise(part: slice) -> BlendedNoise:
            start = [seed + int(i) for i in leg[part]]
            ends = SeededNoise(start, self.device), SeededNoise([s + 1 for s in start], self.device)
            return BlendedNoise(*ends, shares[part])

        def straight(part: slice, given: Batch, noise: Noise) -> Tensor:
            assert isinstance(noise, BlendedNoise)
            start, end = (self._own_latents(part, given, source) for source in (noise.start, noise.end))
            return torch.lerp(start, end, noise.share.reshape(-1, *[1] * (start.dim() - 1)))

        draw = self._draw(truncation, truncation_layers, shift, straight if kind == "linear" else None)
        return finish(self.gan, generate(self.gan, self._given_alike(n, label, prompt), noise, n, draw))

    def between(self, prompts: Sequence[str], n: int, *, seed: int = 0) -> Samples:
        """`n` frames on the way from prompt to prompt, along a sphere, all with the latent of one seed: uint8 `[N, H, W, C]`.

        Raises:
            ValueError: fewer than 2 frames or prompts, or as `sample`.
        """
        if n < 2 or len(prompts) < 2:
            raise ValueError(f"an interpolation needs at least 2 frames and 2 prompts, not {n} and {len(prompts)}")
        given = [self.given(1, None, prompt) for prompt in prompts]
        assert isinstance(self.gan, HasPrompts)
        with torch.no_grad():
            stops = torch.cat([self.gan.understand(own) for own in given])
        way = torch.linspace(0, len(prompts) - 1, n, device=stops.device)
        leg = way.long().clamp(max=len(prompts) - 2)
        share = (way - leg)[:, None]
        lengths = torch.lerp(stops[leg].norm(dim=1), stops[leg + 1].norm(dim=1), share[:, 0])[:, None]
        vectors = normalize(torch.lerp(stops[leg], stops[leg + 1], share), dim=1) * lengths
        seeds = [seed] * n
        made = generate(self.gan, {"understood": vectors}, lambda part: SeededNoise(seeds[part], self.device), n)
        return finish(self.gan, made)

    def synthesise(
        self, latents: Tensor, *, label: Tensor | None = None, seed: int = 0, shift: Tensor | None = None
    ) -> Samples:
        """Samples of these latents `[N, L]` or `[N, layers, L]`.

        Args:
            label: label vectors `[N, L]` of a conditional generator.
            seed: of what else is random: in sample i it is that of seed + i.
            shift: as in `sample`.

        Raises:
            ValueError: latents of another shape, or a label where there is none or none where there is one.
        """
        space = self._latents()
        if tuple(latents.shape[1:]) != space.shape or not len(latents):
            raise ValueError(f"latents must be [N, {', '.join(map(str, space.shape))}] here, not {list(latents.shape)}")
        if ("label" in self.gan.given) != (label is not None):
            raise ValueError("a conditional generator needs the labels of its latents, and only such a one")
        given = {} if label is None else {"label": label.to(self.device)}

        def these(part: slice, given: Batch, noise: Noise) -> Tensor:
            self._own_latents(part, given, noise)  # so that the rest of the noise is that of the seed's sample
            return latents[part].to(self.device)

        draw, seeds = self._draw(None, None, shift, these), range(seed, seed + len(latents))
        made = generate(self.gan, given, lambda part: SeededNoise(seeds[part], self.device), len(seeds), draw)
        return finish(self.gan, made)

    def latents(self, seeds: Sequence[int], label: Label | None = None) -> Tensor:
        """The latents of these seeds' samples: `[N, L]` or `[N, layers, L]`.

        Raises:
            ValueError: the generator has none; or as `sample`.
        """
        self._latents()
        given = self.given(len(seeds), label)
        with torch.no_grad():
            return self._own_latents(slice(len(seeds)), given, SeededNoise(seeds, self.device))

    def latent_space(self) -> LatentSpace:
        """What the generator's latents are.

        Raises:
            ValueError: it has none.
        """
        return self._latents()

    def draw(self, seeds: range, label: Label | None = None, draw: Draw | None = None, prompt: str | None = None) -> Tensor:
        """Samples as the generator gives them: images float32 `[N, C, H, W]` in [-1, 1]."""
        given = self.given(len(seeds), label, prompt)
        return generate(self.gan, given, lambda part: SeededNoise(seeds[part], self.device), len(seeds), draw)

    def given(self, n: int, label: Label | None, prompt: str | None = None) -> Batch:
        """What the generator must be given for `n` samples.

        Raises:
            ValueError: a label that it does not have, no prompt or one of which it knows no word, or it must be given more.
        """
        if "source" in self.gan.given:
            raise ValueError(
                "this generator makes pictures from pictures, or sounds from spectra: use zerosum upscale, restore, translate, "
                "colour, inpaint or vocode"
            )
        if label is not None and "label" not in self.gan.given:
            Labels().encode(label)
        if isinstance(self.gan, HasPrompts):
            return {key: value.expand(n, -1) for key, value in self._read_prompt(prompt).items()}
        if prompt is not None:
            raise ValueError(f"prompt {prompt!r} given, but this generator was trained without captions; leave the prompt out")
        if "label" not in self.gan.given:
            return {}
        return {"label": label_rows(self.card.labels, n, label).to(self.device)}

    def read(self, texts: Sequence[str]) -> Batch:
        """Texts as a generator of texts is given them; without a sentence encoder, words that it does not know are left out.

        Raises:
            ValueError, ImportError: as `data.sentences.find_sentence_encoder`.
        """
        captions = self.card.captions
        assert captions is not None
        if captions.encoder:
            encoder = find_sentence_encoder(captions.encoder, captions.encoder_sha256)
            return {"sentence": torch.from_numpy(encoder(texts)).to(self.device)}
        return {"caption": torch.tensor([captions.numbers(text) for text in texts], device=self.device)}

    def _read_prompt(self, prompt: str | None) -> Batch:
        captions = self.card.captions
        assert captions is not None
        if prompt is None:
            raise ValueError(f"this generator makes images of a text: give a prompt, such as {captions.example!r}")
        for word, near in captions.unknown(prompt).items():
            hint = f"; known are {', '.join(near)}" if near else ""
            log.warning("%r of the prompt %r was in no caption and is left out%s", word, prompt, hint)
        return self.read([prompt])

    def _noise(self, seeds: Sequence[int]) -> SeededNoise:
        return SeededNoise(seeds, self.device)

    def _wording(self, n: int, temperature: float | None, prefix: str) -> Batch:
        """How texts are to be written, where something is asked for.

        Raises:
            ValueError: no text is made; a temperature that is not above 0; a prefix that is too long or of unknown tokens.
        """
        vocabulary, wording = self.card.vocabulary, Batch()
        if temperature is None and not prefix:
            return wording
        if vocabulary is None or self.gan.makes != "tokens":
            raise ValueError("temperature and prefix are for generators of text, which this is not: leave them out")
        if temperature is not None:
            if not 0 < temperature < float("inf"):
                raise ValueError(f"a temperature must be above 0, not {temperature}; 1 is as it was trained")
            wording["temperature"] = torch.full((n,), temperature, device=self.device)
        if prefix:
            try:
                tokens = vocabulary.encode(prefix)
            except ValueError as error:
                raise ValueError(f"prefix {prefix!r}: {error}") from None
            if len(tokens) >= (length := self.gan.shapes["tokens"][0]):
                raise ValueError(f"prefix {prefix!r} has {len(tokens)} tokens, and whole texts have {length}: shorten it")
            wording["prefix"] = torch.tensor([tokens] * n, device=self.device).reshape(n, -1)
        return wording

    def _given_alike(self, n: int, label: Label | None, prompt: str | None = None) -> Batch:
        given = self.given(1, label, prompt)
        return {key: value.expand(n, *value.shape[1:]) for key, value in given.items()}

    def _own_latents(self, part: slice, given: Batch, noise: Noise) -> Tensor:
        assert isinstance(self.gan, HasLatents)
        return self.gan.latents(given, noise)

    def _latents(self, what: str = "changed") -> LatentSpace:
        if not isinstance(self.gan, HasLatents):
            raise ValueError(
                f"this generator ({type(self.gan).__name__}) has no latents that can be {what}: its family does not show them"
            )
        return space_of(self.gan, self.device)

    def _draw(
        self, truncation: float | None, truncation_layers: int | None, shift: Tensor | None, draw: Draw | None = None
    ) -> Draw | None:
        """How latents are drawn and changed; None: as the generator does by itself."""
        if truncation is None and truncation_layers is not None:
            raise ValueError("truncation_layers says which layers are truncated: give truncation too")
        if truncation is None and shift is None:
            return draw
        gan, space = self.gan, self._latents("moved" if truncation is None else "truncated")
        assert isinstance(gan, HasLatents)
        if truncation is not None:
            check_truncation(space, truncation, truncation_layers)
        if shift is not None and tuple(shift.shape) not in (space.shape, space.shape[-1:]):
            raise ValueError(f"a shift of these latents must be {list(space.shape)}, not {list(shift.shape)}")
        first = draw or self._own_latents

        def changed(part: slice, given: Batch, noise: Noise) -> Tensor:
            latents = first(part, given, noise)
            if truncation is not None:
                latents = gan.truncate(latents, truncation, truncation_layers)
            return latents if shift is None else latents + shift.to(latents)

        return changed


def label_rows(labels: Labels, n: int, label: Label | None) -> Tensor:
    """`n` label vectors `[N, L]`: all of one label, or of every class in turn.

    Raises:
        ValueError: an unknown label, or None where labels are columns.
    """
    if label is None:
        if labels.columns:
            wanted = ",".join(f"{column.name}=VALUE" for column in labels.columns)
            raise ValueError(f"this generator is conditioned on columns: give a label, {wanted}")
        return torch.eye(labels.width)[torch.arange(n) % labels.width]
    return torch.tensor([labels.encode(label)] * n)


@torch.inference_mode()
def generate(gan: GAN, given: Batch, noise: Callable[[slice], Noise], n: int, draw: Draw | None = None) -> Tensor:
    """`n` samples, made `BATCH` at a time.

    Args:
        noise: gives that of a slice of the samples.
        draw: gives the latents of a slice where they are not what the generator draws by itself.
    """
    made = []
    for part in (slice(start, min(start + BATCH, n)) for start in range(0, n, BATCH)):
        own, source = {key: value[part] for key, value in given.items()}, noise(part)
        if draw is None:
            made.append(gan.sample(own, source))
        else:
            assert isinstance(gan, HasLatents)
            made.append(gan.synthesise(draw(part, own, source), own, source))
    return torch.cat(made)


def finish(gan: GAN, samples: Tensor, vocabulary: Vocabulary | None = None) -> Samples:
    """Samples as a user wants them: images as pixels uint8 `[N, H, W, C]`, texts as `[N]`, the others as float32.

    Args:
        vocabulary: of tokens.
    """
    if vocabulary is not None and not samples.is_floating_point():
        return np.array([vocabulary.decode(row) for row in samples.tolist()])
    return to_pixels(samples) if samples.dim() == 4 else samples.cpu().numpy()
