import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.latent_gans import LATENT, LAYERS, Mute, flat, layered
from torch import Tensor, nn

from zerosum.datacard import Captions, DataCard, Labels
from zerosum.game import GAN, Batch, Turn
from zerosum.latents import LatentSpace, read_layers
from zerosum.noise import Noise
from zerosum.sampling import Sampler, label_rows


class Plain(GAN):
    """A generator that shows its latent and label as grey levels."""

    needs = frozenset({"image", "label"})
    given = frozenset({"label"})

    def players(self) -> dict[str, nn.Module]:
        return {}

    def turns(self) -> list[Turn]:
        return []

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        latent = noise.normal(1, 2, 2).tanh()
        return torch.cat([latent, given["label"].mul(2).sub(1)[:, None, :2, None].expand(-1, -1, -1, 2)], 2)


@pytest.fixture
def sampler() -> Sampler:
    card = DataCard(10, "", {"image": (1, 4, 2), "label": (3,)}, Labels(classes=("a", "b", "c")))
    return Sampler(Plain(card.shapes), card)


def test_samples_are_pixels_and_classes_come_in_turn(sampler: Sampler) -> None:
    samples = sampler.sample(7)
    assert samples.shape == (7, 4, 2, 1)
    assert samples.dtype == np.uint8
    assert [tuple(sample[2:, 0, 0]) for sample in samples[:4]] == [(255, 0), (0, 255), (0, 0), (255, 0)]


def test_batches_change_nothing(sampler: Sampler) -> None:
    many = sampler.sample(130, seed=9, label="b")
    for i in (0, 63, 64, 129):
        assert np.array_equal(sampler.sample(1, seed=9 + i, label=1)[0], many[i])


def test_interpolation_goes_from_seed_to_seed_smoothly(sampler: Sampler) -> None:
    frames = sampler.interpolate(41, seed=3, stops=3, label="a").astype(int)
    for frame, seed in ((0, 3), (20, 4), (40, 5)):
        assert np.abs(frames[frame] - sampler.sample(1, seed=seed, label="a")[0]).max() <= 1
    whole = np.abs(frames[20] - frames[0]).max()
    assert np.abs(np.diff(frames, axis=0)).max() < max(whole, 60) / 2
    assert len(np.unique(sampler.interpolate(5)[:, 2:].reshape(5, -1), axis=0)) == 1, "one class all the way"


@pytest.mark.parametrize(("n", "stops"), [(1, 2), (5, 1)])
def test_interpolation_needs_a_way(sampler: Sampler, n: int, stops: int) -> None:
    with pytest.raises(ValueError, match="at least 2 frames and 2 stops"):
        sampler.interpolate(n, stops=stops)


def test_columns_must_be_told() -> None:
    from zerosum.datacard import Column

    with pytest.raises(ValueError, match="give a label, age=VALUE"):
        label_rows(Labels(columns=(Column("age"),)), 3, None)


def test_truncation_brings_samples_nearer_to_each_other() -> None:
    for sampler, values in ((flat(), (3.0, 1.0, 0.3)), (layered(grain=0), (1.0, 0.6, 0.2))):
        spreads = [sampler.sample(200, truncation=value).std(0).mean() for value in values]
        assert spreads[0] > spreads[1] > spreads[2]
    assert np.array_equal(layered().sample(5, truncation=1.0), layered().sample(5))


def test_truncated_layers_are_the_first() -> None:
    sampler = layered()
    plain, cut = sampler.sample(6, seed=2), sampler.sample(6, seed=2, truncation=0.0, truncation_layers=1)
    assert np.array_equal(plain[:, 2:], cut[:, 2:])
    assert cut[:, :2].astype(float).std(0).mean() < plain[:, :2].astype(float).std(0).mean() / 3


def test_mixing_takes_layers_from_columns_and_the_rest_from_rows() -> None:
    sampler = layered()
    sheet = sampler.mix([3, 0], [7, 8, 9], range(1, 3))
    assert sheet.shape == (3 * 4, 8, 8, 1)
    sheet = sheet.reshape(3, 4, 8, 8)
    assert (sheet[0, 0] == 255).all()
    seeds = {seed: sampler.sample(1, seed=seed)[0, :, :, 0] for seed in (0, 3, 7, 8, 9)}
    for column, seed in enumerate((7, 8, 9), 1):
        assert np.array_equal(sheet[0, column], seeds[seed])
    for row, seed in enumerate((3, 0), 1):
        assert np.array_equal(sheet[row, 0], seeds[seed])
    still = layered(grain=0)
    inside = still.mix([3, 0], [7, 8, 9], range(1, 3)).reshape(3, 4, 8, 8)[1:, 1:]
    for row, own in enumerate((3, 0)):
        for column, other in enumerate((7, 8, 9)):
            mine, theirs = still.sample(1, seed=own)[0, :, :, 0], still.sample(1, seed=other)[0, :, :, 0]
            assert np.array_equal(inside[row, column], np.concatenate([mine[:2], theirs[2:6], mine[6:]]))


