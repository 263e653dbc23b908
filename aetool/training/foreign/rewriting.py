"""A stranger's graph, rewritten node by node with the operators that the gate allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from aetool.bundle.gate_operators import RULES, Refused
from aetool.errors import BundleError, printable
from aetool.training.foreign.constants import attributes_of, constant_of, fold
from aetool.training.foreign.draft import Draft, refuse_unless
from aetool.training.foreign.handlers import HANDLERS, Call, Known, Walk
from aetool.training.foreign.movement import Value
from aetool.training.foreign.operators import STAND_IN
from aetool.training.foreign.source import Source, called, onnx_errors

PARTS = ("Slice", "Gather")
"""Operators that take a part of the numbers of an item."""


def rewrite(source: Source, draft: Draft, value: Value) -> tuple[Value, int | None]:
    """Return what a graph puts out for a value at its input, and a number of items that was frozen inside, or None.

    Raises `BundleError` for a node that cannot be rewritten, with operator, node, and what is allowed.
    """
    graph = source.model.graph
    readers = Counter(name for node in graph.node for name in node.input)
    readers[source.output.name] += 1
    with onnx_errors(source.part, "has constants that do not hold what they declare"):
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    walk = Walk(draft, constants | {source.input.name: value}, readers)
    draft.readers[value.base] = readers[source.input.name]
    for node in graph.node:
        try:
            with np.errstate(all="ignore"):
                _step(walk, node)
        except Refused as error:
            raise BundleError(f"the {source.part} is refused at {called(node)}: {printable(str(error))}") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            fault = f"its inputs and attributes do not fit ({type(error).__name__})"
            raise BundleError(f"the {source.part} is refused at {called(node)}: {fault}") from error
    found = walk.known.get(source.output.name)
    if not isinstance(found, Value):
        raise BundleError(f"the output of the {source.part} does not depend on its input")
    draft.readers[found.base] = 0
    return found, walk.frozen


def _step(walk: Walk, node: Any) -> None:
    """Rewrite a node, and note what is known of its outputs."""
    missing = [name for name in node.input if name and name not in walk.known]
    refuse_unless(not missing, "an input is what no node before puts out")
    inputs = [walk.known[name] if name else None for name in node.input]
    for value in inputs:
        if isinstance(value, Value):
            walk.draft.readers[value.base] -= 1
    outputs = _outputs(Call(walk, node.op_type, inputs, attributes_of(node)), node)
    walk.read(node.input)
    for name, out in zip(node.output, outputs, strict=False):
        if isinstance(out, Value):
            if node.op_type in PARTS:
                out = replace(out, cut=called(node))
            walk.draft.readers[out.base] = walk.draft.readers.get(out.base, 0) + walk.left[name]
        if walk.left[name]:
            walk.keep(name, out)


def _outputs(call: Call, node: Any) -> Sequence[Known]:
    if node.op_type == "Constant":
        return [constant_of(node)]
    if node.op_type == "Shape" and isinstance(call.inputs[0], Value):
        shape = np.array([STAND_IN, *call.inputs[0].shape], np.int64)
        return [shape[call.attributes.get("start", 0) : call.attributes.get("end", len(shape))]]
    arrays = [value for value in call.inputs if not isinstance(value, Value)]
    if len(arrays) == len(call.inputs):
        return fold(node, arrays)
    if node.op_type not in HANDLERS:
        allowed = ", ".join(sorted({*RULES, *HANDLERS}))
        raise Refused(f"it is none of the allowed operators: {allowed}")
    refuse_unless(sum(bool(name) for name in node.output) == 1 or node.op_type in ("Dropout", "BatchNormalization"),
                  "a node has one output")  # fmt: skip
    return [HANDLERS[node.op_type](call)]
