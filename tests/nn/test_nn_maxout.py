import torch

from zerosum.nn.maxout import Maxout, ranged_linear


def test_is_the_largest_of_its_pieces():
    layer = Maxout(3, 4, 5, weight_range=0.5)
    inputs = torch.randn(2, 3)
    pieces = inputs @ layer.linear.weight.T + layer.linear.bias
    expected = torch.stack([pieces[:, 5 * unit : 5 * unit + 5].max(1).values for unit in range(4)], 1)
    torch.testing.assert_close(layer(inputs), expected)


def test_gradient():
    inputs = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Maxout(3, 4, 2).double(), (inputs,))


def test_weights_start_in_their_range():
    layer = ranged_linear(50, 50, 0.05)
    assert 0.045 < layer.weight.abs().max() <= 0.05
    assert not layer.bias.any()
    assert ranged_linear(50, 50).bias.any()
