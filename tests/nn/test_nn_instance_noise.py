import torch

from zerosum.nn.instance_noise import add_instance_noise


def test_decays_linearly_to_nothing():
    zeros = torch.zeros(200, 500)
    for progress, expected in ((0.0, 0.4), (0.25, 0.2), (0.375, 0.1)):
        noisy = add_instance_noise(zeros, std=0.4, until=0.5, progress=progress)
        assert abs(noisy.std().item() - expected) < 0.01


def test_leaves_examples_and_random_stream_alone_without_noise():
    examples, state = torch.randn(3, 2), torch.get_rng_state()
    for std, progress in ((0.0, 0.0), (0.4, 0.5), (0.4, 1.0)):
        assert add_instance_noise(examples, std, 0.5, progress) is examples
    assert torch.equal(torch.get_rng_state(), state)
