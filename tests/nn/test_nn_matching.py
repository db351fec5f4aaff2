import torch
from torch.nn.functional import leaky_relu

from zerosum.nn.matching import ImageEncoder, VectorEncoder, WordEncoder, same_texts, spread


def test_words_are_embedded_seen_with_their_neighbours_and_averaged() -> None:
    """Word by word, in loops, without what fills up."""
    encoder = WordEncoder(9, 5, 7).double()
    captions = torch.tensor([[3, 8, 1, 0, 0], [2, 0, 0, 0, 0]])
    table, kernel, bias = encoder.words.weight, encoder.neighbours.weight, encoder.neighbours.bias
    assert bias is not None
    for numbers, found in zip(([3, 8, 1], [2]), encoder(captions), strict=True):
        total = torch.zeros(5).double()
        for place, number in enumerate(numbers):
            seen = bias.clone()
            for offset in (-1, 0, 1):
                if 0 <= place + offset < len(numbers):
                    seen = seen + kernel[:, :, offset + 1] @ table[numbers[place + offset]]
            total = total + table[number] + leaky_relu(seen, 0.2)
        end = encoder.end(total / len(numbers))
        torch.testing.assert_close(found, end / end.norm() * 7**0.5)


def test_vectors_have_the_length_of_normal_ones() -> None:
    images, words, vectors = ImageEncoder(3, 32, 4, 24), WordEncoder(5, 4, 24), VectorEncoder(6, 24)
    made = (images(torch.randn(3, 3, 32, 32)), words(torch.tensor([[1, 2], [3, 0], [0, 0]])), vectors(torch.randn(3, 6)))
    for found in (*made, spread(torch.randn(3, 24))):
        assert found.shape == (3, 24)
        torch.testing.assert_close(found.square().sum(1), torch.full((3,), 24.0))


def test_images_are_halved_to_four() -> None:
    for side in (8, 16, 64):
        encoder = ImageEncoder(3, side, 2, 6)
        assert encoder.layers(torch.randn(1, 3, side, side)).shape[2:] == (4, 4)


def test_same_texts_are_equal_in_every_place() -> None:
    texts = torch.tensor([[1, 2], [2, 1], [1, 2], [1, 0]])
    assert same_texts(texts).int().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
