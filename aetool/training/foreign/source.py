"""Graphs of other tools: read whole, refused where they cannot become a bundle, and run as they are for comparison."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
import onnx.version_converter

from aetool.arrays import OneLine
from aetool.bundle.folder import MAX_BYTES
from aetool.bundle.gate import MAX_NODES, OPSET
from aetool.errors import BundleError, ReadWriteError, printable
from aetool.runtime.devices import first_line, open_session
from aetool.system.reading import read_file

if TYPE_CHECKING:
    import onnxruntime as ort

Floats = npt.NDArray[np.float32]
Dims = tuple[int | None, ...]
"""Sizes that a graph declares; None where any will do."""

RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
MOST = MAX_BYTES["encoder.onnx"]
"""Bytes of the largest graph, and of its weights in another file."""
RUN, MOST_ITEMS = 64, 4096
"""Items of a run of a graph that takes any number of them, and most items of a run of one that takes a fixed number."""


@dataclass(frozen=True)
class Tensor:
    """The input or output of a graph: its name, and the declared sizes with the batch, () where none are declared."""

    name: str
    dims: Dims


@dataclass(frozen=True, eq=False, repr=False)
class Source(OneLine):
    """The graph of another tool.

    part     "encoder" or "decoder", for sentences
    data     the graph as it is, with its weights inside
    model    the graph in our opset
    made_by  the tool that wrote the graph, and the opset
    """

    part: str
    data: bytes
    model: Any
    input: Tensor
    output: Tensor
    made_by: str

    def grows(self) -> bool | None:
        """Return whether a larger item comes out than goes in by what is declared; None where that is not told."""
        inner, outer = self.input.dims[1:], self.output.dims[1:]
        if not inner or not outer:
            return None
        sizes = [[size for size in dims if size is not None] for dims in (inner, outer)]
        into, out = map(math.prod, sizes) if None not in inner + outer else map(len, (inner, outer))
        return None if into == out else into < out

    @cached_property
    def _session(self) -> ort.InferenceSession:
        return open_session(self.data, "cpu", 1)

    def run(self, values: Floats, batch: int | None) -> Floats:
        """Return the output for values (n, ...), computed `batch` items at a time; raises `BundleError`."""
        size, parts = batch or RUN, []
        if size > MOST_ITEMS:
            raise BundleError(f"the {self.part} takes {size:,} items at a time, and at most {MOST_ITEMS:,} are run")
        for start in range(0, len(values), size):
            part = values[start : start + size]
            missing = size - len(part) if batch else 0  # a frozen batch is always a whole one
            given = np.concatenate([part, np.repeat(part[:1], missing, axis=0)])
            try:
                (out,) = self._session.run(None, {self.input.name: given})
            except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
                raise BundleError(f"the {self.part} fails on the images: {printable(first_line(error))}") from error
            if out.shape[:1] != given.shape[:1]:
                raise BundleError(f"the {self.part} gives {out.shape} for {given.shape}: other items than it got")
            if not np.isfinite(out).all():
                raise BundleError(f"the {self.part} gives numbers that are not finite")
            parts.append(out[: len(part)])
        return np.concatenate(parts)


@contextlib.contextmanager
def onnx_errors(part: str, what: str) -> Iterator[None]:
    """Turn the errors of the onnx library, which are of many kinds, into a `BundleError`."""
    try:
        yield
    except (BundleError, ReadWriteError):
        raise
    except Exception as error:
        raise BundleError(f"the {part} {what}: {printable(first_line(error))}") from error


def read_source(path: Path, part: str) -> Source:
    """Return the graph in a file; raises `ReadWriteError`, `LimitExceeded`, and `BundleError` for what is refused."""
    data = read_file(path, MOST)
    with onnx_errors(part, "is no ONNX graph"):
        model = onnx.load_from_string(data)
    if not model.graph.node:
        raise BundleError(f"the {part} is no ONNX graph, or an empty one")
    _take_in_weights(model, path, part)
    _check_functions(model, part)
    with onnx_errors(part, "has functions that cannot be put in place"):
        model = onnx.inliner.inline_local_functions(model) if model.functions else model
    _check_nodes(model, part)
    source, target = _single(model, part)
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)
    tool = f"{model.producer_name} {model.producer_version}".strip() or "an unnamed tool"
    whole = model.SerializeToString()
    return Source(part, whole, _converted(model, opset, part), source, target, printable(f"{tool}, opset {opset}"))


def _take_in_weights(model: Any, path: Path, part: str) -> None:
    """Put weights into the graph that lie in another file beside it, as PyTorch writes them."""
    files: dict[str, bytes] = {}
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL and not tensor.external_data:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = entries.get("location", "")
        if not name or name in (".", "..") or set(name) & set("/\\\0"):
            raise BundleError(f"the {part} names weights in {printable(name)[:80]}, which is not a file beside it")
        if name not in files:
            files[name] = read_file(path.parent / name, MOST)
        with onnx_errors(part, "names weights that are not there"):
            start = int(entries.get("offset", 0))
            end = start + int(entries["length"]) if "length" in entries else None
            tensor.raw_data = files[name][start:end]
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")


def _tensors(model: Any) -> Iterator[Any]:
    """Yield every tensor with numbers outside of sub-graphs, which are refused."""
    yield from model.graph.initializer
    for sparse in model.graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in (node for part in (model.graph, *model.functions) for node in part.node):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors, attribute.sparse_tensor.values)


def _check_functions(model: Any, part: str) -> None:
    """Refuse functions that become more nodes than the gate passes, before they are put in place of their calls."""
    bodies = {(f.domain, f.name): f.node for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, above: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in above:
                raise BundleError(f"the {part} has functions that call themselves")
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key], (*above, key))
            total += sizes.get(key, 1)
        return total

    if model.functions and size(model.graph.node, ()) > 10 * MAX_NODES:
        raise BundleError(f"the {part} has more than {10 * MAX_NODES:,} nodes")


def _check_nodes(model: Any, part: str) -> None:
    """Refuse random numbers, sub-graphs, and operators of other domains, by name."""
    if len(model.graph.node) > 10 * MAX_NODES:
        raise BundleError(f"the {part} has {len(model.graph.node):,} nodes, over {10 * MAX_NODES:,}")
    for node in model.graph.node:
        who = called(node)
        if node.op_type in RANDOM:
            why = "a variational autoencoder that samples inside cannot be proven"
            raise BundleError(f"the {part} draws random numbers ({who}): {why}; export its mean as the latents")
        if any(attribute.type in (5, 10) for attribute in node.attribute):
            raise BundleError(f"the {part} has a graph inside a node ({who}): loops and branches are not allowed")
        known = isinstance(node.op_type, str) and onnx.defs.has(node.op_type)  # bytes, where it is no UTF-8
        if node.domain not in ("", "ai.onnx") or not known:
            raise BundleError(f"the {part} uses an operator that is not of ONNX itself ({who})")


def called(node: Any) -> str:
    """Return operator and name of a node, the name of its first output where it has none."""
    domain = f"{node.domain}." if node.domain else ""
    name = node.name or (list(node.output) or [""])[0]
    return printable(f'{domain}{node.op_type} "{name[-60:]}"')


def _single(model: Any, part: str) -> tuple[Tensor, Tensor]:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    found = []
    for kind, values, hint in (("input", inputs, ""), ("output", list(model.graph.output), "; export the mean alone")):
        if len(values) != 1:
            names = printable(", ".join(value.name for value in values)[:120])
            hint = hint if part == "encoder" else ""
            raise BundleError(f"the {part} has {len(values)} {kind}s ({names}), and a single one is expected{hint}")
        tensor = values[0].type.tensor_type
        if tensor.elem_type != onnx.TensorProto.FLOAT:
            known = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
            found_type = known.get(tensor.elem_type, "another type")
            raise BundleError(f"the {kind} of the {part} is of {found_type}, and float32 is expected")
        dims = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)  # -1 is any, to some
        found.append(Tensor(values[0].name, dims))
    return found[0], found[1]


def _converted(model: Any, opset: int, part: str) -> Any:
    """Return the model in our opset. Newer operators keep their form, and the proof tells where they do not."""
    if opset > OPSET:
        model = onnx.ModelProto.FromString(model.SerializeToString())
        del model.opset_import[:]
        model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
        return model
    with onnx_errors(part, f"is of opset {opset}, which cannot be brought to {OPSET}"):
        return onnx.version_converter.convert_version(model, OPSET) if opset < OPSET else model
