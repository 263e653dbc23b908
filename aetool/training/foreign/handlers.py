"""The handlers of operators of other tools: each rewrites a node, or refuses it with what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx

from aetool.bundle.gate_operators import Refused
from aetool.training.foreign import layers, operators
from aetool.training.foreign.constants import Array
from aetool.training.foreign.draft import Draft, refuse_unless
from aetool.training.foreign.movement import Value, plain, whole

Known: TypeAlias = Value | Array | None


MOST_LIVE = 1 << 27
"""Numbers and places that are known at a time; a GiB."""


@dataclass(eq=False)
class Walk:
    """Where the rewriting stands: the draft, what is known of each tensor of the source, and a batch frozen inside.

    `left` counts the nodes that are still to read a tensor; what nothing will read is forgotten.
    """

    draft: Draft
    known: dict[str, Known]
    left: Counter[str]
    frozen: int | None = None

    def keep(self, name: str, value: Known) -> None:
        """Note what a tensor is; raises `Refused` where too much is known at a time."""
        self.known[name] = value
        live = sum(_size(one) for one in self.known.values()) if _size(value) > 1 << 16 else 0
        refuse_unless(live <= MOST_LIVE, "it needs more memory than any model of ours")

    def read(self, names: Sequence[str]) -> None:
        """Note that a node has read tensors."""
        for name in names:
            self.left[name] -= 1
            if not self.left[name]:
                self.known.pop(name, None)


def _size(value: Known) -> int:
    return 0 if value is None else value.places.size if isinstance(value, Value) else value.size


@dataclass(frozen=True, eq=False)
class Call:
    """A node of the source at work: its inputs, attributes, and the walk."""

    walk: Walk
    operator: str
    inputs: list[Known]
    attributes: dict[str, Any]

    @property
    def draft(self) -> Draft:
        """The draft."""
        return self.walk.draft

    def value(self, at: int = 0) -> Value:
        """Return an input that is computed from the images or latents; raises `Refused` for any other."""
        found = self.inputs[at] if at < len(self.inputs) else None
        if not isinstance(found, Value):
            raise Refused("its first input is computed from the input of the graph")
        return found

    def constant(self, at: int, name: str = "") -> Array | None:
        """Return an input or, of older operators, an attribute that is constant, None for none; raises `Refused`."""
        found = self.inputs[at] if at < len(self.inputs) else None
        if found is None and name in self.attributes:
            return np.asarray(self.attributes[name])
        if isinstance(found, Value):
            raise Refused("its further inputs are constants")
        return found

    def numbers(self, at: int) -> Array:
        """Return a constant input that must be there; raises `Refused`."""
        found = self.constant(at)
        if found is None:
            raise Refused("it lacks a constant input")
        return found


def _convolution(call: Call) -> Value:
    make = layers.conv if call.operator == "Conv" else layers.conv_transpose
    return make(call.draft, call.value(), call.numbers(1), call.constant(2), call.attributes)


def _gemm(call: Call) -> Value:
    a = call.attributes
    refuse_unless(not a.get("transA", 0), "transA is 0")
    weights = call.numbers(1) * np.float32(a.get("alpha", 1.0))
    bias = call.constant(2)
    scaled = None if bias is None else bias * np.float32(a.get("beta", 1.0))
    return layers.gemm(call.draft, call.value(), weights.T if a.get("transB", 0) else weights, scaled)


def _matmul(call: Call) -> Value:
    return layers.gemm(call.draft, call.value(), call.numbers(1), None)


def _activation(call: Call) -> Value:
    return operators.activation(call.draft, call.operator, call.value(), call.attributes)


def _norm(call: Call) -> Value:
    refuse_unless(not call.attributes.get("training_mode", 0), "a BatchNormalization is exported for use, not training")
    scale, shift, mean, variance = (call.numbers(at).astype(np.float64) for at in range(1, 5))
    factor = scale / np.sqrt(variance + call.attributes.get("epsilon", 1e-5))
    value = call.value()
    shape = (-1, *[1] * (len(value.shape) - 1))
    return operators.affine(call.draft, value, factor.reshape(shape), (shift - mean * factor).reshape(shape))


def _arithmetic(call: Call) -> Value:
    """Add, Sub, Mul and Div of two tensors, or of a tensor and a constant."""
    a, b = (*call.inputs, None)[:2]
    draft, operator = call.draft, call.operator
    if isinstance(a, Value) and isinstance(b, Value):
        refuse_unless(operator != "Div", "a tensor is divided by constants alone")
        if operator == "Sub":
            operator, b = "Add", operators.times(draft, b, -1)
        return operators.both(draft, operator, a, b)
    value, constant = (a, b) if isinstance(a, Value) else (b, a)
    if not isinstance(value, Value) or len(call.inputs) != 2:
        raise Refused("a tensor and a constant, or two tensors, are expected")
    number = np.asarray(constant, np.float32)
    first = isinstance(a, Value)
    refuse_unless(first or operator != "Div", "a constant is not divided by a tensor")
    if operator in ("Mul", "Div"):
        factor = number if operator == "Mul" else 1 / number.astype(np.float64)
        return operators.affine(draft, value, factor, 0)
    sign = 1 if first or operator == "Add" else -1
    return operators.affine(draft, value, sign, -number if operator == "Sub" and first else number)


def _bound(call: Call) -> Value:
    """Max and Min with a number."""
    value, constant = (0, 1) if isinstance(call.inputs[0], Value) else (1, 0)
    refuse_unless(len(call.inputs) == 2, "a Max or Min compares a tensor with a number")
    bound = call.numbers(constant)
    low, high = (bound, None) if call.operator == "Max" else (None, bound)
    return operators.clip(call.draft, call.value(value), low, high)


def _clip(call: Call) -> Value:
    return operators.clip(call.draft, call.value(), call.constant(1), call.constant(2))


def _hard_sigmoid(call: Call) -> Value:
    alpha, beta = (np.float32(call.attributes.get(name, usual)) for name, usual in (("alpha", 0.2), ("beta", 0.5)))
    value = operators.affine(call.draft, call.value(), alpha, beta)
    return operators.clip(call.draft, value, np.zeros(1), np.ones(1))


def _pool(call: Call) -> Value:
    return layers.pool(call.draft, call.operator, call.value(), call.attributes)


def _global(call: Call) -> Value:
    if call.operator == "GlobalAveragePool":
        return whole(call.draft, call.draft.emit("GlobalAveragePool", plain(call.draft, call.value())))
    return layers.pool_all(call.draft, "MaxPool", call.value(), [1, 2], True)


def _mean(call: Call) -> Value:
    axes = call.constant(1, "axes")
    refuse_unless(axes is not None, "a mean says its axes")
    chosen = operators.item_axes(np.asarray(axes).tolist(), len(call.value().shape) + 1)
    return layers.pool_all(call.draft, "AveragePool", call.value(), chosen, bool(call.attributes.get("keepdims", 1)))


def _reshape(call: Call) -> Value:
    keeps = bool(call.attributes.get("allowzero", 0))
    value, frozen = operators.reshaped(call.value(), call.numbers(1).tolist(), keeps)
    call.walk.frozen = frozen or call.walk.frozen
    return value


def _flatten(call: Call) -> Value:
    refuse_unless(call.attributes.get("axis", 1) in (1, -len(call.value().shape)), operators.ITEMS)
    return operators.reshaped(call.value(), [-1, call.value().places.size], True)[0]


def _axes(call: Call) -> list[int] | None:
    axes = call.constant(1, "axes")
    return None if axes is None else np.asarray(axes).ravel().tolist()


def _squeeze(call: Call) -> Value:
    return operators.squeezed(call.value(), _axes(call))


def _unsqueeze(call: Call) -> Value:
    axes = _axes(call)
    refuse_unless(axes is not None, "an Unsqueeze says its axes")
    return operators.unsqueezed(call.value(), axes or [])


def _slice(call: Call) -> Value:
    return operators.sliced(call.value(), call.numbers(1), call.numbers(2), call.constant(3), call.constant(4))


def _pad(call: Call) -> Value:
    pads, value = call.numbers(1).tolist(), call.value()
    fill, axes = call.constant(2), call.constant(3)
    rank = len(value.shape) + 1
    chosen = list(range(rank)) if axes is None else [int(axis) % rank for axis in axes]
    around = dict.fromkeys(range(rank), (0, 0)) | dict(zip(chosen, zip(pads[: len(chosen)], pads[len(chosen) :],
                                                                        strict=True), strict=True))  # fmt: skip
    if not any(map(any, around.values())):
        return value
    zero = call.attributes.get("mode", "constant") == "constant" and (fill is None or not fill.any())
    sides = [axis for axis in range(rank) if any(around[axis])]
    refuse_unless(zero and rank == 4 and len(sides) <= 2 and 0 not in sides and min(min(around.values())) >= 0,
                  "a Pad puts zeros around the two sides of an image")  # fmt: skip
    last = ([axis for axis in (3, 2, 1) if axis not in sides] + sides)[-2:]
    order = [axis - 1 for axis in (*({1, 2, 3} - set(last)), *sorted(last))]
    (top, bottom), (left, right) = around[order[1] + 1], around[order[2] + 1]
    made = layers.padded(call.draft, value.moved(value.places.transpose(order)), [top, left, bottom, right])
    return made.moved(made.places.transpose(np.argsort(order)))


def _resize(call: Call) -> Value:
    scales = call.constant(2) if call.operator == "Resize" else call.constant(1)
    return operators.resized(call.value(), scales, call.constant(3), call.attributes)


def _gather(call: Call) -> Value:
    return operators.gathered(call.value(), call.numbers(1), int(call.attributes.get("axis", 0)))


def _cast(call: Call) -> Value:
    refuse_unless(call.attributes.get("to") == onnx.TensorProto.FLOAT, "numbers are float32")
    return call.value()


HANDLERS: dict[str, Callable[[Call], Value]] = {
    "Conv": _convolution, "ConvTranspose": _convolution, "Gemm": _gemm, "MatMul": _matmul, "BatchNormalization": _norm,
    **dict.fromkeys(operators.SAME, _activation), "Clip": _clip, "Max": _bound, "Min": _bound,
    "HardSigmoid": _hard_sigmoid, "PRelu": lambda call: operators.prelu(call.draft, call.value(), call.numbers(1)),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    "Neg": lambda call: operators.times(call.draft, call.value(), -1),
    "MaxPool": _pool, "AveragePool": _pool, "GlobalAveragePool": _global, "GlobalMaxPool": _global, "ReduceMean": _mean,
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Slice": _slice,
    "Transpose": lambda call: operators.transposed(call.value(), call.attributes.get("perm")),
    "Tile": lambda call: operators.tiled(call.value(), call.numbers(1)),
    "Expand": lambda call: operators.expanded(call.value(), call.numbers(1)),
    "Gelu": lambda call: operators.gelu(call.draft, call.value(), call.attributes.get("approximate", "none")),
    "DepthToSpace": lambda call: layers.depth_to_space(call.draft, call.value(), call.attributes),
    "Gather": _gather, "Pad": _pad, "Resize": _resize, "Cast": _cast,
    "Identity": Call.value, "Dropout": Call.value,
}  # fmt: skip
"""Operators of other tools that can be rewritten."""
