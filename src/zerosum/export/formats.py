"""The known origins of checkpoints, and which one a file is of."""

from collections.abc import Collection

from zerosum.export.biggan_pytorch import BIGGAN_PYTORCH
from zerosum.export.cyclegan_pix2pix import CYCLEGAN_PIX2PIX
from zerosum.export.dcgan_example import DCGAN_EXAMPLE
from zerosum.export.importer import Imported, Importer
from zerosum.export.networks import Checkpoint
from zerosum.export.nvidia import NVIDIA
from zerosum.export.r3gan import R3GAN
from zerosum.export.realesrgan import REALESRGAN
from zerosum.export.studiogan import STUDIOGAN

FORMATS: dict[str, Importer] = {
    "nvidia": NVIDIA,
    "biggan-pytorch": BIGGAN_PYTORCH,
    "r3gan": R3GAN,
    "dcgan-example": DCGAN_EXAMPLE,
    "studiogan": STUDIOGAN,
    "realesrgan": REALESRGAN,
    "cyclegan-pix2pix": CYCLEGAN_PIX2PIX,
}
"""By the name that `--format` takes."""


def find_format(names: Collection[str], wanted: str | None = None) -> str:
    """The format of a generator with tensors of these names.

    Raises:
        ValueError: an unknown name for a format, or the tensors are of no known one, or of several.
    """
    known = "\n  ".join(f"{name:<18}{importer.about}" for name, importer in FORMATS.items())
    if wanted is not None:
        if wanted not in FORMATS:
            raise ValueError(f"unknown format {wanted!r}; known are\n  {known}")
        return wanted
    found = [name for name, importer in FORMATS.items() if importer.detect(names)]
    if len(found) == 1:
        return found[0]
    some = ", ".join(sorted(names)[:6])
    if found:
        raise ValueError(f"its tensors ({some} ...) could be of {' or '.join(found)}: say which with --format")
    raise ValueError(
        f"its {len(names)} tensors ({some} ...) are of no known generator (a discriminator goes into "
        f"--discriminator); known are\n  {known}"
    )


def translated(checkpoint: Checkpoint, name: str) -> Imported:
    """The checkpoint in our words, by the format of that name.

    Raises:
        ValueError: it is not of that format, or has something that the family here has not.
    """
    try:
        return FORMATS[name].read(checkpoint)
    except KeyError as error:
        raise ValueError(f"as {name} it lacks the tensor {error}; leave out --format to have it found") from None
    except (IndexError, AttributeError, TypeError) as error:
        raise ValueError(f"as {name} its tensors have other shapes than expected ({error})") from None
