"""The gate: the check of a stranger's graph before ONNX Runtime sees the graph.

ONNX is a programming language: graphs can loop for ever, name files, and ask for any amount of memory. The gate passes
only a plain chain of the operators and attributes that our exporters and our importer write, with all constants inside.
All sizes are computed node by node: the multiplications of the largest batch are within `MAX_PRODUCTS`, and a run has
as many items as fit into `MAX_VALUES`. The message types and field numbers come from onnx.proto (ONNX 1.23).

Our own reader stands in place of onnx.load and onnx.checker for safety and speed: the checker accepts a 214-byte Loop
without end, 25 doubling local functions hang the loader, and importing onnx takes 60 ms, where the gate takes 1.6 ms
for both graphs of the shipped mnist.
"""

from __future__ import annotations

import math
from typing import Any

from aetool.bundle.gate_operators import RULES, Constant, Input, Refused, Sizes
from aetool.bundle.gate_protobuf import Field, Message, Table, WireError, read_message
from aetool.errors import BundleError, printable

OPSET = 20
IR_VERSIONS = range(8, 14)
MAX_NODES = 2000
MAX_VALUES = 1 << 27
"""Most output values of all nodes together in a run: 512 MiB of float32."""
MAX_PRODUCTS = 1 << 37
"""Most multiplications of the largest batch: half a minute on a slow core."""
FLOAT, INT64, FLOAT16 = 1, 7, 10
"""Element types of tensors (TensorProto.DataType)."""
WIDTH = {FLOAT: 4, INT64: 8, FLOAT16: 2}

DIMENSION: Table = {1: Field("value", "int"), 2: Field("name", "text")}
SHAPE: Table = {1: Field("dims", DIMENSION, many=True)}
TENSOR_TYPE: Table = {1: Field("type", "int"), 2: Field("shape", SHAPE)}
TYPE: Table = {1: Field("tensor", TENSOR_TYPE)}
VALUE: Table = {1: Field("name", "text"), 2: Field("type", TYPE), 3: Field("doc", "text")}
ATTRIBUTE: Table = {
    1: Field("name", "text"), 2: Field("f", "float"), 3: Field("i", "int"), 4: Field("s", "text"),
    8: Field("ints", "int", many=True), 13: Field("doc", "text"), 20: Field("type", "int"),
    5: Field("a tensor as an attribute", "refused"), 6: Field("a graph inside", "refused"),
    7: Field("a list of numbers as an attribute", "refused"), 9: Field("texts as an attribute", "refused"),
    10: Field("tensors as an attribute", "refused"), 11: Field("graphs inside", "refused"),
}  # fmt: skip
NODE: Table = {
    1: Field("inputs", "text", many=True), 2: Field("outputs", "text", many=True), 3: Field("name", "text"),
    4: Field("operator", "text"), 5: Field("attributes", ATTRIBUTE, many=True), 6: Field("doc", "text"),
    7: Field("domain", "text"), 9: Field("metadata of a node", "refused"),
}  # fmt: skip
TENSOR: Table = {
    1: Field("dims", "int", many=True), 2: Field("type", "int"), 8: Field("name", "text"), 9: Field("data", "data"),
    12: Field("doc", "text"), 13: Field("numbers in another file", "refused"),
    14: Field("numbers in another file", "refused"),
    **{at: Field("a constant that is not in raw bytes", "refused") for at in (4, 5, 6, 7, 10, 11)},
}  # fmt: skip
GRAPH: Table = {
    1: Field("nodes", NODE, many=True), 2: Field("name", "text"), 5: Field("constants", TENSOR, many=True),
    10: Field("doc", "text"), 11: Field("inputs", VALUE, many=True), 12: Field("outputs", VALUE, many=True),
    13: Field("values", VALUE, many=True), 15: Field("a sparse constant", "refused"),
}  # fmt: skip
OPERATORS: Table = {1: Field("domain", "text"), 2: Field("version", "int")}
PROPERTY: Table = {1: Field("key", "text"), 2: Field("value", "text")}
MODEL: Table = {
    1: Field("ir_version", "int"), 2: Field("producer", "text"), 3: Field("producer_version", "text"),
    4: Field("domain", "text"), 5: Field("version", "int"), 6: Field("doc", "text"), 7: Field("graph", GRAPH),
    8: Field("operators", OPERATORS, many=True), 14: Field("properties", PROPERTY, many=True),
    20: Field("information for training", "refused"), 25: Field("functions", "refused"),
}  # fmt: skip
"""Fields outside the tables are refused, and so are those of the kind refused, by name."""

