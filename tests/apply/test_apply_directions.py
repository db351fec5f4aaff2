from pathlib import Path

import numpy as np
import pytest
import torch
from tests.latent_gans import LATENT, LAYERS, flat, layered

from zerosum.apply.directions import Directions, ganspace, labelled, sefa
from zerosum.game import HasLatents
from zerosum.sampling import Sampler


def weights(sampler: Sampler) -> list[torch.Tensor]:
    assert isinstance(sampler.gan, HasLatents)
    return sampler.gan.latent_weights()


def aligned(one: torch.Tensor, other: torch.Tensor) -> float:
    """|cosine| of two vectors."""
    return float(torch.nn.functional.cosine_similarity(one.double(), other.double(), 0).abs())


def test_sefa_is_the_eigenvectors_of_the_weights() -> None:
    sampler = flat()
    found = sefa(sampler, LATENT)
    matrix = weights(sampler)[0].double()
    values, vectors = np.linalg.eigh((matrix.T @ matrix).numpy())
    for number in range(LATENT):
        assert aligned(found.vectors[number], torch.from_numpy(vectors[:, -1 - number].copy())) > 0.9999
        assert found.scores[number] ** 2 == pytest.approx(values[-1 - number], rel=1e-4)
    assert torch.allclose(found.spreads, torch.ones(LATENT), atol=0.1), "z varies alike in all directions"


def test_sefa_of_layers_stacks_and_moves_these_alone() -> None:
    sampler = layered()
    found = sefa(sampler, 2, range(1, 3))
    stacked = torch.cat(weights(sampler)[1:3])
    assert found.vectors.shape == (2, LAYERS, LATENT)
    assert aligned(found.vectors[0, 1], torch.linalg.svd(stacked)[2][0]) > 0.9999
    assert torch.equal(found.vectors[:, 1], found.vectors[:, 2])
    assert found.vectors[:, [0, 3]].abs().max() == 0
    latents = sampler.latents(range(1000))[:, 1]
    assert torch.allclose(found.spreads, (latents @ found.vectors[:, 1].T).std(0), rtol=0.05)


def planted(sampler: Sampler, axis: torch.Tensor, factor: float) -> None:
    """Make w vary `factor` times as much along `axis` as across it."""
    with torch.no_grad():
        sampler.gan.mapping.weight.copy_(torch.eye(LATENT) + (factor - 1) * axis[:, None] * axis)


def test_ganspace_finds_where_w_varies_most() -> None:
    sampler = layered()
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5, 0.0, 1.0, 3.0]), dim=0)
    planted(sampler, axis, 4.0)
    found = ganspace(sampler, 3, samples=2_000)
    assert aligned(found.vectors[0, 0], axis) > 0.999
    assert found.spreads[0] == pytest.approx(4, rel=0.05)
    assert found.spreads[1] == pytest.approx(1, rel=0.1)
    assert found.scores[0] == pytest.approx(16 / 21, rel=0.05)


def test_ganspace_of_z_finds_what_moves_the_first_layer_most() -> None:
    sampler = flat()
    axis = torch.nn.functional.normalize(torch.tensor([0.0, 1.0, 1.0, 0.0, -1.0, 2.0]), dim=0)
    with torch.no_grad():
        weights(sampler)[0].add_(5 * torch.ones(24, 1) / 24**0.5 * axis)
    found = ganspace(sampler, 2, samples=4_000)
    activations = sampler.latents(range(4_000)) @ weights(sampler)[0].T
    component = torch.linalg.svd(activations - activations.mean(0), full_matrices=False)[2][0]
    coordinate = (activations - activations.mean(0)) @ component
    z = sampler.latents(range(4_000))
    regressed = torch.linalg.lstsq(coordinate[:, None], z - z.mean(0)).solution[0]
    assert aligned(found.vectors[0], regressed) > 0.999, "the definition, written out"
    assert aligned(found.vectors[0], axis) > 0.95
    assert found.vectors.norm(dim=1).tolist() == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.parametrize("make", [flat, layered], ids=["z", "w"])
def test_labels_find_a_planted_axis(make) -> None:  # type: ignore[no-untyped-def]
    sampler = make()
    latents = sampler.latents(range(600)).clone()
    one = latents if latents.dim() == 2 else latents[:, 0]
    axis = torch.nn.functional.normalize(torch.tensor([1.0, 0.0, -1.0, 2.0, 0.0, 0.5]), dim=0)
    along = (one - one.mean(0)) @ axis
    labels = {
        "tall": ["yes" if value > 0 else "no" for value in along],
        "size": [float(3 * value + 7) for value in along],
        "third": [("low", "mid", "high")[int(np.digitize(value, [-0.3, 0.3]))] for value in along.tolist()],
    }
    found = labelled(sampler, latents, labels)
    assert found.names == ("tall=yes", "size", "third=high", "third=low", "third=mid")
    for number, sign in ((0, 1), (1, 1), (2, 1), (3, -1)):
        vector = found.vectors[number] if found.vectors.dim() == 2 else found.vectors[number, 0]
        assert float(vector @ axis) * sign > 0.95
    assert found.scores[0] > 0.93
    assert found.scores[1] > 0.98
    assert found.scores[4] < 0.7, "the middle is no side of a plane"


def test_a_shift_is_in_standard_deviations_and_keeps_to_its_layers() -> None:
    sampler = layered()
    found = sefa(sampler, 3)
    shift = found.shift(1, -2.0)
    assert torch.allclose(shift.norm(dim=1), 2 * found.spreads[1].expand(LAYERS))
    only = found.shift(1, -2.0, range(2, 4))
    assert torch.equal(only[2:], shift[2:])
    assert only[:2].abs().max() == 0
    for number, strength, message in ((3, 1.0, "no direction 3: there are 0 to 2"), (0, float("inf"), "finite")):
        with pytest.raises(ValueError, match=message):
            found.shift(number, strength)


def test_directions_survive_the_way_to_the_disk(tmp_path: Path) -> None:
    found = sefa(flat(), 2)
    found.save(tmp_path / "d.npz")
    loaded = Directions.load(tmp_path / "d.npz")
    assert (loaded.method, loaded.names) == ("sefa", ("sefa 0", "sefa 1"))
    assert torch.equal(loaded.vectors, found.vectors)
    assert torch.equal(loaded.spreads, found.spreads)
    np.savez(tmp_path / "other.npz", latents=np.zeros(3))
    (tmp_path / "text.npz").write_text("no")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(ValueError, match="does not hold directions"):
            Directions.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="find some with"):
        Directions.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sefa(flat(), 7), "from 1 to 6, the values of a latent, not 7"),
        (lambda: sefa(flat(), 1, range(2)), "leave the layers out"),
        (lambda: sefa(layered(), 1, range(3, 6)), "this generator has layers 0-3"),
        (lambda: ganspace(flat(), 1, samples=6), "above 6, not 6"),
        (lambda: labelled(flat(), torch.randn(5, 6), {"a": ["x"] * 5}), "at least 20 labelled samples, not 5"),
        (lambda: labelled(flat(), torch.randn(30, 6), {"a": ["x"] * 30}), "label 'a' is 'x' for every sample"),
        (lambda: labelled(flat(), torch.randn(30, 6), {"a": [1.0] * 29}), "29 values for 30 samples"),
    ],
)
def test_mistakes_are_answered_in_words(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
