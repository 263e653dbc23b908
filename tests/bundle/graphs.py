"""Graphs for the tests of the gate: from latents (n, 4) to images (n, 1, 8, 8), as the toy has them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from aetool.bundle.gate import check_graph
from tests.toy import toy_graphs

SOURCE, TARGET = ("latents", (4,)), ("images", (1, 8, 8))
FLOAT = TensorProto.FLOAT


def check(model: onnx.ModelProto | bytes, batch: int = 256) -> int:
    return check_graph(model if isinstance(model, bytes) else model.SerializeToString(), SOURCE, TARGET, batch)


def graph(nodes, constants=None, **more) -> onnx.ModelProto:
    """Return a model from latents (n, 4) to images (n, 1, 8, 8) with these nodes and constants."""
    values = [helper.make_tensor_value_info(name, FLOAT, ["n", *sizes]) for name, sizes in (SOURCE, TARGET)]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    body = helper.make_graph(nodes, "g", values[:1], values[1:], tensors, **more)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def ones(*dims) -> np.ndarray:
    return np.ones(dims, np.float32)


def decoder() -> onnx.ModelProto:
    """Return the toy's decoder, which passes, to be changed."""
    return onnx.load_from_string(toy_graphs()["decoder.onnx"])


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, **attributes)


FLAT = node("Reshape", ["flat", "shape"], ["images"])
SHAPE = np.array([-1, 1, 8, 8])


def wide_stride(stride: int = 40_000) -> onnx.ModelProto:
    nodes = [
        node("Reshape", ["latents", "square"], ["x"]),
        node("ConvTranspose", ["x", "w"], ["y"], strides=[stride, stride]),
        node("MatMul", ["latents", "fill"], ["flat"]),
        FLAT,
    ]
    return graph(nodes, {"square": np.array([-1, 1, 2, 2]), "w": ones(1, 1, 1, 1), "fill": ones(4, 64), "shape": SHAPE})


def many_nodes(count: int = 200_000) -> onnx.ModelProto:
    model = decoder()
    model.graph.node.extend([node("Relu", ["flat"], [f"r{i}"]) for i in range(count)])
    return model


def edited(change) -> onnx.ModelProto:
    model = decoder()
    change(model)
    return model


def halved(casts=(("half", "fill"),), to=FLOAT, kind=np.float16, **more) -> onnx.ModelProto:
    """Return the toy's decoder with its weights in float16, read by these Casts."""
    model = decoder()
    weights = numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights.astype(kind), "half"))
    nodes = [node("Cast", [half], [name], to=to, **more) for half, name in casts] + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def on_image(*nodes, **constants) -> onnx.ModelProto:
    """Return the toy's decoder after nodes of an image x of 2 x 2, whose result y it does not need."""
    model = decoder()
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in {"to": np.array([-1, 1, 2, 2]), **constants}.items()
    )
    before = [node("Reshape", ["latents", "to"], ["x"]), *nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(before)
    return model


def varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])
