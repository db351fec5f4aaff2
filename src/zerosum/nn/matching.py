"""Two small encoders, of captions and of images, that learn which belong together: the sentence part of DAMSM (Xu et al. 2018).

The text's side is then what a text-to-image generator is given; the image's side has done its work.
"""

from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize

SLOPE = 0.2
"""Of all leaky rectifiers."""


class WordEncoder(nn.Module):
    """Captions as vectors: embeddings of the words, each seen with its neighbours, averaged.

    Args:
        num_words: how many numbers words may be, 0 among them, which fills captions up.
        width: of the embeddings.
        size: D, the length of a caption's vector.
    """

    def __init__(self, num_words: int, width: int, size: int) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, width)
        self.neighbours = nn.Conv1d(width, width, 3, padding=1)
        self.end = nn.Linear(width, size)

    def forward(self, captions: Tensor) -> Tensor:
        """Numbers of words `[N, T]`, 0 where there is none -> vectors `[N, D]` of length sqrt(D)."""
        there = (captions > 0).unsqueeze(2).to(self.words.weight.dtype)
        embedded = self.words(captions) * there
        seen = embedded + leaky_relu(self.neighbours(embedded.transpose(1, 2)), SLOPE).transpose(1, 2)
        mean = (seen * there).sum(1) / there.sum(1).clamp(min=1)
        return spread(self.end(mean))


class VectorEncoder(nn.Module):
    """Vectors of a frozen sentence encoder, projected."""

    def __init__(self, given: int, size: int) -> None:
        super().__init__()
        self.end = nn.Linear(given, size)

    def forward(self, vectors: Tensor) -> Tensor:
        """`[N, given]` -> vectors `[N, D]` of length sqrt(D)."""
        return spread(self.end(vectors))


class ImageEncoder(nn.Module):
    """Images as vectors of the same kind: strided convolutions down to 4x4, the mean over the places, a projection.

    Args:
        channels, resolution: of the images.
        width: channels of the first map; they double up to 8 times.
        size: D.
    """

    def __init__(self, channels: int, resolution: int, width: int, size: int) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(resolution.bit_length() - 3)]
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(1, after), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.end = nn.Linear(widths[-1], size)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, C, H, W]` -> vectors `[N, D]` of length sqrt(D)."""
        return spread(self.end(self.layers(images).mean((2, 3))))


def spread(vectors: Tensor) -> Tensor:
    """Vectors `[N, D]` brought to the length sqrt(D), that of standard normal ones."""
    apart: Tensor = normalize(vectors, dim=1) * vectors.shape[1] ** 0.5
    return apart


def same_texts(texts: Tensor) -> Tensor:
    """Which rows `[N, ...]` are equal: bool `[N, N]`."""
    rows = texts.flatten(1)
    same: Tensor = (rows[:, None] == rows[None]).all(2)
    return same
