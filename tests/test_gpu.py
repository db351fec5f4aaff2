"""The same promises on a CUDA device; they run where there is one: scripts/test -m gpu."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import zerosum
from zerosum import gans
from zerosum.api import COMPILES_FROM
from zerosum.apply.directions import sefa
from zerosum.apply.project import project
from zerosum.apply.tune import tune
from zerosum.data import open_data
from zerosum.data.feed import to_float
from zerosum.noise import SeededNoise
from zerosum.recipe import Recipe
from zerosum.run import Run, load
from zerosum.sampling import Sampler, generate

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def made(sampler: Sampler, recipe: Recipe) -> Tensor:
    """Four samples on the CPU, of what the first examples have where more is needed than noise."""
    examples, gan = open_data(recipe.data).batch(np.arange(4)), sampler.gan
    keys = {key: gan.takes if key == "source" else key for key in gan.given - {"prefix", "temperature"}}
    given = {key: to_float(examples[name]).to(sampler.device) for key, name in keys.items()}
    return generate(gan, given, lambda part: SeededNoise(range(4)[part], sampler.device), 4).cpu()


@pytest.mark.parametrize("family", gans.names())
def test_trains_on_the_gpu_and_samples_like_the_cpu(family: str, tmp_path: Path) -> None:
    recipe = zerosum.get_recipe(f"{family}:tiny")
    sampler = zerosum.train(recipe, tmp_path)
    assert {parameter.device.type for parameter in sampler.gan.parameters()} == {"cuda"}
    one, other = made(sampler, recipe), made(Sampler(*load(tmp_path)[:2]), recipe)
    if one.is_floating_point():
        assert (one - other).abs().mean() < 1 / 127.5
    else:
        assert one.shape == other.shape, "a word that is chosen otherwise changes all that follow"


def test_resumes_on_the_gpu(tmp_path: Path) -> None:
    recipe = zerosum.get_recipe("dcgan:tiny")
    zerosum.train(recipe, tmp_path)
    longer = replace(recipe, train=replace(recipe.train, images=2 * recipe.train.images))
    zerosum.train(longer, tmp_path)
    assert np.isfinite(zerosum.load(tmp_path).draw(range(4)).cpu().numpy()).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", gans.names())
def test_trains_in_fewer_bits(family: str, precision: str, tmp_path: Path) -> None:
    recipe = zerosum.get_recipe(f"{family}:tiny")
    sampler = zerosum.train(replace(recipe, train=replace(recipe.train, precision=precision)), tmp_path)
    assert {parameter.dtype for parameter in sampler.gan.parameters()} == {torch.float32}
    assert made(sampler, recipe).isfinite().all()


@pytest.mark.skipif(torch.__version__ < COMPILES_FROM, reason="this torch cannot compile players that take turns")
@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("family", gans.names())
def test_trains_compiled(family: str, tmp_path: Path) -> None:
    recipe = zerosum.get_recipe(f"{family}:tiny")
    short = replace(recipe.train, images=2 * recipe.train.batch)
    plain, compiled = (
        zerosum.train(replace(recipe, train=replace(short, compile=mode)), tmp_path / str(mode)) for mode in (False, True)
    )
    for one, other in zip(plain.gan.parameters(), compiled.gan.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


def test_latents_are_found_and_moved_on_the_gpu(tmp_path: Path) -> None:
    sampler = zerosum.train("cgan:tiny", tmp_path)
    images = sampler.draw(range(3)).clone()
    found = project(sampler, images, steps=20, candidates=32)
    tuned = tune(sampler, found, steps=20, locality=1.0)
    assert found.images.device.type == tuned.images.device.type == "cuda"
    assert tuned.psnr(found.targets).mean() > found.psnr.mean()
    shift = sefa(sampler, 2).shift(0, 1.0)
    assert tuned.sampler.synthesise(found.latents, label=found.label, shift=shift).shape == (3, 16, 16, 1)


def test_too_little_memory_cuts_batches_into_parts(tmp_path: Path) -> None:
    recipe = zerosum.get_recipe("dcgan:tiny")
    gan = replace(recipe.gan, generator_width=64, discriminator_width=64)  # type: ignore[call-arg]
    data, train = replace(recipe.data, resolution=32), replace(recipe.train, batch=2048, images=4096)
    recipe = replace(recipe, gan=gan, data=data, train=train)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    zerosum.train(recipe, tmp_path / "whole")
    needed = torch.cuda.max_memory_allocated() / torch.cuda.get_device_properties(0).total_memory
    assert not Run(tmp_path / "whole").shortages()
    torch.cuda.empty_cache()
    try:
        torch.cuda.set_per_process_memory_fraction(0.75 * needed)
        zerosum.train(recipe, tmp_path / "cut")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert Run(tmp_path / "cut").shortages()
    assert np.isfinite(zerosum.load(tmp_path / "cut").draw(range(4)).cpu().numpy()).all()
