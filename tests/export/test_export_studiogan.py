"""StudioGAN's networks, written down here independently, and what the importer makes of their checkpoints."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d
from torch.nn.utils import spectral_norm

import zerosum
from zerosum.api import build_gan
from zerosum.cli import main
from zerosum.noise import FreshNoise
from zerosum.run import Run

CLASSES, CHUNK, EMBEDDING, WIDTH = 3, 5, 6, 4


def spectral(layer: nn.Module) -> nn.Module:
    return spectral_norm(layer, eps=1e-6)


class Gains(nn.Module):
    """Batch norm with gains and biases by a linear map (BigGAN) or a table (SN-GAN)."""

    def __init__(self, channels: int, inputs: int, table: bool) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=1e-4, affine=False)
        self.names = ("embed0", "embed1") if table else ("gain", "bias")
        for name in self.names:
            layer = nn.Embedding(inputs, channels) if table else spectral(nn.Linear(inputs, channels, bias=False))
            setattr(self, name, layer)

    def forward(self, maps: Tensor, given: Tensor) -> Tensor:
        gain, bias = (getattr(self, name)(given)[:, :, None, None] for name in self.names)
        return self.bn(maps) * (1 + gain) + bias


class Block(nn.Module):
    def __init__(self, before: int, after: int, norm, wrap) -> None:
        super().__init__()
        self.bn1, self.bn2 = norm(before), norm(after)
        self.conv2d0 = wrap(nn.Conv2d(before, after, 1))
        self.conv2d1 = wrap(nn.Conv2d(before, after, 3, padding=1))
        self.conv2d2 = wrap(nn.Conv2d(after, after, 3, padding=1))

    def forward(self, maps: Tensor, *given: Tensor) -> Tensor:
        hidden = self.conv2d1(interpolate(self.bn1(maps, *given).relu(), scale_factor=2))
        hidden = self.conv2d2(self.bn2(hidden, *given).relu())
        return hidden + self.conv2d0(interpolate(maps, scale_factor=2))


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1x1_theta, self.conv1x1_phi = (spectral(nn.Conv2d(channels, channels // 8, 1, bias=False)) for _ in range(2))
        self.conv1x1_g = spectral(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.conv1x1_attn = spectral(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.sigma = nn.Parameter(torch.full((1,), 0.7))

    def forward(self, maps: Tensor) -> Tensor:
        theta, phi, g = self.conv1x1_theta(maps), max_pool2d(self.conv1x1_phi(maps), 2), max_pool2d(self.conv1x1_g(maps), 2)
        share = torch.einsum("nchw,ncij->nhwij", theta, phi).flatten(3).softmax(3)
        seen = torch.einsum("nhwp,ncp->nchw", share, g.flatten(2))
        return maps + self.sigma * self.conv1x1_attn(seen)


class BigGenerator(nn.Module):
    """32 pixels, attention after the second block."""

    def __init__(self) -> None:
        super().__init__()
        width = 4 * WIDTH
        self.linear0 = spectral(nn.Linear(CHUNK, width * 16))
        self.shared = nn.Embedding(CLASSES, EMBEDDING)
        layers = [Block(width, width, lambda channels: Gains(channels, CHUNK + EMBEDDING, False), spectral) for _ in range(3)]
        parts: list[nn.Module] = [*layers[:2], Attention(width), layers[2]]
        self.blocks = nn.ModuleList(nn.ModuleList([part]) for part in parts)
        self.bn4 = nn.BatchNorm2d(width, eps=1e-4)
        self.conv2d5 = spectral(nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        first, *chunks = latent.split(CHUNK, 1)
        maps = self.linear0(first).view(len(latent), -1, 4, 4)
        for (layer,) in self.blocks:  # type: ignore[misc]
            given = [] if isinstance(layer, Attention) else [torch.cat([self.shared(label), chunks.pop(0)], 1)]
            maps = layer(maps, *given)
        return self.conv2d5(self.bn4(maps).relu()).tanh()


class BigDiscriminator(nn.Module):
    """Weights only: their names and shapes."""

    def __init__(self) -> None:
        super().__init__()
        width = 4 * WIDTH
        self.blocks = nn.ModuleList()
        for before, short in ((3, True), (width, True), (width, False), (width, False)):
            block = nn.Module()
            if short:
                block.conv2d0 = spectral(nn.Conv2d(before, width, 1))
            block.conv2d1 = spectral(nn.Conv2d(before, width, 3, padding=1))
            block.conv2d2 = spectral(nn.Conv2d(width, width, 3, padding=1))
            self.blocks.append(nn.ModuleList([block]))
            self.blocks.append(nn.ModuleList([Attention(width)]))
        self.linear1 = spectral(nn.Linear(width, 1))
        self.embedding = spectral(nn.Embedding(CLASSES, width))


class Generator(nn.Module):
    """The backbone `resnet` at 64 pixels, with classes or without."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = [16 * WIDTH, 8 * WIDTH, 4 * WIDTH, 2 * WIDTH, WIDTH]
        self.linear0 = nn.Linear(CHUNK, widths[0] * 16)

        def norm(channels: int) -> nn.Module:
            return Gains(channels, classes, True) if classes else nn.BatchNorm2d(channels, eps=1e-4)

        pairs = pairwise(widths)
        self.blocks = nn.ModuleList(nn.ModuleList([Block(*pair, norm, lambda layer: layer)]) for pair in pairs)
        self.bn4 = nn.BatchNorm2d(widths[-1], eps=1e-4)
        self.conv2d5 = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latent: Tensor, *label: Tensor) -> Tensor:
        maps = self.linear0(latent).view(len(latent), -1, 4, 4)
        for (block,) in self.blocks:  # type: ignore[misc]
            maps = block(maps, *label)
        return self.conv2d5(self.bn4(maps).relu()).tanh()


