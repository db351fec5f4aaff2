"""Real images on both sides without overlap; checks that refuse copies and other classes; advice by the interval."""

from pathlib import Path

import numpy as np
import pytest

from zerosum import features
from zerosum.data import Images, open_data
from zerosum.data.cache import content_hash
from zerosum.datacard import DataCard, Labels
from zerosum.evaluate import classifier
from zerosum.evaluate.classifier import Lift
from zerosum.evaluate.enlarged import acceptance_figure, advice, lift_figure, make_checks, other_real, own_real
from zerosum.recipe import Data


def dataset(folder: Path, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Images:
    folder.mkdir()
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    named = Labels(classes=classes)
    shapes = {"image": images.shape[1:], "label": (len(classes),)}
    card = DataCard(len(images), content_hash(images, named, labels), shapes, named)
    (folder / "card.json").write_text(card.to_json())
    (folder / "skipped.json").write_text("[]")
    return Images(folder)


@pytest.fixture(scope="module")
def garments() -> Images:
    data = open_data(Data(path="fashion", resolution=16))
    assert isinstance(data, Images)
    return data


@pytest.fixture
def sides(garments: Images, tmp_path: Path) -> tuple[Images, Images]:
    """400 garments, and 100 of them with 300 others."""
    assert garments.labels is not None
    classes = garments.card.labels.classes
    parts = enumerate([slice(0, 400), slice(300, 700)])
    made = [dataset(tmp_path / str(number), garments.images[part], garments.labels[part], classes) for number, part in parts]
    return made[0], made[1]


def test_held_out_images_are_none_of_those_that_are_enlarged(sides: tuple[Images, Images]) -> None:
    data, others = sides
    real = other_real(data, others, data.card, "there", 0)
    assert (len(real.train.labels), len(real.test.labels)) == (400, 300)
    assert real.note == "100 of there left out, for they are enlarged"
    own = own_real(data, data.card, 30, "here")
    assert (len(own.train.labels), len(own.test.labels)) == (370, 30)
    assert not {image.tobytes() for image in own.train.images} & {image.tobytes() for image in own.test.images}
    assert "trained on other images" in other_real(data, others, others.card, "there", 0).note


def test_refusals(sides: tuple[Images, Images], tmp_path: Path) -> None:
    data, others = sides
    with pytest.raises(ValueError, match=r"trained on other images than here: .*--against"):
        own_real(others, data.card, 40, "here")
    with pytest.raises(ValueError, match=r"5 of here were held out from training, and at least 24"):
        own_real(data, data.card, 5, "here")
    with pytest.raises(ValueError, match=r"--against here: of 400 images 0 are not among"):
        other_real(data, data, data.card, "here", 0)
    coloured = DataCard(1, "", {"image": (3, 16, 16)}, data.card.labels)
    with pytest.raises(ValueError, match=r"of \[3, 16, 16\], but there are real ones of \[1, 16, 16\]"):
        other_real(data, others, coloured, "there", 0)


def test_checks_refuse_copies_and_other_classes(sides: tuple[Images, Images]) -> None:
    data, others = sides
    real = other_real(data, others, data.card, "there", 0)
    sure, fresh = make_checks(real, features.load("lite0"), 0.5).values()
    shoes, trousers = 9, 1
    mine = real.test.images[real.test.labels == shoes]
    assert sure(mine, shoes).mean() > 0.6
    assert sure(mine, trousers).mean() < 0.1
    assert not fresh(real.train.images[:20], 0).any()
    assert not fresh(real.train.images[:1], 0).any()
    assert fresh(real.test.images, 0).mean() > 0.95


def test_figures_of_what_is_known_to_help_and_of_classes_that_are_missing(
    sides: tuple[Images, Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few real images of three classes, enlarged by many other real ones."""
    monkeypatch.setattr(classifier, "STEPS", 100)
    data, others = sides
    real, classes = other_real(data, others, data.card, "there", 0), np.array([1, 5, 8])
    few = real.train.draw(1, 0)
    real = type(real)(type(few)(few.images[classes], few.labels[classes]), real.test, real.split)
    assert real.classes.tolist() == classes.tolist()
    others_labels = np.asarray(data.labels)
    many = np.isin(others_labels, classes)
    _, figure = lift_figure(real, data.images[many], others_labels[many], 3, 0, "others")
    assert figure.interval is not None
    assert figure.interval[0] > 0
    assert figure.num_real == np.isin(real.test.labels, classes).sum()
    assert "helps here (3 seeds)" in figure.note
    checks = {"dark": lambda images, label: images.mean((1, 2, 3)) > 20}
    accepted = acceptance_figure(figure, 200, {"dark": 50}, real, checks, features.load("lite0"))
    assert accepted.value == 0.75
    assert accepted.interval is not None
    assert accepted.interval[0] < 0.75 < accepted.interval[1]
    assert accepted.note == "refused 50: dark"
    assert 0.5 < (accepted.floor or 0) <= 1


def test_advice() -> None:
    base = (0.70, 0.71, 0.72)
    assert advice(Lift(base, (0.75, 0.76, 0.775), 20, 100)).startswith("use them: accuracy +0.052")
    assert advice(Lift(base, (0.65, 0.66, 0.66), 20, 100)).startswith("do not use them: accuracy -0.053")
    assert advice(Lift(base, (0.68, 0.72, 0.73), 20, 100)).startswith("leave them out, no gain is shown: accuracy +0.000")
