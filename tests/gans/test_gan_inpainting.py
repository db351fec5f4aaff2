from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, elu

from zerosum.data.feed import to_float
from zerosum.data.holes import as_source, draw_hole
from zerosum.gans import inpainting
from zerosum.noise import SilentNoise
from zerosum.pictures import to_pixels

SMALL: dict[str, Any] = {"width": 4, "dilations": (2,), "discriminator_width": 4, "layers": 2}
NETWORKS: list[dict[str, Any]] = [{"skip": "none"}, {"skip": "smooth"}, {"skip": "smooth", "network": "plain"}]


def shapes(channels: int = 3, side: int = 32) -> dict[str, tuple[int, ...]]:
    return {"source": (channels + 1, side, side), "target": (channels, side, side)}


def pixels(n: int = 4, channels: int = 3, side: int = 32) -> tuple[Tensor, Tensor]:
    """Pictures uint8 and their holes."""
    stream = np.random.default_rng(0)
    holes = np.stack([draw_hole(side, side, "mixed", stream) for _ in range(n)])[:, None]
    pictures = stream.integers(0, 256, (n, channels, side, side), np.uint8)
    return torch.from_numpy(pictures), torch.from_numpy(holes)


def batch(n: int = 4, channels: int = 3) -> dict[str, Tensor]:
    pictures, holes = pixels(n, channels)
    return {"source": to_float(as_source(pictures, holes)), "target": to_float(pictures)}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_known_pixels_are_kept_bit_for_bit(channels: int, network: dict[str, Any]) -> None:
    gan = inpainting.Inpainting(inpainting.Config(**SMALL, **network), shapes(channels))
    pictures, holes = pixels(16, channels)
    assert len(pictures.unique()) == 256
    made = torch.from_numpy(to_pixels(gan.sample({"source": to_float(as_source(pictures, holes))}, SilentNoise(16))))
    made = made.permute(0, 3, 1, 2)
    assert torch.equal(made.masked_fill(holes, 0), pictures.masked_fill(holes, 0))
    assert not torch.equal(made, pictures)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_lies_in_the_hole_is_not_looked_at(network: dict[str, Any]) -> None:
    gan = inpainting.Inpainting(inpainting.Config(**SMALL, **network), shapes())
    data = batch()
    other = data["source"].clone()
    other[:, :3] = torch.where(other[:, 3:] > 0, other[:, :3], torch.rand_like(other[:, :3]))
    one, two = (gan.sample({"source": source}, SilentNoise(4)) for source in (data["source"], other))
    assert torch.equal(one, two)


def test_a_gated_convolution_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    gated, maps = inpainting.GatedConv(3, 5, 3, stride=2, dilation=1), torch.randn(2, 3, 8, 8)
    weight, bias = gated.conv.weight, gated.conv.bias
    assert bias is not None
    features, gates = (conv2d(maps, weight[part], bias[part], 2, 1) for part in (slice(5), slice(5, 10)))
    torch.testing.assert_close(gated(maps), elu(features) / (1 + torch.exp(-gates)))
    assert inpainting.GatedConv(3, 5, 3, dilation=4)(maps).shape == (2, 5, 8, 8)


