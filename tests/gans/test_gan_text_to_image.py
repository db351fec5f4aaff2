import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate, relu

import zerosum
from zerosum import gans
from zerosum.api import build_gan, make_feed
from zerosum.data import open_data
from zerosum.data.sentences import PLACE
from zerosum.gans import text_to_image
from zerosum.nn.matching import VectorEncoder
from zerosum.noise import SeededNoise
from zerosum.recipe import Stabilisers
from zerosum.training.loop import Loop
from zerosum.training.state import State

GOLDEN = Path(__file__).parents[1] / "golden" / "dfgan.safetensors"
SMALL = {"latent": 6, "sentence": 10, "width": 4, "discriminator_width": 4, "matching_width": 4}
PLACES = {
    r"^C\.joint_conv": "discriminator.joint",
    r"^D\.conv_img": "discriminator.start",
    r"^D\.DBlocks": "discriminator.blocks",
    r"conv_r": "residual",
    r"conv_s": "shortcut",
    r"^G\.fc\.": "generator.start.",
    r"^G\.GBlocks": "generator.blocks",
    r"^G\.to_rgb\.1": "generator.end",
    r"\.c(\d)\.": r".conv\1.",
    r"\.c_sc\.": ".shortcut.",
    r"fuse(\d)": r"fusion\1",
    r"affine1": "affine2",
    r"affine0": "affine1",
    r"fc_gamma\.linear1": "gain.0",
    r"fc_gamma\.linear2": "gain.2",
    r"fc_beta\.linear1": "bias.0",
    r"fc_beta\.linear2": "bias.2",
}
"""The authors' names and ours."""


def shapes(side: int = 16) -> dict[str, tuple[int, ...]]:
    return {"image": (3, side, side), "caption": (4,), "words": (9,)}


def batch(n: int = 6) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"image": torch.rand(n, 3, 16, 16) * 2 - 1, "caption": torch.randint(1, 9, (n, 4))}


def small(**others: object) -> text_to_image.TextToImage:
    torch.manual_seed(0)
    gan = text_to_image.TextToImage(text_to_image.Config(**SMALL | others), shapes())  # type: ignore[arg-type]
    for block in gan.discriminator.blocks:
        block.gamma.data.fill_(0.5)  # as after some training: at first residuals are worth nothing
    return gan


def our_name(name: str) -> str:
    for theirs, ours in PLACES.items():
        name = re.sub(theirs, ours, name)
    return name


def test_golden_parity() -> None:
    golden = load_file(GOLDEN)
    config = text_to_image.Config(latent=16, sentence=32, width=4, discriminator_width=4)
    gan = text_to_image.TextToImage(config, {"image": (3, 64, 64), "caption": (4,), "words": (9,)})
    theirs = {our_name(key.removeprefix("weights.")): value for key, value in golden.items() if key.startswith("weights.")}
    found = gan.load_state_dict(theirs, strict=False)
    assert all(name.startswith(("text.", "image.")) for name in found.missing_keys)
    # Theirs keeps the 1x1 convolution of a block that does not widen, and does not use it.
    assert {name.rpartition(".")[0] for name in found.unexpected_keys} == {"discriminator.blocks.3.shortcut"}
    images = gan.generator(golden["io.z"], golden["io.sentence"])
    torch.testing.assert_close(images, golden["io.img"], rtol=1e-4, atol=1e-5)
    features = gan.discriminator.features(images)
    torch.testing.assert_close(features, golden["io.features"], rtol=1e-4, atol=1e-5)
    scores = gan.discriminator(features, golden["io.sentence"])
    torch.testing.assert_close(scores, golden["io.logit"].flatten(), rtol=1e-4, atol=1e-5)


def test_the_papers_networks_have_their_sizes() -> None:
    with torch.device("meta"):
        gan = text_to_image.TextToImage(text_to_image.Config(), {"image": (3, 256, 256), "caption": (8,), "words": (100,)})
    assert [maps.conv1.out_channels for maps in gan.generator.blocks] == [256, 256, 256, 128, 64, 32]  # type: ignore[union-attr]
    assert [maps.residual[0].out_channels for maps in gan.discriminator.blocks] == [64, 128, 256, 256, 256, 256]  # type: ignore[union-attr,index]


