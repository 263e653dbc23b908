"""Graphs by hand for the tests of `aetool import`: images (n, 1, 8, 8) to latents (n, 4) and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IMAGE, LATENT = ("y", ["n", 1, 8, 8]), ("z", ["n", 4])


def written(
    path: Path, nodes, constants=None, given=("x", IMAGE[1]), out=LATENT, opset=20, inputs=(), outputs=()
) -> Path:
    """Write a graph with these nodes and constants, and return its path."""
    given = [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1]), *inputs]
    out = [helper.make_tensor_value_info(out[0], TensorProto.FLOAT, out[1]), *outputs]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", given, out, tensors)
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, name=f"/layer/{operator}", **attributes)


PICK, FILL = np.eye(64, 4, dtype=np.float32), np.eye(4, 64, dtype=np.float32)
FLAT = [node("Flatten", ["x"], ["flat"]), node("MatMul", ["flat", "pick"], ["z"])]
BACK = [node("MatMul", ["z", "fill"], ["flat"]), node("Reshape", ["flat", "shape"], ["y"])]


def decoder(path: Path = Path("decoder.onnx")) -> Path:
    return written(path, BACK, {"fill": FILL, "shape": np.array([-1, 1, 8, 8])}, LATENT, IMAGE)


def spatial() -> Path:
    nodes = [node("MaxPool", ["x"], ["z"], kernel_shape=[4, 4], strides=[4, 4])]
    return written(Path("encoder.onnx"), nodes, out=("z", ["n", 1, 2, 2]))


def put_outside(model, tensor, location: str) -> bytes:
    """Let a tensor of a model name a file in place of its numbers."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model.SerializeToString()


def with_constant(path: Path, location: str) -> Path:
    """An encoder whose Constant node names a file in place of its numbers."""
    tensor = numpy_helper.from_array(PICK, "numbers")
    nodes = [helper.make_node("Constant", [], ["pick"], value=tensor), *FLAT]
    model = onnx.load(written(path, nodes))
    path.write_bytes(put_outside(model, model.graph.node[0].attribute[0].t, location))
    return path
