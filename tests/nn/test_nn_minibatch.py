import pytest
import torch

from zerosum.nn.minibatch import MinibatchDiscrimination, MinibatchStd, minibatch_layer


@pytest.mark.parametrize("num", [4, 5])
def test_discrimination_equals_the_sums_of_the_paper(num):
    torch.manual_seed(0)
    layer = MinibatchDiscrimination(6, num_kernels=3, kernel_size=2)
    features = torch.randn(num, 6)
    matrices = (features @ layer.weight).reshape(num, 2, 3)
    for i in range(num):
        for b in range(3):
            others = [matrices[j, :, b] for j in range(num) if j != i]
            expected = sum(torch.exp(-(matrices[i, :, b] - other).abs().sum()) for other in others)
            torch.testing.assert_close(layer(features)[i, b], expected)


def test_discrimination_tells_a_collapsed_batch():
    layer = MinibatchDiscrimination(6)
    assert (layer(torch.ones(5, 6)) == 4).all()
    assert (layer(torch.ones(6, 6)) == 5).all()
    assert layer(torch.randn(5, 6) * 10).mean() < 1


@pytest.mark.parametrize("layer", [MinibatchDiscrimination(6, 3, 2), MinibatchStd(group_size=2)])
def test_gradients_to_second_order(layer):
    features = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.double(), (features,))
    assert torch.autograd.gradgradcheck(layer, (features,))


def test_std_is_the_mean_deviation_of_a_group():
    maps = torch.randn(6, 3, 4, 4)
    told = MinibatchStd(group_size=3)(maps)
    expected = torch.stack([maps[start::2].std(0, correction=0).mean() for start in range(2)])
    torch.testing.assert_close(told, expected.repeat(3)[:, None])


def test_std_of_parts_of_the_channels():
    maps = torch.randn(4, 6, 2, 2)
    told = MinibatchStd(group_size=None, num_channels=3)(maps)
    expected = torch.stack([part.std(0, correction=0).mean() for part in maps.chunk(3, 1)])
    torch.testing.assert_close(told, expected.expand(4, 3), rtol=1e-4, atol=1e-5)


def test_std_takes_the_largest_group_that_divides_the_batch():
    maps = torch.randn(6, 3, 2, 2)
    torch.testing.assert_close(MinibatchStd(group_size=4)(maps), MinibatchStd(group_size=3)(maps))
    assert (MinibatchStd()(maps[:1]) < 1e-3).all()


@pytest.mark.parametrize(("kind", "extra"), [("none", 0), ("discrimination", 100), ("std", 1)])
def test_appends_features_or_constant_planes(kind, extra):
    flat, maps = minibatch_layer(kind, 5), minibatch_layer(kind, 5, area=4)
    assert flat.extra_channels == maps.extra_channels == extra
    assert flat(torch.randn(4, 5)).shape == (4, 5 + extra)
    features = torch.randn(4, 5, 2, 2)
    out = maps(features)
    assert torch.equal(out[:, :5], features)
    assert torch.equal(out[:, 5:], out[:, 5:, :1, :1].expand(4, extra, 2, 2))
    assert (kind == "discrimination") == bool(list(maps.parameters()))
