import pytest
import torch
from tests.latent_gans import LATENT, LAYERS, Mute, flat, layered

from zerosum.apply.likeness import Likeness, pyramid
from zerosum.apply.project import Synthesis, project, rate_share
from zerosum.data import Images, open_data
from zerosum.fidelity import psnr
from zerosum.recipe import Data
from zerosum.sampling import Sampler


def test_a_generated_image_is_found_again_in_z() -> None:
    sampler = flat()
    images = sampler.draw(range(900, 905)).clone()
    found = project(sampler, images, steps=200, candidates=64, prior=0.0)
    assert found.latents.shape == (5, LATENT)
    assert found.images.shape == images.shape
    assert found.psnr.min() > 60
    # This generator is one to one, so the latents themselves come back.
    assert (found.latents - sampler.latents(range(900, 905))).abs().max() < 0.02
    assert project(sampler, images, steps=200, candidates=64).psnr.min() > 33, "with the prior"


def test_the_error_falls_from_the_best_of_the_candidates() -> None:
    sampler = flat()
    images = sampler.draw(range(900, 903)).clone()
    found = project(sampler, images, steps=100, candidates=256)
    assert found.errors.shape == (101, 3)
    means = found.errors.mean(1)
    assert means[-1] < means[50:60].mean() < means[:10].mean()
    one = project(sampler, images, steps=1, candidates=1)
    assert (found.errors[0] < one.errors[0]).all()


def test_w_plus_is_nearer_than_w_to_what_no_w_makes() -> None:
    sampler = layered(grain=0)
    latents = sampler.latents(range(4)).clone()
    latents[:, 2:] = sampler.latents(range(50, 54))[:, 2:]
    with torch.no_grad():
        images = Synthesis(sampler, None, 4, 0)(latents)
    one = project(sampler, images, space="w", steps=150, candidates=64)
    each = project(sampler, images, steps=150, candidates=64)
    assert one.latents.shape == each.latents.shape == (4, LAYERS, LATENT)
    assert torch.equal(one.latents, one.latents[:, :1].expand(-1, LAYERS, -1))
    assert each.psnr.min() > 30
    assert (each.psnr > one.psnr + 3).all()


def test_what_else_is_random_is_that_of_the_seed() -> None:
    sampler = layered(grain=0.3)
    images = sampler.draw(range(7, 9)).clone()
    assert torch.equal(Synthesis(sampler, None, 2, 7)(sampler.latents([7, 8])), images)
    same, other = (project(sampler, images, steps=150, candidates=64, seed=seed) for seed in (7, 70))
    assert same.psnr.min() > other.psnr.max() + 5


def test_a_projection_is_a_function_of_its_seed_and_batches_change_little() -> None:
    sampler = flat()
    images = sampler.draw(range(300, 318)).clone()
    many, again = (project(sampler, images, steps=30, candidates=32) for _ in range(2))
    assert torch.equal(many.latents, again.latents)
    assert len(many.latents) == 18
    assert many.errors.shape == (31, 18)


def test_the_label_is_that_of_the_best_candidate_or_the_one_given() -> None:
    sampler = flat(classes=3)
    with torch.no_grad():
        sampler.gan.tint.weight.copy_(torch.tensor([[-1.5, 0.0, 1.5]]))
    images = torch.cat([sampler.draw(range(2), label=name) for name in "ac"]).clone()
    found = project(sampler, images, steps=100, candidates=96)
    assert found.label is not None
    assert found.label.argmax(1).tolist() == [0, 0, 2, 2]
    assert found.psnr.min() > 25
    given = project(sampler, images, steps=100, candidates=96, label="b")
    assert given.label is not None
    assert given.label.argmax(1).tolist() == [1] * 4


def test_a_prior_keeps_z_at_its_usual_length() -> None:
    sampler = flat(scale=0.2)
    bright = torch.ones(2, 1, 8, 8)
    near, far = (project(sampler, bright, steps=150, candidates=8, prior=prior) for prior in (1.0, 0.0))
    assert (near.latents.square().mean(1) - 1).abs().max() < 0.5
    assert far.latents.square().mean(1).min() > 4


def test_real_images_of_32_pixels_are_looked_at_by_a_network() -> None:
    dataset = open_data(Data(path="fashion", resolution=32))
    assert isinstance(dataset, Images)
    images = torch.from_numpy(dataset.images[:2].copy()).float() / 127.5 - 1
    found = project(flat(side=32), images, steps=25, candidates=16)
    assert found.errors[-1].mean() < found.errors[0].mean()
    assert (found.errors[-1] > (pyramid(found.images) - pyramid(images)).square().sum(1)).all()


def test_the_pyramid_is_a_mean_over_scales() -> None:
    one, other = torch.zeros(1, 1, 16, 16), torch.full((1, 1, 16, 16), 0.5)
    assert torch.isclose((pyramid(one) - pyramid(other)).square().sum(), torch.tensor(0.25))
    checks = ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1)[None, None]
    assert torch.isclose(pyramid(checks).square().sum(), torch.tensor(1 / 3)), "seen at the finest of three scales alone"
    assert Likeness.of(one, None)(other).shape == (1,)
    assert torch.isclose(psnr(one, other), torch.tensor(10 * 1.2041), atol=1e-3)


def test_the_rate_rises_and_falls() -> None:
    shares = [rate_share(step / 100) for step in range(100)]
    assert shares[0] < 0.1 < shares[10] == shares[70] == 1
    assert shares[99] < 0.01
    assert shares[75:] == sorted(shares[75:], reverse=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "w+"}, "space 'w\\+': the latents of this generator are drawn as they are, so it has z only"),
        ({"steps": 0}, "steps 0"),
        ({"candidates": 0}, "candidates 0"),
        ({"label": "a"}, "was trained without labels"),
        ({"targets": torch.zeros(1, 3, 8, 8)}, "makes images \\[1, 8, 8\\]"),
        ({"targets": torch.zeros(1, 1, 8, 8, dtype=torch.uint8)}, "so give float"),
        ({"sampler": layered(), "space": "z"}, "mapped from noise, so it has w and w\\+ only"),
        ({"sampler": Sampler(Mute(flat().gan.shapes).for_sampling(), flat().card)}, "no latents that can be changed"),
    ],
)
def test_mistakes_are_answered_in_words(change: dict[str, object], message: str) -> None:
    settings = {"sampler": flat(), "targets": torch.zeros(1, 1, 8, 8), **change}
    with pytest.raises(ValueError, match=message):
        project(**settings)  # type: ignore[arg-type]
