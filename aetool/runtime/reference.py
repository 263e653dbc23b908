"""The reference: the operators of our graphs in NumPy alone, which also read as their specification.

The code shares nothing with ONNX Runtime: it runs where no ONNX Runtime can be installed, and is a witness of the
results of ONNX Runtime. Every product is that of one item, so the results do not depend on the batch. Weights are used
place by place of a kernel: the memory is that of the inputs and outputs, for kernels of every size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.bundle.gate import FLOAT, FLOAT16, INT64, KINDS, MODEL
from aetool.bundle.gate_protobuf import read_message
from aetool.runtime.reference_imported import IMPORTED

Array = npt.NDArray[Any]
Sides = Sequence[int]
"""Strides (down, right), or pads (top, left, bottom, right)."""
ZERO = np.zeros(1, np.float32)
"""The bias of a layer without one."""


def conv(
    x: Array, weights: Array, bias: Array = ZERO, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), **_: Any
) -> Array:
    """Return y[n, a, i, j] = bias[a] + the sum of weights[a, b, u, v] x[n, b, s i + u - p, s j + v - p]."""
    (down, right), (top, left, bottom, end) = strides, pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, end)))
    after, _before, high, wide = weights.shape
    height, width = (x.shape[2] - high) // down + 1, (x.shape[3] - wide) // right + 1
    kernel, y = np.ascontiguousarray(weights.transpose(2, 3, 0, 1)), np.zeros((len(x), after, height * width), x.dtype)
    for u, v in np.ndindex(high, wide):
        part = x[:, :, u : u + down * height : down, v : v + right * width : right]
        y += kernel[u, v] @ part.reshape(*x.shape[:2], -1)
    return y.reshape(len(x), after, height, width) + bias[:, None, None]


def conv_transpose(
    x: Array, weights: Array, bias: Array = ZERO, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), **_: Any
) -> Array:
    """Return y with y[n, a, s i + u - p, s j + v - p] = bias[a] + the sum of weights[b, a, u, v] x[n, b, i, j]."""
    (down, right), (top, left, bottom, end) = strides, pads
    (count, before, height, width), (_, after, high, wide) = x.shape, weights.shape
    kernel, x = np.ascontiguousarray(weights.transpose(2, 3, 1, 0)), x.reshape(count, before, -1)
    y = np.zeros((count, after, (height - 1) * down + high, (width - 1) * right + wide), x.dtype)
    for u, v in np.ndindex(high, wide):
        part = y[:, :, u : u + down * height : down, v : v + right * width : right]
        part += (kernel[u, v] @ x).reshape(part.shape)
    return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - end] + bias[:, None, None]


def gemm(x: Array, weights: Array, bias: Array = ZERO, transB: int = 0, **_: Any) -> Array:
    """Return y[n, a] = bias[a] + the sum of weights[b, a] x[n, b], with transB weights[a, b]."""
    y: Array = (x[:, None] @ (weights.T if transB else weights))[:, 0] + bias
    return y


OPERATORS: dict[str, Callable[..., Array]] = IMPORTED | {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": gemm,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Clip": lambda x, least, most: np.minimum(np.maximum(x, least), most),
    "Add": np.add,
    "Mul": np.multiply,
    "Reshape": lambda x, shape, **_: x.reshape(shape),
    "Flatten": lambda x, **_: x.reshape(len(x), -1),
    "Cast": lambda x, **_: x.astype(np.float32),
}
"""The operators that the gate allows. Attributes that are left out have a single value there."""

TYPES = {FLOAT: "<f4", INT64: "<i8", FLOAT16: "<f2"}
"""Types of numbers in a graph, as NumPy calls them."""


class Reference:
    """A graph that has passed the gate, at work in NumPy; `nodes` is the number of its nodes."""

    def __init__(self, graph: bytes) -> None:
        content = read_message(graph, MODEL)["graph"]
        (source,), (target,) = content["inputs"], content["outputs"]
        self.source, self.target = source["name"], target["name"]
        self.constants = {
            one["name"]: np.frombuffer(one["data"], TYPES[one["type"]]).reshape(one.get("dims", [])).copy()
            for one in content.get("constants", [])
        }
        self.constants[""] = np.empty(0)  # an input that is left out, as the region of Resize
        self.nodes = [
            (OPERATORS[node["operator"]], node["inputs"], node["outputs"][0], _attributes(node))
            for node in content["nodes"]
        ]

    def run(self, values: Array) -> Array:
        """Return the output (n, ...) of the graph for its input (n, ...), both float32."""
        known: dict[str, Array] = self.constants | {self.source: values}
        with np.errstate(all="ignore"):  # what is not finite in the output is refused by the codec
            for function, inputs, output, attributes in self.nodes:
                known[output] = function(*(known[name] for name in inputs), **attributes)
        return known[self.target]


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: next((one[kind] for kind in KINDS if kind in one), []) for one in node.get("attributes", [])}
