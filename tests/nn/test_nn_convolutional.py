import pytest
import torch
from torch import nn

from zerosum.nn.convolutional import ConvDiscriminator, ConvGenerator, image_shape

LAYOUTS = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])


def plain_generator(latent, width, kernel):
    """16 x 16 RGB, as one would write it with torch's layers."""
    middle = {"kernel_size": kernel, "stride": 2, "padding": (kernel - 1) // 2, "output_padding": kernel % 2, "bias": False}
    return nn.Sequential(
        nn.ConvTranspose2d(latent, 2 * width, 4, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, **middle),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 3, **middle),
        nn.Tanh(),
    )


def plain_discriminator(width, kernel):
    middle = {"kernel_size": kernel, "stride": 2, "padding": (kernel - 1) // 2, "bias": False}
    return nn.Sequential(
        nn.Conv2d(3, width, **middle),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, **middle),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 4, bias=False),
    )


def copy_weights(ours, plain):
    """The same tensors in the same order."""
    theirs = list(plain.state_dict().values())
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    assert [value.shape for value in ours.state_dict().values()] == [value.shape for value in theirs]


def gradients(network, inputs):
    network(inputs).square().sum().backward()
    return [parameter.grad for parameter in network.parameters()] + [inputs.grad]


@LAYOUTS
@pytest.mark.parametrize("kernel", [4, 5])
def test_generator_equals_torch_layers(kernel, layout):
    ours, plain = ConvGenerator(6, 3, 16, width=4, kernel=kernel), plain_generator(6, 4, kernel)
    copy_weights(ours, plain)
    ours.to(memory_format=layout)
    latent = torch.randn(5, 6)
    images = ours(latent)
    torch.testing.assert_close(images, plain(latent[:, :, None, None]), rtol=1e-4, atol=1e-5)
    assert images.is_contiguous(memory_format=layout)
    one, other = latent.clone().requires_grad_(), latent[:, :, None, None].clone().requires_grad_()
    for left, right in zip(gradients(ours, one), gradients(plain, other), strict=True):
        torch.testing.assert_close(left.flatten(), right.flatten(), rtol=1e-3, atol=1e-3)


@LAYOUTS
@pytest.mark.parametrize("kernel", [4, 5])
def test_discriminator_equals_torch_layers(kernel, layout):
    ours, plain = ConvDiscriminator(3, 16, width=4, kernel=kernel), plain_discriminator(4, kernel)
    copy_weights(ours, plain)
    ours.to(memory_format=layout)
    images = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(ours(images), plain(images).flatten(), rtol=1e-4, atol=1e-5)
    one, other = images.clone(memory_format=layout).requires_grad_(), images.clone().requires_grad_()
    for left, right in zip(gradients(ours, one), gradients(plain, other), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


def test_layer_norm_keeps_examples_apart_with_a_gain_per_channel():
    network = ConvDiscriminator(3, 16, width=4, norm="layer")
    images = torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(network(images)[:1], network(images[:1]))
    norm = network.layers[3]
    assert norm.weight.shape == (8,)
    maps = torch.randn(2, 8, 4, 4)
    flat = maps.flatten(1)
    expected = ((flat - flat.mean(1, keepdim=True)) / (flat.var(1, correction=0, keepdim=True) + 1e-5).sqrt()).reshape_as(maps)
    expected = expected * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(maps), expected, rtol=1e-4, atol=1e-5)


def test_without_norm_convolutions_have_biases():
    network = ConvDiscriminator(3, 16, width=4, norm="none")
    assert [type(layer).__name__ for layer in network.layers[:4]] == ["Conv2d", "LeakyReLU", "Conv2d", "LeakyReLU"]
    assert network.layers[2].bias is not None


@pytest.mark.parametrize("minibatch", ["discrimination", "std"])
def test_scores_depend_on_the_batch_with_a_minibatch_layer(minibatch):
    network = ConvDiscriminator(1, 8, width=4, norm="none", minibatch=minibatch)
    images = torch.randn(4, 1, 8, 8)
    assert network(images).shape == (4,)
    assert not torch.allclose(network(images)[:2], network(images[:2]), atol=1e-7)


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_second_derivatives_for_gradient_penalties(norm):
    network = ConvDiscriminator(1, 8, width=2, norm=norm).double()
    images = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (images,))
    assert torch.autograd.gradgradcheck(network, (images,))


@pytest.mark.parametrize("resolution", [4, 12, 28])
def test_refuses_other_resolutions(resolution):
    with pytest.raises(ValueError, match=rf"power of two from 8 \(8, 16, 32, 64 \.\.\.\), not {resolution}"):
        ConvGenerator(4, 1, resolution, 4)
    with pytest.raises(ValueError, match="power of two"):
        ConvDiscriminator(1, resolution, 4)


def test_image_shape_refuses_data_without_images():
    assert image_shape({"image": (3, 16, 16), "label": (2,)}) == (3, 16)
    with pytest.raises(ValueError, match=r"makes images, but the data has only point: give data\.path images"):
        image_shape({"point": (2,)})
