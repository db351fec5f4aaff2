from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from zerosum.gans import cyclegan
from zerosum.noise import SilentNoise

GOLDEN = Path(__file__).parents[1] / "golden" / "cyclegan.safetensors"
SMALL = {"width": 4, "blocks": 1, "discriminator_width": 4, "layers": 1}


def shapes(side: int = 16) -> dict[str, tuple[int, ...]]:
    return {"a": (3, side, side), "b": (3, side, side)}


def batch(n: int = 2) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {key: torch.rand(n, *shape) * 2 - 1 for key, shape in shapes().items()}


def part(golden: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in golden.items() if key.startswith(prefix)}


def test_golden_parity() -> None:
    golden = load_file(GOLDEN)
    gan = cyclegan.CycleGAN(cyclegan.Config(width=4, discriminator_width=4, cycle=0, identity=0), shapes(64))
    for network in gan.generators.values():
        network.load_state_dict(part(golden, "weights.G."))
    for network in gan.discriminators.values():
        network.load_state_dict(part(golden, "weights.D."))
    source = golden["io.x"]
    for make in (gan.sample, gan.reverse):
        made = make({"source": source}, SilentNoise(2))
        torch.testing.assert_close(made, golden["io.g"], rtol=1e-4, atol=1e-5)
    scores = gan.discriminators["b"](source)
    torch.testing.assert_close(scores, golden["io.d"], rtol=1e-4, atol=1e-5)
    judged = gan.discriminator_loss({"a": source, "b": source}, 0.0).terms["adversarial_b"]
    torch.testing.assert_close(judged, (golden["io.lsgan_real"] + golden["io.lsgan_fake"]) / 2, rtol=1e-4, atol=1e-5)


def test_losses_are_those_of_the_paper() -> None:
    gan, data = cyclegan.CycleGAN(cyclegan.Config(**SMALL, cycle=3, identity=2), shapes()), batch()  # type: ignore[arg-type]
    there, back = gan.generators["a_to_b"], gan.generators["b_to_a"]
    a, b = data["a"], data["b"]
    expected = {
        "adversarial_a": (gan.discriminators["a"](back(b)) - 1).square().mean(),
        "adversarial_b": (gan.discriminators["b"](there(a)) - 1).square().mean(),
        "cycle_a": 3 * (back(there(a)) - a).abs().mean(),
        "cycle_b": 3 * (there(back(b)) - b).abs().mean(),
        "identity_a": 2 * (back(a) - a).abs().mean(),
        "identity_b": 2 * (there(b) - b).abs().mean(),
    }
    terms = gan.generator_loss(data, 0.0).terms
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    judged = gan.discriminator_loss(data, 0.0).terms["adversarial_a"]
    real, fake = gan.discriminators["a"](a), gan.discriminators["a"](back(b))
    torch.testing.assert_close(judged, ((real - 1).square().mean() + fake.square().mean()) / 2)


@pytest.mark.parametrize("generator", ["resnet", "plain"])
def test_sources_are_changed_by_generators_that_skip(generator: str) -> None:
    config = cyclegan.Config(**SMALL, generator=generator, skip="source")  # type: ignore[arg-type]
    gan, data = cyclegan.CycleGAN(config, shapes()), batch()
    source = data["a"]
    for way, make in (("a_to_b", gan.sample), ("b_to_a", gan.reverse)):
        made = gan.generators[way](source)
        torch.testing.assert_close(make({"source": source}, SilentNoise(2)), (source + 2 * made).clamp(-1, 1))
        for weight in list(gan.generators[way].parameters())[-2:]:
            weight.data.zero_()
        assert torch.equal(make({"source": source}, SilentNoise(2)), source)
    terms = gan.generator_loss(data, 0.0).terms
    assert all(terms[name] == 0 for name in ("cycle_a", "cycle_b", "identity_a", "identity_b"))


def test_the_papers_networks_have_their_sizes() -> None:
    with torch.device("meta"):
        gan = cyclegan.CycleGAN(cyclegan.Config(), shapes(256))
    for generator in gan.generators.values():
        assert sum(weight.numel() for weight in generator.parameters()) == 11_378_179
    for discriminator in gan.discriminators.values():
        assert sum(weight.numel() for weight in discriminator.parameters()) == 2_764_737


def numbered(first: int, count: int) -> Tensor:
    """Pictures that are told apart by their value: exact in 8 bits."""
    return (torch.arange(first, first + count) / 127.5 - 1).reshape(-1, 1, 1, 1)


