from pathlib import Path

import numpy as np
import pytest
import torch
from tests.latent_gans import flat, layered

import zerosum
from zerosum.apply.project import Synthesis, project
from zerosum.apply.tune import save_tuned, tune
from zerosum.run import Run
from zerosum.sampling import Sampler


def targets(n: int) -> torch.Tensor:
    """Images that these generators cannot make."""
    return (torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(3)) * 2 - 1) * 0.9


@pytest.mark.parametrize("sampler", [flat(), layered()], ids=["z", "w"])
def test_tuning_goes_beyond_the_projection(sampler: Sampler) -> None:
    before = {name: value.clone() for name, value in sampler.gan.state_dict().items()}
    found = project(sampler, targets(3), steps=60, candidates=32)
    tuned = tune(sampler, found, steps=150, rate=1e-2)
    assert (tuned.psnr(found.targets) > found.psnr + 10).all()
    assert tuned.errors.shape == (151,)
    assert tuned.errors[-1] < tuned.errors[75] < tuned.errors[0]
    assert all(torch.equal(value, before[name]) for name, value in sampler.gan.state_dict().items()), "it changed the original"
    assert not any(parameter.requires_grad for parameter in tuned.sampler.gan.parameters())
    with torch.no_grad():
        assert torch.equal(Synthesis(tuned.sampler, None, 3, 0)(found.latents), tuned.images)


def test_more_images_than_fit_at_once_are_all_tuned_to() -> None:
    sampler = flat(hidden=64)
    found = project(sampler, targets(20), steps=30, candidates=32)
    tuned = tune(sampler, found, steps=200, rate=1e-2)
    assert len(tuned.images) == 20
    assert (tuned.psnr(found.targets) > found.psnr).all()


def test_locality_leaves_other_samples_alone() -> None:
    sampler = flat()
    found = project(sampler, targets(2), steps=60, candidates=32)
    free, held = (tune(sampler, found, steps=150, rate=3e-3, locality=locality) for locality in (0.0, 3.0))
    own = sampler.draw(range(100, 200))
    drift = [(one.sampler.draw(range(100, 200)) - own).square().mean() for one in (free, held)]
    assert drift[1] < drift[0] / 2
    assert held.errors[-1] < held.errors[0]


@pytest.mark.parametrize("change", [{"steps": 0}, {"rate": 0.0}, {"locality": -1.0}])
def test_numbers_out_of_range_are_refused(change: dict[str, float]) -> None:
    found = project(flat(), targets(1), steps=1, candidates=1)
    with pytest.raises(ValueError, match="tuning: steps"):
        tune(flat(), found, **change)  # type: ignore[arg-type]


def test_a_tuned_generator_is_a_run_to_sample_from_but_not_to_train(tmp_path: Path) -> None:
    sampler = zerosum.train("dcgan:tiny", tmp_path / "run")
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = project(sampler, images, steps=10, candidates=16)
    tuned = tune(sampler, found, steps=40)
    save_tuned(Run(tmp_path / "run"), None, "newest", tuned, tmp_path / "tuned")
    loaded = zerosum.load(tmp_path / "tuned")
    assert np.array_equal(loaded.sample(5), tuned.sampler.sample(5))
    assert not np.array_equal(loaded.sample(5), sampler.sample(5))
    made = loaded.synthesise(found.latents).astype(float)
    assert np.abs(made - ((tuned.images + 1) * 127.5).permute(0, 2, 3, 1).numpy()).max() <= 1
    with pytest.raises(ValueError, match="holds a generator alone"):
        zerosum.train("dcgan:tiny", tmp_path / "tuned")
    assert np.array_equal(zerosum.load(tmp_path / "tuned").sample(5), loaded.sample(5))
