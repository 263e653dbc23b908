"""Nodes of a graph that work on constants alone, as the chains that compute shapes: computed once, and gone."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator

from aetool.bundle.gate import OPSET
from aetool.bundle.gate_operators import Refused

Array: TypeAlias = npt.NDArray[Any]

FOLDABLE = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Expand", "Flatten", "Floor", "Gather",
    "Greater", "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Pow", "Range", "Reciprocal", "ReduceMax",
    "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round", "ScatterND", "Shape", "Size", "Slice", "Split", "Sqrt",
    "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
"""Operators that are computed where all their inputs are constants."""
MOST_VALUES = 1 << 25
"""Values of the largest constant that is computed."""


def attributes_of(node: Any) -> dict[str, Any]:
    """Return the attributes of a node by name, texts as str."""
    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for name, value in found.items()
    }


def constant_of(node: Any) -> Array:
    """Return the value of a Constant node; raises `Refused`."""
    for name, value in attributes_of(node).items():
        if name == "value":
            return np.asarray(onnx.numpy_helper.to_array(value))
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
    raise Refused("a constant that holds no numbers")


def fold(node: Any, inputs: list[Array | None]) -> list[Array]:
    """Return the outputs of a node whose inputs are constants; raises `Refused`."""
    if node.op_type not in FOLDABLE or _values(node.op_type, inputs) > MOST_VALUES:
        raise Refused("it is computed from constants alone, and is none of the operators that are folded")
    given = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
    try:
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(node, opsets={"": OPSET}).run(None, given)
    except Exception as error:  # of whatever kind: the graph is a stranger's
        raise Refused(f"its constants do not fit ({type(error).__name__})") from error
    return [np.asarray(value) for value in values]


def _values(operator: str, inputs: list[Array | None]) -> int:
    """Return the most values that the output can have."""
    sizes = [value.size for value in inputs if value is not None] or [1]
    first, second = (value if value is not None else np.ones(1) for value in (*inputs, None, None)[:2])
    if operator in ("ConstantOfShape", "Expand", "Tile"):
        factors = first if operator == "ConstantOfShape" else second
        own = 1 if operator == "ConstantOfShape" else first.size
        return own * math.prod(max(1, int(factor)) for factor in factors.ravel().tolist())
    if operator == "Range" and len(inputs) == 3 and all(value is not None and value.size == 1 for value in inputs):
        start, stop, step = (float(value.ravel()[0]) for value in inputs if value is not None)
        return int(abs(stop - start) / max(abs(step), 1e-9)) + 1
    if operator in ("Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "Mod", "Equal", "Greater", "Less"):
        return max(sizes) if min(sizes) == 1 or len(set(sizes)) == 1 else math.prod(sizes)
    return math.prod(sizes) if operator == "Gather" else sum(sizes)
