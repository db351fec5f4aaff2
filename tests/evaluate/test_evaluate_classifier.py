"""The small classifier learns, and tells generated images that teach from those that do not."""

import numpy as np
import pytest
import torch

from zerosum.data import Images, open_data
from zerosum.evaluate.classifier import (
    AccuracyScore,
    Labelled,
    Lift,
    accuracy_score,
    augmentation_lift,
    draw_each,
    train_classifier,
)
from zerosum.recipe import Data

CLASSES = 4


def garments(resolution: int) -> Labelled:
    dataset = open_data(Data(path="fashion", resolution=resolution))
    assert isinstance(dataset, Images)
    assert dataset.labels is not None
    chosen = np.flatnonzero(dataset.labels < CLASSES)[:1600]
    return Labelled(np.array(dataset.images[chosen]), dataset.labels[chosen])


def part(of: Labelled, positions: slice) -> Labelled:
    return Labelled(of.images[positions], of.labels[positions])


@pytest.fixture(scope="module")
def small() -> dict[str, Labelled]:
    """Garments at 8 pixels: held-out ones, real ones, and stand-ins for generated ones, good and useless."""
    every = garments(8)
    good, test = part(every, slice(400, 1000)), part(every, slice(1000, 1600))
    noise = np.random.default_rng(0).integers(0, 256, good.images.shape, np.uint8)
    return {"real": part(every, slice(400)), "good": good, "useless": Labelled(noise, good.labels), "test": test}


def test_it_learns_and_is_a_function_of_the_seed(small: dict[str, Labelled]) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (train_classifier(small["real"], CLASSES, seed, steps=60) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.accuracy(small["test"]) > 0.8
    weights = [torch.cat([p.flatten() for p in one.network.parameters()]) for one in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    named = first(small["test"].images)
    assert named.shape == (600,)
    assert first.accuracy(small["test"]) == (named == small["test"].labels).mean()


@pytest.mark.parametrize("resolution", [9, 40])
def test_any_resolution_and_very_few_images(resolution: int) -> None:
    few = garments(resolution).draw(1, seed=0)
    assert sorted(few.labels) == [0, 1, 2, 3]
    assert train_classifier(few, CLASSES, steps=20).accuracy(few) > 0.5


def test_colour() -> None:
    """Two classes that differ in colour alone."""
    labels = np.arange(40) % 2
    images = np.zeros((40, 3, 8, 8), np.uint8)
    images[np.arange(40), labels * 2] = 200
    assert train_classifier(Labelled(images, labels), 2, steps=20).accuracy(Labelled(images, labels)) == 1


def test_accuracy_score(small: dict[str, Labelled]) -> None:
    good = accuracy_score(small["real"], small["good"], small["test"], CLASSES, num_seeds=2, steps=120)
    useless = accuracy_score(small["real"], small["useless"], small["test"], CLASSES, num_seeds=2, steps=120)
    assert good.real == useless.real
    assert good.per_class == small["real"].counts(CLASSES).min()
    assert useless.value < 0.5 < 0.75 < good.value
    assert good.value == pytest.approx(np.mean(good.real), abs=0.05)
    assert good.interval[0] < good.value < good.interval[1]


def test_lift(small: dict[str, Labelled]) -> None:
    wrong = Labelled(small["good"].images, (small["good"].labels + 1) % CLASSES)
    helped, harmed = (
        augmentation_lift(small["real"], fake, small["test"], CLASSES, real_per_class=1, steps=120)
        for fake in (small["good"], wrong)
    )
    assert helped.without == harmed.without
    assert len(set(helped.without)) > 1
    assert helped.interval[0] > 0
    assert harmed.interval[1] < 0
    assert "helps here (3 seeds)" in helped.sentence()
    assert "does harm here" in harmed.sentence()


def test_the_sentence_may_say_no() -> None:
    lift = Lift((0.7, 0.71, 0.72), (0.69, 0.73, 0.72), 20, 500)
    assert lift.value == pytest.approx(0.01 / 3)
    assert lift.interval[0] < 0 < lift.interval[1]
    assert lift.sentence() == (
        "0.710 with 20 real images per class, 0.713 with 500 generated ones more: does not help here (3 seeds)"
    )
    assert AccuracyScore((0.5, 0.7), (0.9, 0.9), 10).value == pytest.approx(0.6)


def test_draws_are_balanced_and_without_repetition() -> None:
    labels = np.repeat([0, 1, 2], [50, 20, 5])
    chosen = draw_each(labels, 10, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [10, 10, 5]
    assert len(set(chosen.tolist())) == 25
    assert set(chosen.tolist()) != set(draw_each(labels, 10, seed=2).tolist())


def test_refusals(small: dict[str, Labelled]) -> None:
    real, test, images = small["real"], small["test"], small["real"].images
    with pytest.raises(ValueError, match="at least 8 x 8 pixels, not 7 x 8"):
        Labelled(images[:, :, :7], real.labels)
    with pytest.raises(ValueError, match="images must be uint8"):
        Labelled(images.astype(np.float32), real.labels)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one per example"):
        Labelled(images, real.labels[1:])
    with pytest.raises(ValueError, match="class numbers below 3"):
        train_classifier(real, 3)
    with pytest.raises(ValueError, match="no generated images of class 0"):
        accuracy_score(real, Labelled(images, np.ones(len(images), int)), test, CLASSES)
    with pytest.raises(ValueError, match="held-out images have class 7, but there are 4 classes"):
        accuracy_score(real, real, Labelled(images, np.full(len(images), 7)), CLASSES)
    colour = Labelled(images.repeat(3, axis=1), real.labels)
    with pytest.raises(ValueError, match=r"held-out ones are \[3, 8, 8\]: prepare them alike"):
        accuracy_score(real, real, colour, CLASSES)
    with pytest.raises(ValueError, match="at least 3 seeds, not 2"):
        augmentation_lift(real, real, test, CLASSES, real_per_class=2, num_seeds=2)
    with pytest.raises(ValueError, match="500 real images per class are asked for"):
        augmentation_lift(real, real, test, CLASSES, real_per_class=500)