def attended(maps: Tensor, holes: Tensor) -> Tensor:
    """Contextual attention of one picture, place by place."""
    channels, height, width = maps.shape
    rows, columns = height // 2, width // 2
    small, ring = torch.zeros(channels, rows + 2, columns + 2), torch.zeros(rows + 2, columns + 2)
    small[:, 1:-1, 1:-1], ring[1:-1, 1:-1] = maps[:, ::2, ::2], holes[0, ::2, ::2]
    places = [(row, column) for row in range(rows) for column in range(columns)]
    patches = [small[:, row : row + 3, column : column + 3] for row, column in places]
    scores = torch.tensor([[float((b / b.norm() * f).sum()) for f in patches] for b in patches])

    def shifted(values: Tensor, order: list[tuple[int, int]]) -> Tensor:
        index = [places.index(place) for place in order]
        ordered = values[index][:, index]
        total = ordered.clone()
        total[1:, 1:] += ordered[:-1, :-1]
        total[:-1, :-1] += ordered[1:, 1:]
        back = [index.index(number) for number in range(len(index))]
        return total[back][:, back]

    scores = shifted(scores, places)
    scores = shifted(scores, [(row, column) for column in range(columns) for row in range(rows)])
    usable = torch.tensor([bool(ring[row : row + 3, column : column + 3].sum() == 0) for row, column in places])
    weights = scores.mul(10)[usable].softmax(0)
    around = torch.nn.functional.pad(maps, (1, 1, 1, 1))
    whole = torch.zeros_like(around)
    for number, (row, column) in enumerate(places):
        for weight, place in zip(weights[:, number], usable.nonzero().flatten(), strict=True):
            r, c = places[int(place)]
            patch = around[:, 2 * r : 2 * r + 4, 2 * c : 2 * c + 4]
            whole[:, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += weight * patch / 4
    return whole[:, 1:-1, 1:-1]


def test_attention_place_by_place() -> None:
    maps, holes = torch.rand(2, 3, 10, 12), torch.zeros(2, 1, 10, 12)
    holes[0, :, 2:5, 3:6] = 1
    found = inpainting.attend(maps, holes)
    for number in range(2):
        torch.testing.assert_close(found[number], attended(maps[number], holes[number]))
    assert inpainting.attend(torch.rand(1, 3, 5, 7), torch.zeros(1, 1, 5, 7)).shape == (1, 3, 5, 7)
    assert torch.equal(inpainting.attend(maps, torch.ones_like(holes)), torch.zeros_like(maps))


def test_a_smooth_filling_spreads_what_is_known() -> None:
    pictures, known = torch.rand(3, 2, 11, 13), torch.ones(3, 1, 11, 13)
    known[0, :, 2:9, 3:], known[1, :, :, 1:] = 0, 0
    filled = inpainting.smooth_fill(pictures, known)
    assert torch.equal(filled[2], pictures[2])
    assert torch.equal(filled * known, pictures * known)
    for number in range(3):
        inside = pictures[number][:, known[number, 0] > 0]
        assert filled[number].amin() >= inside.amin() - 1e-6
        assert filled[number].amax() <= inside.amax() + 1e-6
        alone = inpainting.smooth_fill(pictures[number : number + 1], known[number : number + 1])
        torch.testing.assert_close(filled[number : number + 1], alone)
    flat = inpainting.smooth_fill(torch.full((1, 1, 9, 9), 0.3), known[:1, :, :9, :9])
    torch.testing.assert_close(flat, torch.full_like(flat, 0.3))
    assert torch.equal(inpainting.smooth_fill(pictures, torch.zeros_like(known)), torch.zeros_like(pictures))


def test_losses_are_those_of_the_paper() -> None:
    gan, data = inpainting.Inpainting(inpainting.Config(**SMALL, l1=2.0), shapes()).eval(), batch()
    known = (data["source"][:, 3:] > 0).float()
    coarse, fine = gan.generator(data["source"][:, :3], known)
    whole = fine * (1 - known) + data["source"][:, :3] * known
    torch.testing.assert_close(whole, gan.sample(data, SilentNoise(4)))
    real, fake = gan.discriminator(data["target"], known), gan.discriminator(whole, known)
    assert real.shape == (4, 8, 8, 8)
    terms = gan.generator_loss(data, 0.0).terms
    torch.testing.assert_close(terms["adversarial"], -fake.mean())
    difference = (coarse - data["target"]).abs().mean() + (fine - data["target"]).abs().mean()
    torch.testing.assert_close(terms["l1"], 2 * difference)
    judged = gan.discriminator_loss(data, 0.0).terms["adversarial"]
    torch.testing.assert_close(judged, (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean())


def test_the_papers_generator_has_its_size() -> None:
    with torch.device("meta"):
        gan = inpainting.Inpainting(inpainting.Config(), shapes(side=256))
    assert round(sum(weight.numel() for weight in gan.generator.parameters()) / 1e6, 1) == 4.1


@pytest.mark.parametrize("network", NETWORKS)
def test_both_players_move_the_scores_their_way(network: dict[str, Any]) -> None:
    torch.manual_seed(0)
    gan = inpainting.Inpainting(inpainting.Config(**SMALL, **network, l1=0.0), shapes())
    for player, loss in (("discriminator", gan.discriminator_loss), ("generator", gan.generator_loss)):
        optimiser, values = torch.optim.Adam(gan.players()[player].parameters(), 1e-3), []
        for _ in range(8):
            optimiser.zero_grad()
            term = loss(batch(), 0.0).terms["adversarial"]
            values.append(term.item())
            term.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        assert values[-1] < values[0]


def test_short_runs_start_from_the_smooth_filling() -> None:
    gan, data = inpainting.Inpainting(inpainting.Config(**SMALL, refine=False, skip="smooth"), shapes()), batch()
    known = (data["source"][:, 3:] > 0).float()
    torch.testing.assert_close(gan.sample(data, SilentNoise(4)), inpainting.smooth_fill(data["source"][:, :3], known))


@pytest.mark.parametrize("network", NETWORKS[1:])
def test_to_the_smooth_filling_is_added_in_the_hole_alone(network: dict[str, Any]) -> None:
    gan, source = inpainting.Inpainting(inpainting.Config(**SMALL, **network), shapes()), batch()["source"]
    for weights in gan.generator.parameters():
        torch.nn.init.normal_(weights, 0.0, 0.3)
    pictures, known = source[:, :3], inpainting.known_of(source)
    for made in gan.generator(pictures, known):
        assert ((made - inpainting.smooth_fill(pictures, known)).abs() > 0.1).any()
        torch.testing.assert_close(made * known, pictures * known, rtol=0, atol=0)


def test_wrong_settings_and_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="set data.kind inpainting"):
        inpainting.Inpainting(inpainting.Config(), {"image": (3, 32, 32)})
    with pytest.raises(ValueError, match="set data.kind inpainting"):
        inpainting.Inpainting(inpainting.Config(), {"source": (3, 32, 32), "target": (3, 32, 32)})
    with pytest.raises(ValueError, match="must be divisible by 4, not 30"):
        inpainting.Inpainting(inpainting.Config(), shapes(side=30))
    with pytest.raises(ValueError, match="gan.network plain needs gan.skip smooth"):
        inpainting.Config(network="plain")
    with pytest.raises(ValueError, match="gan.width must be even, .* not 5"):
        inpainting.Config(width=5)
    with pytest.raises(ValueError, match=r"dilations\[1\] must be above 0"):
        inpainting.Config(dilations=(2, 0))