CAST = frozenset({"to"})
"""Attributes of Cast."""
KINDS = {"f": 1, "i": 2, "s": 3, "ints": 7}
"""AttributeProto.AttributeType by the field of the value."""


def check_graph(data: bytes, source: tuple[str, Sizes], target: tuple[str, Sizes], batch: int) -> int:
    """Return the most items of a run of a harmless graph from tensor `source` to tensor `target`, by their values.

    Both are a name and the sizes of an item; `batch` is the largest number of items at a time. Raises `BundleError` for
    any other graph: for one that takes too long for a batch, or too much memory for an item.
    """
    try:
        model = read_message(data, MODEL)
        _check_model(model)
        _check_properties(model.get("properties", []), dict((source, target)).get("images", ()))
        return _check_graph(model.get("graph", {}), source, target, batch)
    except (WireError, Refused) as error:
        fault = f"the graph with the {target[0]} is refused: {printable(_fault(error))}"
        raise BundleError(f"{fault}; get or export the bundle anew") from error


def _fault(error: WireError | Refused) -> str:
    """Return what is wrong, with the node where a node is wrong."""
    what, *around = error.args
    return next((f"{called(one)}: {what}" for one in around if "operator" in one), str(what))


def _check_model(model: Message) -> None:
    operators = model.get("operators", [])
    if model.get("ir_version") not in IR_VERSIONS or model.get("domain"):
        raise Refused("it is of another version of ONNX")
    if len(operators) != 1 or operators[0].get("domain") or operators[0].get("version") != OPSET:
        raise Refused(f"it uses other operators than those of opset {OPSET}")


def properties(images: Sizes) -> dict[str, str]:
    """Return the metadata of a graph for images (c, h, w): range and channel order, in the words of ONNX."""
    formats = {1: "Gray8", 3: "Rgb8"}
    found = {"Image.NominalPixelRange": "Normalized_0_1"}
    return found | ({"Image.BitmapPixelFormat": formats[images[0]]} if images[0] in formats else {})


def _check_properties(given: list[Message], images: Sizes) -> None:
    """Refuse metadata other than `properties`, which name a fixed truth or are left out."""
    allowed = properties(images) if images else {}
    for one in given:
        key = one.get("key", "")
        if key not in allowed or allowed.pop(key) != one.get("value"):
            raise Refused(f"its metadata {key[:40]} is twice there, none of ours, or not true")


def _check_graph(graph: Message, source: tuple[str, Sizes], target: tuple[str, Sizes], batch: int) -> int:
    """Return the most items of a run; raises `Refused`."""
    for which, wanted in (("inputs", source), ("outputs", target)):
        values = graph.get(which, [])
        if len(values) != 1 or values[0].get("name") != wanted[0] or _declared(values[0]) != (FLOAT, ("n", *wanted[1])):
            raise Refused(f"its {which} are not the one tensor {wanted[0]} of {' x '.join(map(str, wanted[1]))}")
    constants = _constants(graph.get("constants", []), source[0])
    nodes = _widened(graph.get("nodes", []), constants, source[0])
    sizes, most = _sizes(nodes, source, constants, batch)
    if sizes.get(target[0]) != target[1]:
        raise Refused(f"it does not compute the {target[0]} it declares")
    _check_values(graph.get("values", []), sizes, constants)
    return most


def _constants(tensors: list[Message], taken: str) -> dict[str, Constant]:
    found: dict[str, Constant] = {}
    for tensor in tensors:
        name, kind, data = tensor.get("name", ""), tensor.get("type"), tensor.get("data", memoryview(b""))
        dims = tuple(tensor.get("dims", []))
        if not name or name == taken or name in found:
            raise Refused("a constant has no name of its own")
        if kind not in WIDTH or min(dims, default=1) < 1 or math.prod(dims) * WIDTH[kind] != len(data):
            raise Refused(f"the constant {name[:40]} does not hold the numbers that it declares")
        found[name] = Constant(dims, kind == FLOAT, data, kind == FLOAT16)
    return found


def _widened(nodes: list[Message], constants: dict[str, Constant], taken: str) -> list[Message]:
    """Return the nodes without those that widen float16 constants to float32; the widened ones replace the others.

    Each is widened once, by a Cast before all other nodes, and nothing else reads the float16 numbers: many copies of
    one constant would take any amount of memory. Raises `Refused`.
    """
    halves = {name: constants.pop(name) for name in [*constants] if constants[name].is_half}
    names = {taken, *halves}
    first = next((i for i, node in enumerate(nodes) if node.get("operator") != "Cast"), len(nodes))
    for node in nodes[:first]:
        inputs, outputs = node.get("inputs", []), node.get("outputs", [])
        half = halves.pop(inputs[0], None) if len(inputs) == 1 else None
        if half is None or node.get("domain") or _attributes(node, CAST) != {"to": FLOAT}:
            raise Refused("a Cast does other than widen a float16 constant to float32, once and before all other nodes")
        if len(outputs) != 1 or not outputs[0] or outputs[0] in names or outputs[0] in constants:
            raise Refused("a Cast has not one output of its own")
        constants[outputs[0]] = Constant(half.dims, True, memoryview(b""))
    if halves or any(name in names for node in nodes[first:] for name in node.get("outputs", [])):
        raise Refused("a float16 constant is not widened to float32, or its name is taken")
    return nodes[first:]


