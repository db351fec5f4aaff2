"""A generator as an ONNX file: one graph without training's parts, compared with torch before it is given out."""

import contextlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from zerosum.export.graph import Graph, Input, prepared
from zerosum.game import HasReach
from zerosum.sampling import Sampler

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18
TOLERANCE = 1e-3
"""By how much an output may differ from torch's; images are in [-1, 1], so a grey level is 0.008."""
MOST_BYTES = 2_000_000_000
"""Of weights in one file: a protobuf message ends at 2 GiB."""


@dataclass(frozen=True)
class Exported:
    """A generator as an ONNX file."""

    content: bytes
    inputs: list[Input]
    outputs: list[str]
    difference: float
    """The largest difference of an output from torch's that was found."""
    cases: int
    """On how many batches it was looked for."""
    metadata: dict[str, str]
    """What the file says of itself, texts and JSON."""


def check_packages() -> None:
    """See that what exports and runs ONNX files is there.

    Raises:
        ImportError: a package is missing, with the line that installs it.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f'an ONNX file needs {", ".join(missing)}: pip install "zerosum[export]"')


def export_onnx(sampler: Sampler, recipe: Mapping[str, Any], reverse: bool = False) -> Exported:
    """The generator as ONNX, with what it is and how it is used inside.

    Args:
        recipe: of the run, as plain data.
        reverse: of two kinds of pictures, the way back.

    Raises:
        ImportError: a package is missing.
        ValueError: this generator cannot be exported, or computes something else there, with the reason.
    """
    check_packages()
    graph = Graph(sampler.gan.for_sampling().cpu(), reverse)
    size = sum(value.nbytes for value in graph.state_dict().values())
    if size > MOST_BYTES:
        raise ValueError(f"weights of {size / 1e9:.1f} GB do not go into one ONNX file, which holds 2 GB: use --to safetensors")
    model = traced(graph, str(recipe["family"]))
    metadata = describe(graph, sampler, recipe)
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=value)
    model.doc_string = metadata["about"]
    content: bytes = model.SerializeToString()
    difference, cases = compare(graph, content)
    return Exported(content, graph.inputs(), graph.outputs(), difference, cases, metadata)


def traced(graph: Graph, family: str) -> Any:
    """The graph as an ONNX model, without notes on where in our sources each operation comes from.

    Raises:
        ValueError: it cannot be traced, with the reason.
    """
    plain, names = prepared(graph), [one.name for one in graph.inputs()]
    made = graph.expected(*graph.example(2, 0, graph.no_truncation))[0]
    if not made.is_floating_point():
        raise ValueError(f"{family} cannot be exported: it makes {graph.gan.makes}, chosen one after the other, no picture")
    sides = example_sides(graph, 3, 4)
    example = tuple(graph.example(3, 0, graph.no_truncation, 1.0, sides))
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(plain, example, dynamic_shapes=(free_sizes(graph),))
            keep_epsilons(program)
            settings: dict[str, Any] = {"input_names": names, "output_names": graph.outputs(), "opset_version": OPSET}
            made_of = torch.onnx.export(program, dynamo=True, verbose=False, **settings)
    except Exception as error:  # those of torch's exporter have no class in common
        raise ValueError(f"{family} cannot be exported: {first_line(error)}") from error
    assert made_of is not None
    model = made_of.model_proto
    name_sizes(model, graph)
    for part in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del model.graph.value_info[:]
    return model


def keep_epsilons(program: torch.export.ExportedProgram) -> None:
    """Make what is tiny and added a little larger: the exporter's optimiser takes 1e-8 for 0, and leaves it out."""
    for node in program.graph.nodes:
        node.args = tuple(1.01 * value if isinstance(value, float) and 0 < value <= 1e-8 else value for value in node.args)


def free_sizes(graph: Graph) -> tuple[dict[int, Any], ...]:
    """For every input, which of its sizes are free."""
    multiple = graph.gan.multiple if isinstance(graph.gan, HasReach) else 1
    free: dict[str, Any] = {"N": torch.export.Dim("N")}
    for name in ("H", "W"):
        side = torch.export.Dim(name.lower())
        free[name] = multiple * side if multiple > 1 else side
    return tuple({place: free[size] for place, size in enumerate(one.shape) if isinstance(size, str)} for one in graph.inputs())


