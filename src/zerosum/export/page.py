"""A generator as a page that runs in the visitor's browser: a folder with all it needs, opened from a disk or from any server.

The page's own files lie in `web/`. The ONNX file and ONNX Runtime's WebAssembly go into scripts as base64, for a page that is
opened from a disk may not fetch files.
"""

import base64
import gzip
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zerosum.caches import cache_folder
from zerosum.export.graph import Graph
from zerosum.export.onnx import Exported
from zerosum.game import HasReach
from zerosum.run import replacing
from zerosum.sampling import Sampler

WEB = Path(__file__).parent / "web"
RUNTIME, VERSION = "onnxruntime-web", "1.30.0"
"""The npm package that runs the file in the browser, and its tested version."""
RUNTIME_FILES = ("dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm")
CHUNK = 3 * 2**18
"""Bytes in one embedded text, of which a file has as many as it needs: browsers bound the length of a text."""
SIDE = 512
"""Pixels of the result a side to which dropped pictures are brought at first."""


@dataclass(frozen=True)
class Runtime:
    """What runs ONNX files in a browser."""

    code: bytes
    wasm: bytes

    @classmethod
    def read(cls, package: Path) -> "Runtime":
        """From a folder with the package, or the .tgz that npm makes of it.

        Raises:
            ValueError: it is something else.
            OSError: it cannot be read.
        """
        try:
            if package.is_dir():
                return cls(*((package / file).read_bytes() for file in RUNTIME_FILES))
            with tarfile.open(package) as archive:
                members = [archive.extractfile(f"package/{file}") for file in RUNTIME_FILES]
                return cls(*(member.read() for member in members if member is not None))
        except (FileNotFoundError, KeyError, tarfile.TarError, TypeError) as error:
            raise ValueError(
                f"--runtime {package} is not the npm package {RUNTIME} ({error}): give its folder, such as "
                f"node_modules/{RUNTIME}, or the file of `npm pack {RUNTIME}@{VERSION}`"
            ) from None


def find_runtime(package: Path | None) -> Runtime:
    """The runtime at a path, from the cache, or fetched by npm into the cache.

    Raises:
        ValueError: nothing usable lies there, or npm is missing or fails, with what to do.
    """
    if package is not None:
        return Runtime.read(package)
    kept = cache_folder() / "runtime" / f"{RUNTIME}-{VERSION}.tgz"
    if not kept.is_file():
        fetch_runtime(kept)
    return Runtime.read(kept)


def fetch_runtime(target: Path) -> None:
    """Let npm fetch the package.

    Raises:
        ValueError: npm is missing or fails.
    """
    npm, wanted = shutil.which("npm"), f"{RUNTIME}@{VERSION}"
    advice = f"run `npm pack {wanted}` where there is npm and a network, and give its file: --runtime {target.name}"
    if npm is None:
        raise ValueError(f"a page needs {wanted}, which npm fetches, but npm is not installed: install Node.js, or {advice}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [npm, "pack", wanted, "--silent"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        except subprocess.TimeoutExpired:
            raise ValueError(f"npm did not fetch {wanted} within 10 minutes: try again, or {advice}") from None
        made = list(Path(folder).glob("*.tgz"))
        if done.returncode or not made:
            raise ValueError(
                f"npm could not fetch {wanted}: {done.stderr.strip() or 'it made no file'}. Try again, or {advice}"
            )
        made[0].replace(target)


def write_page(folder: Path, exported: Exported, settings: Mapping[str, Any], runtime: Runtime) -> None:
    """Write the page's folder, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as new:
        for file in WEB.iterdir():
            shutil.copyfile(file, new / file.name)
        (new / "generator.onnx").write_bytes(exported.content)
        (new / "settings.js").write_text(f"const SETTINGS = {json.dumps(settings, indent=1)};\n", "utf-8")
        (new / "model.js").write_text(embedded("generator.onnx", exported.content), "utf-8")
        (new / "runtime.js").write_text(
            f"// ONNX Runtime Web {VERSION}, (c) Microsoft Corporation, MIT licence\n"
            + embedded("runtime.mjs", runtime.code)
            + embedded("runtime.wasm.gz", gzip.compress(runtime.wasm, mtime=0)),
            "utf-8",
        )


def embedded(name: str, content: bytes) -> str:
    """A file as a script that gives it to the page."""
    parts = (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))
    return "".join(f'embed("{name}", "{base64.b64encode(part).decode()}");\n' for part in parts)


def page_settings(
    sampler: Sampler,
    exported: Exported,
    recipe: Mapping[str, Any],
    directions: Sequence[tuple[str, Tensor]] = (),
    reverse: bool = False,
    title: str | None = None,
) -> dict[str, Any]:
    """What the page shows and how it uses the generator.

    Args:
        directions: name and shift of each, as far as one standard deviation.
        title: of the page; None: family and data.

    Raises:
        ValueError: the generator makes no pictures, or is given what a page has no control for.
    """
    gan, card = sampler.gan, sampler.card
    if exported.outputs[0] != "image" or gan.given - {"label", "source"}:
        raise ValueError(
            f"a page shows pictures made of chance, classes or pictures; {recipe['family']} is given "
            f"{', '.join(sorted(gan.given)) or 'nothing'} and makes {exported.outputs[0]}s: use --to onnx or safetensors"
        )
    graph = Graph(gan, reverse)
    return {
        "title": title or f"{recipe['family']} on {recipe['data']['path']}",
        "about": f"{'Pictures' if 'source' in gan.given else 'Images'} by a generative adversarial network: {sampler.name}.",
        "makes": exported.outputs[0],
        "inputs": [{"name": one.name, "shape": one.shape} for one in exported.inputs],
        "draws": {"latent": graph.first, "noise": graph.rest},
        "mapped": graph.is_mapped,
        "shift": [] if graph.space is None else graph.space.shape,
        "truncation": None if graph.space is None else truncation_range(graph),
        "label": {"classes": card.labels.classes or None, "columns": [asdict(column) for column in card.labels.columns]}
        if "label" in gan.given
        else None,
        "directions": [{"name": name, "vector": rounded(shift)} for name, shift in directions],
        "source": source_settings(graph) if "source" in gan.given else None,
    }


def rounded(values: Tensor) -> list[float]:
    """Numbers in six decimals, in one row."""
    return [round(value, 6) for value in values.flatten().tolist()]


def truncation_range(graph: Graph) -> dict[str, Any]:
    """The slider of the truncation; `off` is what its end stands for, None where it is a value like the others."""
    if graph.is_mapped:
        return {"min": 0, "max": 1.2, "step": 0.05, "off": None, "start": 1}
    assert graph.space is not None
    most = 1 if graph.space.distribution == "uniform" else 3
    return {"min": 0.1, "max": most, "step": 0.05, "off": graph.no_truncation, "start": graph.no_truncation}


def source_settings(graph: Graph) -> dict[str, Any]:
    """What the generator makes a picture of. One channel more than it makes says which pixels are known."""
    gan, (channels, height, width) = graph.gan, graph.given_shape("source")
    free = isinstance(gan, HasReach)
    scale = gan.scale if isinstance(gan, HasReach) else 1
    made = gan.shapes[gan.takes if graph.is_reversed else gan.makes][0]
    return {
        "channels": channels,
        "multiple": gan.multiple if isinstance(gan, HasReach) else 1,
        "scale": scale,
        "hole": channels == made + 1,
        "fixed": None if free else [width, height],
        "limit": SIDE // scale if free else max(width, height),
    }