def _sizes(
    nodes: list[Message], source: tuple[str, Sizes], constants: dict[str, Constant], batch: int
) -> tuple[dict[str, Sizes], int]:
    """Return the sizes of an item of every output tensor of the nodes, and the most items; raises `Refused`."""
    if len(nodes) > MAX_NODES:
        raise Refused(f"it has {len(nodes):,} nodes, over {MAX_NODES:,}")
    sizes = {source[0]: source[1]}
    values = products = 0
    for node in nodes:
        name, outputs = node.get("operator", ""), node.get("outputs", [])
        if name not in RULES or node.get("domain"):
            raise Refused(f"{called(node)} is none of the allowed operators: {', '.join(sorted(RULES))}")
        if len(outputs) != 1 or not outputs[0] or outputs[0] in sizes or outputs[0] in constants:
            raise Refused(f"{called(node)} has not one output of its own")
        try:
            out, work = _size(node, sizes, constants)
        except Refused as error:
            raise Refused(f"{called(node)}: {error}") from error
        sizes[outputs[0]] = out
        values += math.prod(out)
        products += work * batch
        if values > MAX_VALUES or products > MAX_PRODUCTS:
            raise Refused(f"{called(node)} asks for more memory or time than any model of ours")
    return sizes, MAX_VALUES // max(1, values)


def called(node: Message) -> str:
    """Return the operator and the name of a node, of one without a name its first output."""
    name, operator = node.get("name") or (node.get("outputs") or [""])[0], node.get("operator", "")
    domain = f"{node['domain'][:40]}." if node.get("domain") else ""
    return f'the operator {domain}{operator[:40] or "without a name"} (node "{name[-60:]}")'


def _size(node: Message, sizes: dict[str, Sizes], constants: dict[str, Constant]) -> tuple[Sizes, int]:
    """Return the sizes of an item of a node's output, and the multiplications; raises `Refused`."""
    allowed, rule = RULES[node["operator"]]
    given: list[Input] = []
    for word in node.get("inputs", []):
        if word not in sizes and word not in constants and (word or node["operator"] != "Resize"):
            raise Refused("an input is what no node before puts out")
        given.append(sizes[word] if word in sizes else constants.get(word))
    return rule(given, _attributes(node, allowed))


def _attributes(node: Message, allowed: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in node.get("attributes", []):
        name = attribute.get("name", "")
        held = [key for key in KINDS if key in attribute]
        empty = not held and attribute.get("type") == KINDS["ints"]
        if name in found or name not in allowed or (not empty and len(held) != 1):
            known = ", ".join(sorted(allowed)) or "none"
            raise Refused(f"the attribute {name[:40]} is none of the allowed ones: {known}")
        if not empty and attribute.get("type") != KINDS[held[0]]:
            raise Refused(f"the attribute {name[:40]} says that it is of another type than it is")
        found[name] = [] if empty else attribute[held[0]]
    return found


def _declared(value: Message) -> tuple[int | None, tuple[int | str, ...]]:
    """Return the declared element type and dimensions of a value; "n" for a first dimension without a number."""
    tensor = value.get("type", {}).get("tensor", {})
    dims = [dim.get("value", "?") for dim in tensor.get("shape", {}).get("dims", [])]
    if dims and dims[0] == "?":
        dims[0] = "n"
    return tensor.get("type"), tuple(dims)


def _check_values(values: list[Message], sizes: dict[str, Sizes], constants: dict[str, Constant]) -> None:
    """Refuse false declarations of tensor sizes: ONNX Runtime plans its memory by the declarations."""
    seen = set()
    for value in values:
        name = value.get("name", "")
        constant = constants.get(name)
        if constant is not None:
            true: Any = (FLOAT if constant.is_float else INT64, constant.dims)
        else:
            true = (FLOAT, ("n", *sizes.get(name, ())))
        if name in seen or (constant is None and name not in sizes) or _declared(value) != true:
            raise Refused(f"what it says of the tensor {name[:40]} is not true")
        seen.add(name)
