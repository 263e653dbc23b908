"""A graph in the making, of the allowed operators alone: the gate's own rules say the sizes of every tensor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from aetool.bundle.gate import OPSET
from aetool.bundle.gate_operators import RULES, Constant, Input, Refused, Sizes

LINEAR = ("Conv", "ConvTranspose", "Gemm")
"""Layers whose weights can take in a scale and a shift of their outputs."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Node:
    """A node: its operator, inputs and output by name, and attributes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass(eq=False)
class Draft:
    """Nodes and constants (by name, and their names by content) of a graph, and the sizes of an item of each tensor.

    `readers` counts, for each tensor, the nodes still to come that may read the tensor or a rearrangement of it.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, Sizes] = field(default_factory=dict)
    readers: dict[str, int] = field(default_factory=dict)

    def constant(self, value: Array) -> str:
        """Return the name of a constant of these numbers, the same one for the same numbers."""
        value = np.ascontiguousarray(value).reshape(np.shape(value))  # which would make one axis of none
        key = f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
        name = self.named.setdefault(key, f"c{len(self.named)}")
        self.constants[name] = value
        return name

    def emit(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output; raises `Refused` where the gate would."""
        _, rule = RULES[operator]
        sizes, _ = rule([self._known(name) for name in inputs], attributes)
        name = f"t{len(self.nodes)}"
        self.nodes.append(Node(operator, inputs, name, attributes))
        self.sizes[name] = sizes
        return name

    def linear(self, name: str, weights: Array, bias: Array) -> str:
        """Add a linear layer with weights (inputs, outputs), turned as PyTorch has them: OpenCV 4.6 reads no others."""
        return self.emit("Gemm", name, self.constant(weights.T), self.constant(bias), transB=1)

    def _known(self, name: str) -> Input:
        if name in self.sizes:
            return self.sizes[name]
        if not name:
            return None
        value = self.constants[name]
        return Constant(value.shape, value.dtype == np.float32, memoryview(value.tobytes()))

    def affine(self, name: str, scale: npt.ArrayLike, shift: npt.ArrayLike) -> str:
        """Return the tensor times `scale` plus `shift`, numbers (), for channels (c, 1, 1), or for an item.

        A layer that nothing else reads takes them into its weights.
        """
        factor, summand = np.asarray(scale, np.float32), np.asarray(shift, np.float32)
        if not self._folded(name, factor, summand):
            if (factor != 1).any():
                name = self.emit("Mul", name, self.constant(factor))
            if (summand != 0).any():
                name = self.emit("Add", name, self.constant(summand))
        return name

    def _folded(self, name: str, scale: Array, shift: Array) -> bool:
        """Put a scale and a shift into the weights of the layer that puts out a tensor; False where that is not so."""
        at = next((i for i, node in enumerate(self.nodes) if node.output == name), None)
        if at is None or self.nodes[at].operator not in LINEAR or self.readers.get(name, 0):
            return False
        node, sizes = self.nodes[at], self.sizes[name]
        if any(name in other.inputs for other in self.nodes) or any(p.size > sizes[0] for p in (scale, shift)):
            return False
        weights, bias = self.constants[node.inputs[1]], self.constants[node.inputs[2]]
        axis = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}[node.operator]
        by = np.broadcast_to(scale.ravel(), bias.shape)
        shape = [len(by) if i == axis else 1 for i in range(weights.ndim)]
        scaled = self.constant(weights * by.reshape(shape))
        shifted = self.constant((bias * by + shift.ravel()).astype(np.float32))
        self.nodes[at] = Node(node.operator, (node.inputs[0], scaled, shifted), name, node.attributes)
        return True

    def finished(self, source: tuple[str, Sizes], last: str, target: str) -> bytes:
        """Return the graph from tensor `source` to the tensor `last`, called `target`, without idle nodes."""
        nodes = self._needed(last)
        names = {name: f"{target[:3]}{i}" for i, name in enumerate([n.output for n in nodes])} | {last: target}
        used = {name for node in nodes for name in node.inputs if name in self.constants}
        made = [
            helper.make_node(n.operator, [names.get(i, i) for i in n.inputs], [names[n.output]], **n.attributes)
            for n in nodes
        ]
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *sizes])
            for name, sizes in (source, (target, self.sizes[last]))
        ]
        tensors = [numpy_helper.from_array(self.constants[name], name) for name in sorted(used)]
        graph = helper.make_graph(made, "main_graph", values[:1], values[1:], tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        model.producer_name = "aetool"
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _needed(self, last: str) -> list[Node]:
        wanted, nodes = {last}, []
        for node in reversed(self.nodes):
            if node.output in wanted:
                nodes.append(node)
                wanted |= set(node.inputs)
        return nodes[::-1]

    def layers(self, part: str) -> list[dict[str, Any]]:
        """Return a row for each layer with weights, in the order of the data, as `layer_table` of the export."""
        rows = []
        titles = {"Conv": "Conv2d", "ConvTranspose": "ConvTranspose2d", "Gemm": "Linear"}
        for node in self.nodes:
            if node.operator in titles:
                weights = [self.constants[name] for name in node.inputs[1:]]
                row = {"part": part, "layer": titles[node.operator], "input": list(self.sizes[node.inputs[0]]),
                       "output": list(self.sizes[node.output]), "parameters": sum(w.size for w in weights)}  # fmt: skip
                if weights[0].ndim == 4:
                    row |= {"kernel": list(weights[0].shape[2:]), "stride": node.attributes["strides"]}
                    row["padding"] = node.attributes["pads"][:2]
                rows.append(row)
        return rows


def refuse_unless(condition: bool, what: str) -> None:
    """Raise `Refused` with a sentence on what is allowed."""
    if not condition:
        raise Refused(what)