def name_sizes(model: Any, graph: Graph) -> None:
    """Name the free sizes of inputs and outputs as they are documented."""
    for value, one in zip(model.graph.input, graph.inputs(), strict=True):
        for dimension, size in zip(value.type.tensor_type.shape.dim, one.shape, strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
    for value in model.graph.output:
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    if isinstance(graph.gan, HasReach):
        scale = f"{graph.gan.scale}*" if graph.gan.scale > 1 else ""
        for dimension, size in zip(model.graph.output[0].type.tensor_type.shape.dim[2:], "HW", strict=True):
            dimension.dim_param = scale + size


def example_sides(graph: Graph, rows: int, columns: int) -> tuple[int, int] | None:
    """Height and width of so many multiples of the least, at least a quarter of the data's, where they are free."""
    if "source" not in graph.gan.given or not isinstance(graph.gan, HasReach):
        return None
    side = graph.given_shape("source")[-1]
    unit = graph.gan.multiple * max(1, side // 4 // graph.gan.multiple)
    return rows * unit, columns * unit


def compare(graph: Graph, content: bytes) -> tuple[float, int]:
    """The largest difference between ONNX Runtime's outputs and torch's, and on how many batches.

    Raises:
        ValueError: it is above the tolerance, or ONNX Runtime cannot run the file.
    """
    session, names = open_session(content), [one.name for one in graph.inputs()]
    off = graph.no_truncation
    settings: list[tuple[int, float, float]] = [(1, off, 0.0), (3, off, 1.0)]
    if graph.space is not None:
        settings += [(2, 0.7, 0.0), (5, 0.5 if graph.is_mapped else 2.0, 0.5)]
    worst = 0.0
    for number, (n, truncation, strength) in enumerate(settings):
        sides = example_sides(graph, 3 + number, 5 - number)
        tensors = graph.example(n, 100 * number, truncation, strength, sides)
        found = session.run(graph.outputs(), {name: value.numpy() for name, value in zip(names, tensors, strict=True)})
        for ours, theirs in zip(graph.expected(*tensors), found, strict=True):
            difference = (ours - torch.from_numpy(theirs)).abs().max().item() if ours.shape == theirs.shape else float("nan")
            if not difference <= TOLERANCE:
                raise ValueError(
                    f"the exported generator differs from torch's by {difference:.2g}, above {TOLERANCE:g} "
                    f"(batch of {n}, truncation {truncation:g}): it is not written"
                )
            worst = max(worst, difference)
    return worst, len(settings)


def open_session(content: bytes) -> Any:
    """An ONNX file, ready to run on a CPU."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def describe(graph: Graph, sampler: Sampler, recipe: Mapping[str, Any]) -> dict[str, str]:
    """What the file says of itself."""
    labels, shape = sampler.card.labels, graph.gan.shapes[graph.gan.makes]
    family = str(recipe["family"])
    told = {
        "about": f"{family}, trained with zerosum: {sampler.name or 'a generator'}",
        "family": family,
        "recipe": json.dumps(recipe),
        "checkpoint": sampler.name,
        "makes": graph.outputs()[0],
        "range": "[-1, 1]" if len(shape) == 3 else "as the data's own",
        "inputs": json.dumps([asdict(one) for one in graph.inputs()]),
        "draws": json.dumps({"latent": graph.first, "noise": graph.rest}),
        "license": "not stated by its author",
    }
    if graph.space is not None:
        kind = "w" if graph.is_mapped else "z"
        told["latent"] = json.dumps({"kind": kind, "shape": graph.space.shape, "no_truncation": graph.no_truncation})
    if "label" in graph.gan.given:
        columns = [asdict(column) for column in labels.columns]
        told |= {"classes": json.dumps(labels.classes), "columns": json.dumps(columns)}
    if isinstance(graph.gan, HasReach):
        told |= {"scale": str(graph.gan.scale), "multiple": str(graph.gan.multiple)}
    return told


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's exporter and what it calls from printing, logging and warning about what they do."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def first_line(error: BaseException) -> str:
    """The cause of torch's report, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
