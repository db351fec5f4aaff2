"""Where a generator's randomness comes from: torch's own stream in training, one stream per sample when sampling."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Distribution = Literal["normal", "uniform"]


class Noise(ABC):
    """A source of `len(noise)` independent samples' randomness."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def normal(self, *shape: int) -> Tensor:
        """Standard normal values, float32 `[N, *shape]`."""

    @abstractmethod
    def uniform(self, *shape: int) -> Tensor:
        """Values uniform in [-1, 1), float32 `[N, *shape]`."""

    def latent(self, distribution: Distribution, size: int) -> Tensor:
        """A latent `[N, size]` from the named distribution."""
        return self.normal(size) if distribution == "normal" else self.uniform(size)


class FreshNoise(Noise):
    """Noise from torch's global stream, which the training loop seeds before every play."""

    def __init__(self, num_samples: int, device: torch.device | str = "cpu") -> None:
        self.num_samples = num_samples
        self.device = device

    def __len__(self) -> int:
        return self.num_samples

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.num_samples, *shape, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(self.num_samples, *shape, device=self.device) * 2 - 1


class SeededNoise(Noise):
    """One stream per sample: a sample is a function of its seed alone, whatever the batch size or device.

    Raises:
        ValueError: a seed that does not fit into 64 bits.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        if not all(-(2**63) <= seed < 2**63 for seed in seeds):
            raise ValueError(f"a seed must lie between -2^63 and 2^63 - 1: seeds {seeds[0]} to {seeds[-1]} do not")
        self.streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.device = device

    def __len__(self) -> int:
        return len(self.streams)

    def normal(self, *shape: int) -> Tensor:
        return self._stack(lambda stream: torch.randn(shape, generator=stream))

    def uniform(self, *shape: int) -> Tensor:
        return self._stack(lambda stream: torch.rand(shape, generator=stream) * 2 - 1)

    def _stack(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([draw(stream) for stream in self.streams]).to(self.device)


class BlendedNoise(Noise):
    """Noise on the way from one source to another: spherical for normal values, linear for uniform ones.

    Args:
        start, end: two sources of the same length.
        share: the way gone in [0, 1] for every sample, `[N]`.
    """

    def __init__(self, start: Noise, end: Noise, share: Tensor) -> None:
        if not len(start) == len(end) == len(share):
            raise ValueError(f"blended noise needs equal lengths, got {len(start)}, {len(end)} and {len(share)}")
        self.start, self.end, self.share = start, end, share

    def __len__(self) -> int:
        return len(self.start)

    def normal(self, *shape: int) -> Tensor:
        # Variance preserving: cos^2 + sin^2 = 1, and high-dimensional draws are nearly orthogonal (White 2016, sec. 2.1).
        angle = self._column(shape) * torch.pi / 2
        return angle.cos() * self.start.normal(*shape) + angle.sin() * self.end.normal(*shape)

    def uniform(self, *shape: int) -> Tensor:
        return torch.lerp(self.start.uniform(*shape), self.end.uniform(*shape), self._column(shape))

    def _column(self, shape: tuple[int, ...]) -> Tensor:
        return self.share.reshape(-1, *(1 for _ in shape))


class KeptNoise(Noise):
    """Noise that is drawn once and given again after `rewind`, in the order in which it was asked for.

    `drawn` shows what was asked for: ("normal" or "uniform", values) in order.
    """

    def __init__(self, source: Noise) -> None:
        self.source = source
        self.drawn: list[tuple[Distribution, Tensor]] = []
        self.place = 0

    def __len__(self) -> int:
        return len(self.drawn[0][1]) if self.drawn else len(self.source)

    def normal(self, *shape: int) -> Tensor:
        return self._next("normal", shape)

    def uniform(self, *shape: int) -> Tensor:
        return self._next("uniform", shape)

    def rewind(self, place: int = 0) -> None:
        """Go back to before the draw of that number."""
        self.place = place

    def _next(self, kind: Distribution, shape: tuple[int, ...]) -> Tensor:
        if self.place == len(self.drawn):
            self.drawn.append((kind, self.source.normal(*shape) if kind == "normal" else self.source.uniform(*shape)))
        found, values = self.drawn[self.place]
        assert found == kind, "noise is asked for in another order than before"
        assert values.shape[1:] == shape, "noise is asked for in another order than before"
        self.place += 1
        return values


class SilentNoise(Noise):
    """No noise, for samples in which nothing is random."""

    def __init__(self, num_samples: int) -> None:
        self.num_samples = num_samples

    def __len__(self) -> int:
        return self.num_samples

    def normal(self, *shape: int) -> Tensor:
        raise AssertionError("nothing here is random")

    uniform = normal


def truncated(values: Tensor, distribution: Distribution, threshold: float) -> Tensor:
    """Values of that distribution as values of the same distribution cut off at +-threshold, in the same order.

    Normal values become those of a truncated normal, F^-1(F(-t) + F(z) (F(t) - F(-t))), which is what drawing again until
    |z| < t gives (Brock et al. 2019, sec. 3.1), as a smooth function of z.

    Raises:
        ValueError: the threshold is not above 0.
    """
    if threshold <= 0:
        raise ValueError(f"a latent is truncated at a value above 0, not {threshold}")
    if distribution == "uniform":
        return values * min(threshold, 1.0)
    low = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64, device=values.device))
    share = low + torch.special.ndtr(values.double()) * (1 - 2 * low)
    cut: Tensor = torch.special.ndtri(share).clamp(-threshold, threshold).to(values.dtype)
    return cut


def seed_stream(seed: int, device: torch.device) -> None:
    """Seed torch's own stream on one device; `torch.manual_seed` visits every kind of device and takes a millisecond."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    torch.default_generator.manual_seed(seed)


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that is a fixed function of its parts and looks unrelated for any two different lists of them."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