def test_losses_are_those_of_the_paper() -> None:
    gan, data = small(), batch()
    torch.manual_seed(3)
    terms = gan.discriminator_loss(data, 0.0).terms
    torch.manual_seed(3)
    sentence = gan.understand(data)
    fakes = gan.generator(torch.randn(6, 6), sentence)
    features = gan.discriminator.features(data["image"])
    real, fake = gan.discriminator(features, sentence), gan.discriminator(gan.discriminator.features(fakes), sentence)
    wrong = gan.discriminator(features, sentence[[5, 0, 1, 2, 3, 4]])
    hinge = relu(1 - real).mean() + (relu(1 + fake).mean() + relu(1 + wrong).mean()) / 2
    torch.testing.assert_close(terms["adversarial"], hinge)
    torch.manual_seed(3)
    torch.testing.assert_close(gan.generator_loss(data, 0.0).terms["adversarial"], -fake.mean())


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("apart", [False, True])
def test_penalty_agrees_with_finite_differences(apart: bool) -> None:
    gan = small(penalty_apart=apart).double()
    data = {"image": batch(2)["image"].double(), "caption": batch(2)["caption"]}
    found = gan.discriminator_loss(data, 0.0).terms["penalty"]
    sentence, step, norms = gan.understand(data).detach(), 1e-5, []

    def score(image: Tensor, text: Tensor) -> Tensor:
        return gan.discriminator(gan.discriminator.features(image[None]), text[None])[0].detach()

    for image, text in zip(data["image"], sentence, strict=True):
        squares = []
        for side in (image, text):
            total = 0.0
            for place in range(side.numel()):
                ends = []
                for sign in (1, -1):
                    moved = side.clone()
                    moved.view(-1)[place] += sign * step
                    ends.append(score(moved, text) if side is image else score(image, moved))
                total += float((ends[0] - ends[1]) / (2 * step)) ** 2
            squares.append(total)
        norms.append(sum(root**0.5 for root in squares) if apart else sum(squares) ** 0.5)
    assert found.item() == pytest.approx(2 * sum(norm**6 for norm in norms) / 2, rel=1e-5)


def test_a_caption_that_is_the_same_is_no_mismatch() -> None:
    gan, data = small(), batch()
    data["caption"] = data["caption"][:1].expand(6, -1).clone()
    torch.manual_seed(3)
    alike = gan.discriminator_loss(data, 0.0)
    torch.manual_seed(3)
    fakes = gan.generator(torch.randn(6, 6), gan.understand(data))
    real, fake = (gan.discriminator(gan.discriminator.features(side), gan.understand(data)) for side in (data["image"], fakes))
    torch.testing.assert_close(alike.terms["adversarial"], relu(1 - real).mean() + relu(1 + fake).mean() / 2)
    data["caption"][2, 0] = data["caption"][2, 0] % 8 + 1
    assert gan.discriminator_loss(data, 0.0).terms["adversarial"] > 0
    with pytest.raises(ValueError, match="a part has one image: raise train.batch or lower train.micro_batches"):
        gan.discriminator_loss({key: value[:1] for key, value in data.items()}, 0.0)


def test_fusion_is_two_affine_layers_and_a_block_doubles_first() -> None:
    """As the paper draws it, without the folding: doubled, fused, convolved, fused, convolved."""
    torch.manual_seed(0)
    block = text_to_image.UpBlock(5, 6, 4).double()
    for weight in block.parameters():
        weight.data = torch.randn_like(weight) * 0.3
    maps, condition = torch.randn(2, 6, 4, 4).double(), torch.randn(2, 5).double()

    def fused(fusion: text_to_image.Fusion, values: Tensor) -> Tensor:
        for affine in (fusion.affine1, fusion.affine2):
            gain, bias = affine.gain(condition), affine.bias(condition)
            values = values * gain[:, :, None, None] + bias[:, :, None, None]
            values = torch.where(values > 0, values, 0.2 * values)
        return values

    double = interpolate(maps, scale_factor=2)
    hidden = torch.nn.functional.conv2d(fused(block.fusion1, double), block.conv1.weight, block.conv1.bias, padding=1)
    expected = block.conv2(fused(block.fusion2, hidden)) + block.shortcut(double)
    torch.testing.assert_close(block(maps, condition), expected)