def numbers(pictures: Tensor) -> list[int]:
    return [round(value) for value in ((pictures + 1) * 127.5).flatten().tolist()]


def test_the_pool_fills_and_then_exchanges_half() -> None:
    torch.manual_seed(0)
    pool = cyclegan.Pool(50, (1, 1, 1))
    for step in range(5):
        assert numbers(pool.mix(numbered(10 * step, 10))) == list(range(10 * step, 10 * step + 10))
        pool.settle()
    assert int(pool.count) == 50
    assert pool.pictures.flatten().tolist() == list(range(50))
    seen = numbers(pool.mix(numbered(50, 200)))
    old = [number for number in seen if number < 50]
    assert 70 <= len(old) <= 130
    assert all(new == number for new, number in zip(seen, range(50, 250), strict=True) if new >= 50)
    pool.settle()
    kept = pool.pictures.flatten().tolist()
    assert len([number for number in kept if number >= 50]) >= 40
    exchanged = {number for number, shown in zip(range(50, 250), seen, strict=True) if shown < 50}
    assert {number for number in kept if number >= 50} <= exchanged


def test_the_pool_is_saved_but_not_sampled_with() -> None:
    gan = cyclegan.CycleGAN(cyclegan.Config(**SMALL, pool=3), shapes())
    gan.discriminator_loss(batch(), 0.0)
    gan.turns()[1].project(2)  # type: ignore[misc]
    saved = gan.state_dict()
    assert int(saved["pools.a.count"]) == 2
    assert saved["pools.b.pictures"].dtype == torch.uint8
    assert saved["pools.b.pictures"][:2].any()
    assert not any("pools" in name for name in gan.for_sampling().state_dict())


def test_parts_of_a_batch_fill_the_pool_in_order() -> None:
    pool = cyclegan.Pool(5, (1, 1, 1))
    for first in (0, 3, 6):
        pool.mix(numbered(first, 3))
    assert int(pool.count) == 0
    pool.settle()
    assert pool.pictures.flatten().tolist() == [0, 1, 2, 3, 4]


def test_without_a_pool_new_pictures_are_shown() -> None:
    pool, made = cyclegan.Pool(0, (1, 1, 1)), numbered(0, 3)
    assert pool.mix(made) is made
    pool.settle()


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("generator", ["resnet", "plain"])
def test_both_players_move_the_scores_their_way(generator: str, spectral: bool) -> None:
    torch.manual_seed(0)
    config = cyclegan.Config(**SMALL, generator=generator, spectral=spectral, cycle=0, identity=0, pool=0)  # type: ignore[arg-type]
    gan = cyclegan.CycleGAN(config, shapes())
    for player, loss in (("discriminators", gan.discriminator_loss), ("generators", gan.generator_loss)):
        optimiser, values = torch.optim.Adam(gan.players()[player].parameters(), 1e-3), []
        for _ in range(8):
            optimiser.zero_grad()
            terms = loss(batch(), 0.0).terms
            assert set(terms) == {"adversarial_a", "adversarial_b"}
            total = torch.stack(list(terms.values())).sum()
            values.append(total.item())
            total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        assert values[-1] < values[0]


def test_wrong_settings_and_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="set data.kind unpaired"):
        cyclegan.CycleGAN(cyclegan.Config(), {"image": (3, 32, 32)})
    with pytest.raises(ValueError, match="must be of one size"):
        cyclegan.CycleGAN(cyclegan.Config(), {"a": (3, 32, 32), "b": (3, 64, 64)})
    with pytest.raises(ValueError, match="gan.identity and gan.skip source need .* but a and b have 3 and 1: set data.colour"):
        cyclegan.CycleGAN(cyclegan.Config(), {"a": (3, 32, 32), "b": (1, 32, 32)})
    with pytest.raises(ValueError, match="or gan.identity 0 and gan.skip none"):
        cyclegan.CycleGAN(cyclegan.Config(identity=0.0, skip="source"), {"a": (3, 32, 32), "b": (1, 32, 32)})
    with pytest.raises(ValueError, match="need 24 pixels a side, but data.resolution is 16: choose fewer gan.layers"):
        cyclegan.CycleGAN(cyclegan.Config(), shapes(16))
    with pytest.raises(ValueError, match="divisible by 4, not 34"):
        cyclegan.CycleGAN(cyclegan.Config(), shapes(34))