def settled(network: nn.Module, *given: Tensor, passes: int) -> nn.Module:
    """The network after passes in training mode: statistics and singular vectors are found."""
    with torch.no_grad():
        for _ in range(passes):
            network(*given)
    return network.eval()


def saved(path: Path, network: nn.Module) -> Path:
    """As StudioGAN saves it, with what else it notes."""
    rest = {"seed": 1, "run_name": "test", "step": 3, "epoch": 0, "topk": "initialize", "best_fid": None, "optimizer": {}}
    torch.save({"state_dict": network.state_dict(), **rest}, path)
    return path


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.usefixtures("seeded")
def test_biggan_gives_the_same_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latent, label = torch.randn(6, 4 * CHUNK), torch.arange(6) % CLASSES
    network = settled(BigGenerator(), latent, label, passes=300)
    file = saved(tmp_path / "model=G_ema-best-weights-step=3.pth", network)
    judge = saved(tmp_path / "D.pth", BigDiscriminator())
    assert main(["import", str(file), "--discriminator", str(judge), "--out", str(tmp_path / "run")]) == 0
    assert "power iteration" in capsys.readouterr().out
    gan = zerosum.load(tmp_path / "run").gan
    given = {"label": torch.eye(CLASSES)[label]}
    images = gan.synthesise(latent.unflatten(1, (4, CHUNK)), given, FreshNoise(6))  # type: ignore[operator]
    expected = network(latent, label)
    assert expected.std() > 0.02
    torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-4)
    run = Run(tmp_path / "run")
    state = run.newest_state(torch.device("cpu"))
    assert state is not None
    theirs = torch.load(judge, weights_only=True)["state_dict"]
    fresh = build_gan(run.recipe(), run.card(), torch.device("cpu")).state_dict()
    for ours, name in {
        "blocks.1.1.theta.parametrizations.weight.original": "blocks.3.0.conv1x1_theta.weight_orig",
        "embed.parametrizations.weight.original": "embedding.weight_orig",
        "blocks.3.0.conv2.parametrizations.weight.0.u": "blocks.6.0.conv2d2.weight_u",
    }.items():
        assert torch.equal(state["gan"][f"discriminator.{ours}"], theirs[name])
        assert not torch.equal(fresh[f"discriminator.{ours}"], theirs[name])


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("classes", [0, 3])
def test_sngan_gives_the_same_images(classes: int, tmp_path: Path) -> None:
    latent, label = torch.randn(6, CHUNK), [torch.arange(6) % 3] if classes else []
    network = settled(Generator(classes), latent, *label, passes=50)
    assert main(["import", str(saved(tmp_path / "G.pth", network)), "--out", str(tmp_path / "run")]) == 0
    generator = zerosum.load(tmp_path / "run").gan.generator
    expected = network(latent, *label)
    assert expected.std() > 0.02
    images = generator(latent, *(torch.eye(3)[one] for one in label))  # type: ignore[operator]
    torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("seeded")
def test_what_is_built_differently_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(**changes: Tensor | None) -> str:
        tensors = BigGenerator().state_dict()
        for name, value in changes.items():
            tensors.pop(name.replace("__", "."), None)
            if value is not None:
                tensors[name.replace("__", ".")] = value
        torch.save({"state_dict": tensors}, tmp_path / "x.pth")
        assert main(["import", str(tmp_path / "x.pth"), "--out", str(tmp_path / "out")]) == 2
        return capsys.readouterr().err

    assert "deep_conv" in said(blocks__0__0__deconv0__weight=torch.zeros(1))
    assert "BigGAN-deep" in said(blocks__0__0__conv2d3__weight=torch.zeros(1))
    assert "no spectral norm" in said(linear0__weight_orig=None)
    assert "attention or spectral norm" in said(shared__weight=None)
    assert "unlike ours" in said(info_mix_linear__weight=torch.zeros(1))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("seeded")
def test_a_discriminator_with_a_classifier_is_left_out_and_said(tmp_path: Path) -> None:
    judge = BigDiscriminator()
    judge.linear2 = nn.Linear(4 * WIDTH, CLASSES)
    files = saved(tmp_path / "G.pth", BigGenerator()), saved(tmp_path / "D.pth", judge)
    assert main(["import", str(files[0]), "--discriminator", str(files[1]), "--out", str(tmp_path / "run")]) == 0
    assert "projection" in (tmp_path / "run" / "imported.json").read_text()