def test_a_sweep_has_the_same_latent_in_a_row() -> None:
    sampler = flat(classes=3)
    sheet = sampler.sweep(4, [{"label": name} for name in "abc"], seed=5).reshape(4, 3, 8, 8, 1)
    for column, name in enumerate("abc"):
        assert np.array_equal(sheet[:, column], sampler.sample(4, seed=5, label=name))
    values = (0.5, 2.0)
    truncations = sampler.sweep(2, [{"truncation": value, "label": 1} for value in values]).reshape(2, 2, 8, 8, 1)
    assert np.array_equal(truncations[:, 1], sampler.sample(2, label="b", truncation=2.0))


def test_ways_through_z_are_round_and_through_w_are_straight() -> None:
    for sampler in (flat(), layered()):
        for kind in ("spherical", "linear"):
            frames = sampler.interpolate(5, seed=4, kind=kind).astype(int)
            for frame, seed in ((0, 4), (4, 5)):
                assert np.abs(frames[frame] - sampler.sample(1, seed=seed)[0]).max() <= 1
    assert np.array_equal(flat().interpolate(5), flat().interpolate(5, kind="spherical"))
    assert not np.array_equal(flat().interpolate(5), flat().interpolate(5, kind="linear"))
    assert np.array_equal(layered().interpolate(5), layered().interpolate(5, kind="linear"))
    still = layered(grain=0)
    before = np.arctanh((still.interpolate(3)[:, :, :, 0] / 127.5 - 1).clip(-0.99, 0.99))
    middle = np.abs(before[1]) < 1
    assert np.allclose(before[1][middle], before[[0, 2]].mean(0)[middle], atol=0.05), "half way in w is half way before tanh"


def test_shifts_are_added_and_given_latents_are_used() -> None:
    sampler = layered()
    latents, shift = sampler.latents(range(3, 9)), torch.zeros(LAYERS, LATENT)
    assert latents.shape == (6, LAYERS, LATENT)
    assert np.array_equal(sampler.synthesise(latents, seed=3), sampler.sample(6, seed=3))
    shift[2] = 0.7
    moved = sampler.sample(6, seed=3, shift=shift)
    assert np.array_equal(moved, sampler.synthesise(latents + shift, seed=3))
    assert np.array_equal(moved, sampler.synthesise(latents, seed=3, shift=shift))
    assert np.array_equal(moved[:, :4], sampler.sample(6, seed=3)[:, :4])
    assert not np.array_equal(moved[:, 4:6], sampler.sample(6, seed=3)[:, 4:6])


