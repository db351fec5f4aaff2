"""A source that is changed ends at black and white, and so do its gradients."""

import torch

from zerosum.nn.translation import changed


def test_a_change_ends_at_black_and_white() -> None:
    source = torch.tensor([1.0, 1.0, -0.5, 0.2, -1.0], requires_grad=True)
    change = torch.tensor([0.3, -0.25, -0.7, 0.1, 0.0], requires_grad=True)
    made = changed(source, change)
    assert made.tolist() == torch.tensor([1.0, 0.5, -1.0, 0.4, -1.0]).tolist()
    of_source, of_change = torch.autograd.grad(made.sum(), (source, change))
    assert of_source.tolist() == [0.0, 1.0, 0.0, 1.0, 1.0]
    assert of_change.tolist() == [0.0, 2.0, 0.0, 2.0, 2.0]
