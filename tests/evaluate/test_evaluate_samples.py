"""Data sets and generators as examples: what is drawn, what is kept, and whose labels they bear."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import zerosum
from zerosum.data import Images, open_data
from zerosum.datacard import Column, Labels
from zerosum.evaluate.samples import choose, data_examples, generated_examples, recode, take
from zerosum.features import FeatureNetwork, Provenance
from zerosum.recipe import Data
from zerosum.sampling import Sampler

SIZE = Data(path="fashion", resolution=16)


class Counted:
    """Means of rows as features; counts the images it has seen."""

    def __init__(self, name: str = "rows") -> None:
        self.seen = 0
        self.network = FeatureNetwork(Provenance(name, "0" * 64, "the test", "none", "none"), self.embed)

    def embed(self, pixels: Tensor) -> Tensor:
        self.seen += len(pixels)
        return pixels.float().mean((1, 3))


@pytest.fixture(scope="module")
def fashion() -> Images:
    dataset = open_data(SIZE)
    assert isinstance(dataset, Images)
    return dataset


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    return zerosum.train("cgan:tiny", tmp_path_factory.mktemp("evaluate") / "run")


def test_features_are_of_the_chosen_images_and_computed_once(fashion: Images, tmp_path: Path) -> None:
    judge, everything = Counted(), {"labels", "images"}
    first = data_examples(fashion, judge.network, 100, seed=3, needs=everything, cache=tmp_path)
    again = data_examples(fashion, judge.network, 100, seed=3, needs=everything, cache=tmp_path)
    assert judge.seen == 100
    assert np.array_equal(first.features, again.features)
    assert first.images is not None
    assert first.labels is not None
    positions = choose(len(fashion), 100, 3)
    assert len(set(positions)) == 100
    assert np.array_equal(first.images, take(fashion, positions).numpy())
    assert np.allclose(first.features, first.images.mean((1, 3)))
    assert fashion.labels is not None
    assert np.array_equal(first.labels, fashion.labels[positions])


@pytest.mark.parametrize("change", ["seed", "number", "network", "data"])
def test_other_features_are_not_mistaken_for_those_that_are_kept(change: str, fashion: Images, tmp_path: Path) -> None:
    data_examples(fashion, Counted().network, 50, cache=tmp_path)
    judge = Counted("other" if change == "network" else "rows")
    dataset = open_data(replace(SIZE, resolution=8)) if change == "data" else fashion
    assert isinstance(dataset, Images)
    seed, number = int(change == "seed"), 51 if change == "number" else 50
    data_examples(dataset, judge.network, number, seed, cache=tmp_path)
    assert judge.seen == number


def test_a_damaged_file_is_computed_anew(fashion: Images, tmp_path: Path) -> None:
    first = data_examples(fashion, Counted().network, 50, cache=tmp_path)
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-9])
    again = data_examples(fashion, Counted().network, 50, cache=tmp_path)
    assert np.array_equal(first.features, again.features)
    assert np.array_equal(np.load(file), first.features)


def test_a_sample_depends_on_its_seed_and_labels_are_as_frequent_as_in_the_data(sampler: Sampler, fashion: Images) -> None:
    judge, needs = Counted().network, {"labels", "images"}
    samples = generated_examples(sampler, judge, 200, seed=5, like=fashion, needs=needs)
    fewer = generated_examples(sampler, judge, 70, seed=5, like=fashion, needs=needs)
    assert samples.images is not None
    assert fewer.images is not None
    assert samples.labels is not None
    assert np.array_equal(samples.images[:70], fewer.images)
    assert np.bincount(samples.labels).sum() == 200
    assert np.bincount(samples.labels, minlength=10).min() > 5
    alone = sampler.sample(1, seed=5 + 66, label=int(samples.labels[66]))
    assert np.abs(alone[0].transpose(2, 0, 1).astype(int) - samples.images[66]).max() <= 1
    with pytest.raises(ValueError, match="needs data whose labels"):
        generated_examples(sampler, judge, 30)


def fake_labels(monkeypatch: pytest.MonkeyPatch, dataset: Images, values: object, labels: Labels) -> None:
    monkeypatch.setattr(dataset, "labels", np.asarray(values))
    monkeypatch.setattr(dataset, "card", replace(dataset.card, labels=labels))


def test_labels_of_other_data_are_recoded(fashion: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.arange(3)
    fake_labels(monkeypatch, fashion, [0, 1, 0], Labels(classes=("b", "c")))
    assert recode(fashion, first, Labels(classes=("a", "b", "c"))).tolist() == [1, 2, 1]
    with pytest.raises(ValueError, match=r"labels do not fit together: \['c'\] here"):
        recode(fashion, first, Labels(classes=("a", "b")))
    theirs, ours = Labels(columns=(Column("age", 40.0, 10.0),)), Labels(columns=(Column("age", 50.0, 5.0),))
    fake_labels(monkeypatch, fashion, [[1.0], [0.0], [-1.0]], theirs)
    assert torch.from_numpy(recode(fashion, first, ours)).flatten().tolist() == [0.0, -2.0, -4.0]
    with pytest.raises(ValueError, match="do not fit together"):
        recode(fashion, first, Labels(columns=(Column("height"),)))
