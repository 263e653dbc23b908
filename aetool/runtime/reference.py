"""The reference: the operators of our graphs in NumPy alone, which also read as their specification.

The code shares nothing with ONNX Runtime: it runs where no ONNX Runtime can be installed, and is a witness of the
results of ONNX Runtime. Every product is that of one item, so the results do not depend on the batch. Weights are used
place by place of a kernel: the memory is that of the inputs and outputs, for kernels of every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.bundle.gate import FLOAT, FLOAT16, INT64, KINDS, MODEL
from aetool.bundle.gate_protobuf import read_message

Array = npt.NDArray[Any]
Sides = Sequence[int]
"""Strides (down, right), or pads (top, left, bottom, right)."""

TYPES = {FLOAT: "<f4", INT64: "<i8", FLOAT16: "<f2"}
"""Types of numbers in a graph, as NumPy calls them."""


def conv(
    x: Array, weights: Array, bias: Array | None = None, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), **_: Any
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
    return _biased(y.reshape(len(x), after, height, width), bias)


def conv_transpose(
    x: Array, weights: Array, bias: Array | None = None, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), **_: Any
) -> Array:
    """Return y with y[n, a, s i + u - p, s j + v - p] = bias[a] + the sum of weights[b, a, u, v] x[n, b, i, j]."""
    (down, right), (top, left, bottom, end) = strides, pads
    (count, before, height, width), (_, after, high, wide) = x.shape, weights.shape
    kernel, x = np.ascontiguousarray(weights.transpose(2, 3, 1, 0)), x.reshape(count, before, -1)
    y = np.zeros((count, after, (height - 1) * down + high, (width - 1) * right + wide), x.dtype)
    for u, v in np.ndindex(high, wide):
        part = y[:, :, u : u + down * height : down, v : v + right * width : right]
        part += (kernel[u, v] @ x).reshape(part.shape)
    return _biased(y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - end], bias)


def _biased(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + bias[:, None, None]


def gemm(x: Array, weights: Array, bias: Array | float = 0, transB: int = 0, **_: Any) -> Array:
    """Return y[n, a] = bias[a] + the sum of weights[b, a] x[n, b], with transB weights[a, b]."""
    y: Array = (x[:, None] @ (weights.T if transB else weights))[:, 0] + bias
    return y


def max_pool(x: Array, kernel_shape: Sides, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), **_: Any) -> Array:
    """Return the largest value of each window."""
    largest: Array = _windows(x, kernel_shape, strides, pads, -np.inf).max((4, 5))
    return largest


def average_pool(
    x: Array,
    kernel_shape: Sides,
    strides: Sides = (1, 1),
    pads: Sides = (0, 0, 0, 0),
    count_include_pad: int = 0,
    **_: Any,
) -> Array:
    """Return the mean of each window, without its padding unless `count_include_pad`."""
    total = _windows(x, kernel_shape, strides, pads, 0).sum((4, 5))
    counted = _windows(np.ones_like(x[:1, :1]), kernel_shape, strides, pads, count_include_pad).sum((4, 5))
    mean: Array = total / counted
    return mean


def _windows(x: Array, kernel: Sides, strides: Sides, pads: Sides, fill: float) -> Array:
    """Return the windows (n, c, i, j, u, v) of images, with `fill` in their padding."""
    (down, right), (top, left, bottom, end) = strides, pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, end)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), (2, 3))[:, :, ::down, ::right]


def elu(x: Array, alpha: float = 1.0, gamma: float = 1.0) -> Array:
    """Return gamma x above 0, and gamma alpha (exp(x) - 1) below."""
    return np.float32(gamma) * np.where(x < 0, np.float32(alpha) * np.expm1(x), x)


SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""The usual alpha and gamma of Selu."""

OPERATORS: dict[str, Callable[..., Array]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": gemm,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "LeakyRelu": lambda x, alpha=0.01: np.where(x < 0, np.float32(alpha) * x, x),
    "Elu": elu,
    "Selu": lambda x, alpha=SELU[0], gamma=SELU[1]: elu(x, alpha, gamma),
    "Erf": lambda x: np.vectorize(math.erf, otypes=[np.float32])(x),
    "HardSwish": lambda x: x * np.clip(x / 6 + np.float32(0.5), 0, 1),
    "Clip": lambda x, least, most: np.minimum(np.maximum(x, least), most),
    "Add": np.add,
    "Mul": np.multiply,
    "Reshape": lambda x, shape, **_: x.reshape(shape),
    "Flatten": lambda x, **_: x.reshape(len(x), -1),
    "Transpose": lambda x, perm: x.transpose(perm),
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdims=True),
    "Resize": lambda x, _region, scales, **_: x.repeat(int(scales[2]), 2).repeat(int(scales[3]), 3),
    "Cast": lambda x, **_: x.astype(np.float32),
}
"""The operators that the gate allows. Attributes that are left out have a single value there."""


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
