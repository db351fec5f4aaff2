import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from zerosum import gans
from zerosum.recipe import Data, Optimiser, Recipe, Stabilisers, Training, differences
from zerosum.schedules import linear


def plain(**changes: object) -> dict[str, object]:
    return json.loads(gans.get_recipe("dcgan:tiny").to_json()) | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trian": {}}, "trian"),
        ({"train": {"images": "many"}}, "train.images"),
        ({"train": {"imagse": 5}}, "train.imagse"),
        ({"gan": {"latent": 0}}, "latent must be above 0, not 0"),
        ({"optimisers": {"generator": {"rate": "fast"}}}, "not a value or schedule: 'fast'"),
        ({"optimisers": {"generator": {"kind": "lion"}}}, "'adam', 'adamw', 'rmsprop' or 'sgd'"),
        ({"version": 2}, "format version 2, this zerosum reads up to 1: upgrade"),
    ],
)
def test_strict_reading(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        Recipe.from_plain(plain(**changes), gans.find("dcgan").config)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Training(batch=10, micro_batches=3), "train.batch 10 is not divisible by train.micro_batches 3"),
        (lambda: Training(images=0), "images must be above 0"),
        (lambda: Data(resolution=2), "data.resolution must be between 4 and 4096 pixels, not 2"),
        (lambda: Optimiser(beta1=1.0), r"beta1 must be in \[0, 1\), not 1.0"),
        (lambda: Stabilisers(label_smoothing=1.0), r"label_smoothing must be in \[0, 1\)"),
        (lambda: Stabilisers(instance_noise=-1), "instance_noise must not be negative"),
    ],
)
def test_values_out_of_range_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValidationError, match=message):
        make()


def test_differences_name_the_fields() -> None:
    old = gans.get_recipe("dcgan:tiny")
    rate = linear(2e-4, 0, over=1000)
    generator = replace(old.optimisers["generator"], rate=rate)
    new = replace(old, train=replace(old.train, seed=7), optimisers=old.optimisers | {"generator": generator})
    found = {name: after for name, _, after in differences(old, new)}
    assert found == {"train.seed": 7, "optimisers.generator.rate": str(rate)}
