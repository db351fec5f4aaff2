import torch
from torch.nn.functional import avg_pool2d, interpolate

from zerosum.data import Images, open_data
from zerosum.features.perceptual import load_perceptual
from zerosum.recipe import Data


def garments(n: int) -> torch.Tensor:
    dataset = open_data(Data(path="fashion", resolution=32))
    assert isinstance(dataset, Images)
    return torch.from_numpy(dataset.images[:n].copy()).float() / 127.5 - 1


def test_distance_is_zero_to_oneself_and_grows_with_damage() -> None:
    distance, images = load_perceptual(), garments(8)
    maps, stream = distance.maps(images), torch.Generator().manual_seed(0)
    assert distance(maps, maps).abs().max() == 0
    noise = torch.randn(images.shape, generator=stream)
    noisy = [distance(distance.maps(images + sd * noise), maps) for sd in (0.05, 0.2, 0.8)]
    blurred = [distance(distance.maps(interpolate(avg_pool2d(images, k), scale_factor=k)), maps) for k in (2, 4, 8)]
    for rising in (noisy, blurred):
        assert (rising[0] > 0).all()
        assert rising[0].mean() < rising[1].mean() < rising[2].mean()


def test_gradients_flow_through_the_folded_network() -> None:
    distance, images = load_perceptual(), garments(1)
    maps, stream = distance.maps(images), torch.Generator().manual_seed(1)
    place = (images + 0.2 * torch.randn(images.shape, generator=stream)).requires_grad_()
    distance(distance.maps(place), maps).sum().backward()
    assert place.grad is not None
    way = place.grad / place.grad.norm()
    with torch.no_grad():
        ahead, behind = (distance(distance.maps(place + step * way), maps).sum() for step in (1e-2, -1e-2))
    assert torch.isclose((ahead - behind) / 2e-2, place.grad.norm(), rtol=0.05)