def mute() -> Sampler:
    sampler = flat()
    return Sampler(Mute(sampler.gan.shapes).for_sampling(), sampler.card)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flat().sample(1, truncation=0.0), "truncation must be above 0: the largest absolute value of z, not 0"),
        (lambda: layered().sample(1, truncation=-0.1), "truncation must be 0 (the mean) to 1"),
        (lambda: layered().sample(1, truncation=float("nan")), "not nan"),
        (lambda: flat().sample(1, truncation=1.0, truncation_layers=2), "one latent for all its layers: leave"),
        (lambda: layered().sample(1, truncation=1.0, truncation_layers=9), "must be from 1 to 4"),
        (lambda: layered().sample(1, truncation_layers=2), "give truncation too"),
        (lambda: flat().sample(1, shift=torch.zeros(7)), "a shift of these latents must be [6], not [7]"),
        (lambda: flat().mix([0], [1], range(1)), "nothing to mix"),
        (lambda: layered().mix([0], [1], range(3, 6)), "layers 3-5 are out of range: this generator has layers 0-3"),
        (lambda: layered().mix([], [1], range(2)), "at least one row, one column and one layer"),
        (lambda: flat().sweep(2, []), "at least one column"),
        (lambda: flat().synthesise(torch.zeros(2, 5)), "latents must be [N, 6] here, not [2, 5]"),
        (lambda: flat(classes=2).synthesise(torch.zeros(2, 6)), "needs the labels of its latents"),
        (lambda: mute().sample(1, truncation=1.0), "(Mute) has no latents that can be truncated"),
        (lambda: mute().interpolate(3, kind="linear"), "no latents that can be interpolated linearly"),
        (lambda: mute().mix([0], [1], range(1)), "no latents that can be mixed"),
    ],
)
def test_what_cannot_be_done_with_latents_is_said(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_a_generator_that_hides_its_latents_is_still_sampled() -> None:
    assert np.array_equal(mute().sample(3), flat().sample(3))
    assert np.array_equal(mute().interpolate(3), flat().interpolate(3))


def test_layers_have_names() -> None:
    assert [read_layers(name, 18) for name in ("coarse", "middle", "fine")] == [range(4), range(4, 8), range(8, 18)]
    for total in range(2, 9):
        parts = [number for name in ("coarse", "middle", "fine") for number in read_layers(name, total)]
        assert parts == list(range(total))
        assert len(read_layers("coarse", total)) >= 1
    assert read_layers("2", 5) == range(2, 3)
    assert read_layers("1-4", 5) == range(1, 5) == read_layers("all", 6)[1:5]
    for text, message in (("3-9", "out of range"), ("3-1", "out of range"), ("top", "write coarse, middle, fine, all")):
        with pytest.raises(ValueError, match=message):
            read_layers(text, 5)


def test_spaces_are_seen_from_how_latents_are_made() -> None:
    assert flat().latent_space() == LatentSpace((LATENT,), "normal")
    assert layered().latent_space() == LatentSpace((LAYERS, LATENT), None)
    assert flat(classes=3).latent_space().distribution == "normal"


class Reader(GAN):
    """A generator that shows how often each of three words was asked for, and its latent."""

    needs, given, reads = frozenset({"image", "caption"}), frozenset({"caption"}), "caption"

    def players(self) -> dict[str, nn.Module]:
        return {}

    def turns(self) -> list[Turn]:
        return []

    def understand(self, given: Batch) -> Tensor:
        return torch.stack([(given["caption"] == word).sum(1) for word in (1, 2, 3)], 1).float()

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        vectors = given["understood"] if "understood" in given else self.understand(given)
        return torch.cat([vectors[:, None, :, None] / 4, noise.normal(1, 1, 1).tanh()], 2)


def reader() -> Sampler:
    card = DataCard(
        9,
        "",
        {"image": (1, 4, 1), "caption": (4,), "words": (4,)},
        captions=Captions(("apple", "green", "red"), 4, "red apple"),
    )
    return Sampler(Reader(card.shapes), card)


def test_prompts_are_read_and_strange_words_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    plain = reader().sample(3, seed=7, prompt="Red, red apple")
    assert plain[:, :3, 0, 0].tolist() == [[159, 128, 191]] * 3, "one apple, no green, two reds"
    assert len(np.unique(plain[:, 3])) == 3, "another seed, another latent"
    assert not caplog.records
    assert np.array_equal(reader().sample(3, seed=7, prompt="red red aple apple"), plain)
    assert caplog.messages == ["'aple' of the prompt 'red red aple apple' was in no caption and is left out; known are apple"]


def test_the_way_between_prompts_is_round_and_goes_through_all_of_them() -> None:
    sampler = reader()
    way = sampler.between(["red", "green", "apple"], 9, seed=4)
    for frame, prompt in ((0, "red"), (4, "green"), (8, "apple")):
        assert np.array_equal(way[frame], sampler.sample(1, seed=4, prompt=prompt)[0])
    assert (way[:, 3] == way[0, 3]).all(), "one latent all the way"
    lengths = np.linalg.norm(way[:, :3, 0, 0] / 127.5 - 1, axis=1) * 4
    assert np.abs(lengths - 1).max() < 0.05
    one = sampler.interpolate(5, seed=2, prompt="green apple")
    assert (one[:, :3] == one[0, :3]).all()
    assert len(np.unique(one[:, 3])) == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reader().sample(1), "this generator makes images of a text: give a prompt, such as 'red apple'"),
        (
            lambda: reader().sample(1, prompt="greeen"),
            "no word of 'greeen' is among the 3 of the captions that were trained on",
        ),
        (lambda: reader().sample(1, prompt="..."), "no word of '...' is among"),
        (lambda: reader().sample(1, prompt="red", label=1), "trained without labels"),
        (lambda: reader().between(["red"], 5), "at least 2 frames and 2 prompts, not 5 and 1"),
        (lambda: reader().between(["red", "xyz"], 5), "no word of 'xyz'"),
        (lambda: flat().sample(1, prompt="red"), "prompt 'red' given, but this generator was trained without captions"),
        (lambda: flat().between(["red", "green"], 5), "prompt 'red' given, but this generator was trained without captions"),
    ],
)
def test_what_cannot_be_done_with_prompts_is_said(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