def test_only_the_encoder_learns_at_first_and_then_only_the_others() -> None:
    recipe = gans.get_recipe("text_to_image:tiny")
    recipe = replace(recipe, gan=replace(recipe.gan, matching_steps=3))
    dataset = open_data(recipe.data)
    gan = build_gan(recipe, dataset.card, torch.device("cpu"))
    state = State(gan, recipe.optimisers, recipe.train.batch)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), torch.device("cpu"))

    def moved(steps: int) -> set[str]:
        before = {name: [p.clone() for p in player.parameters()] for name, player in gan.players().items()}
        Loop(state, feed, state.images + steps * state.batch, 0, recipe.average).run()
        return {
            name
            for name, player in gan.players().items()
            if any(not torch.equal(old, new) for old, new in zip(before[name], player.parameters(), strict=True))
        }

    assert moved(3) == {"matcher"}
    assert moved(3) == {"generator", "discriminator"}
    feed.close()


def test_the_encoder_learns_which_captions_belong_to_which_images() -> None:
    recipe = gans.get_recipe("text_to_image:tiny")
    dataset = open_data(recipe.data)
    gan = build_gan(recipe, dataset.card, torch.device("cpu"))
    rows = dataset.batch(np.arange(0, 1600, 50))
    rows["image"] = rows["image"].float() / 127.5 - 1
    optimiser = torch.optim.Adam(gan.players()["matcher"].parameters(), 1e-2)
    first = gan.matcher_loss(rows, 0.0)  # type: ignore[attr-defined]
    for _ in range(60):
        loss = gan.matcher_loss(rows, 0.0)  # type: ignore[attr-defined]
        optimiser.zero_grad()
        loss.terms["matching"].backward()
        optimiser.step()
    assert first.notes["matched"] < 0.2
    assert loss.notes["matched"] > 0.8


def test_what_is_understood_may_be_given_instead_of_the_caption() -> None:
    gan, data = small().for_sampling(), batch()
    one = gan.sample(data, SeededNoise(range(6)))
    other = gan.sample({"understood": gan.understand(data)}, SeededNoise(range(6)))
    assert torch.equal(one, other)
    padded = torch.cat([data["caption"], torch.zeros(6, 3, dtype=torch.long)], 1)
    torch.testing.assert_close(gan.understand({"caption": padded}), gan.understand(data))
    turned = gan.understand({"caption": data["caption"].flip(1)})
    assert (turned - gan.understand(data)).abs().max() > 1e-3, "the order of words counts"
    assert gan.understand({"caption": torch.zeros(2, 4, dtype=torch.long)}).isfinite().all()


def test_vectors_of_a_frozen_encoder_may_take_the_words_place() -> None:
    vectors = {"image": (3, 16, 16), "sentence": (7,)}
    gan = text_to_image.TextToImage(text_to_image.Config(**SMALL), vectors)  # type: ignore[arg-type]
    assert isinstance(gan.text, VectorEncoder)
    data = {"image": batch()["image"], "sentence": torch.randn(6, 7)}
    gan.check(data)
    for turn in gan.turns():
        assert all(term.isfinite() for term in turn.loss(data, 0.0).terms.values())


def test_a_run_with_a_sentence_encoder_is_used_with_any_words(
    sentence_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = zerosum.get_recipe("text_to_image:tiny")
    recipe = replace(recipe, data=replace(recipe.data, sentence_encoder=str(sentence_encoder)))
    trained = zerosum.train(recipe, tmp_path / "run").sample(4, prompt="red apple")
    shutil.copytree(sentence_encoder, tmp_path / "moved")
    monkeypatch.setenv(PLACE, str(tmp_path / "moved"))
    sampler = zerosum.load(tmp_path / "run")
    assert np.array_equal(sampler.sample(4, prompt="red apple"), trained)
    assert not np.array_equal(sampler.sample(4, prompt="zebra crossing nowhere"), trained)
    with pytest.raises(ValueError, match="no word of ' '"):
        sampler.sample(4, prompt=" ")
    moved = replace(recipe, data=replace(recipe.data, sentence_encoder=str(tmp_path / "moved")))
    zerosum.train(replace(moved, train=replace(moved.train, images=240)), tmp_path / "run")
    assert "is left out" not in caplog.text


def test_wrong_settings_and_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="set data.kind captions"):
        text_to_image.TextToImage(text_to_image.Config(), {"image": (3, 32, 32)})
    with pytest.raises(ValueError, match="data.resolution must be a power of two from 8 here .*, not 24"):
        text_to_image.TextToImage(text_to_image.Config(), shapes(24))
    with pytest.raises(ValueError, match="takes stabilisers.augment alone"):
        text_to_image.Config(stabilisers=Stabilisers(minibatch="std"))
    with pytest.raises(ValueError, match="matching_steps must be above 0"):
        text_to_image.Config(matching_steps=0)
