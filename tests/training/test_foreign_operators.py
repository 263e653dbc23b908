"""Operators of other tools, rewritten: the same numbers as ONNX Runtime gives for the graph as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aetool.bundle.gate import check_graph
from aetool.bundle.gate_operators import RULES, Refused
from aetool.errors import BundleError
from aetool.runtime.devices import open_session
from aetool.training.foreign.draft import Draft
from aetool.training.foreign.movement import plain, whole
from aetool.training.foreign.rewriting import rewrite
from aetool.training.foreign.source import read_source

RNG = np.random.default_rng(0)


def numbers(*dims) -> np.ndarray:
    return RNG.standard_normal(dims).astype(np.float32)


def whole_numbers(*values) -> np.ndarray:
    return np.array(values, np.int64)


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, **attributes)


def same(path: Path, nodes, constants, shape, opset: int = 20) -> list[str]:
    """Check a graph from x (n, *shape) to y against its rewritten form, and return the operators of that."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", ["n", *shape]),
                                                                                             ("y", None))]  # fmt: skip
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    body = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    file = path / "graph.onnx"
    file.write_bytes(model.SerializeToString())
    source = read_source(file, "encoder")
    draft = Draft(sizes={"x": shape})
    found, _ = rewrite(source, draft, whole(draft, "x"))
    name = plain(draft, found)
    graph = draft.finished(("x", shape), name, "out")
    check_graph(graph, ("x", shape), ("out", draft.sizes[name]), 256)
    x = numbers(3, *shape)
    expected = source.run(x, None)
    (out,) = open_session(graph, "cpu", 1).run(None, {"x": x})
    assert out.shape == expected.shape
    assert np.allclose(out, expected, rtol=1e-5, atol=1e-5)
    return [one.op_type for one in onnx.load_from_string(graph).graph.node]


@pytest.mark.parametrize("seed", range(40))
def test_convolutions_of_any_padding_dilation_and_groups(seed, tmp_path):
    rng = np.random.default_rng(seed)
    groups, steps, dilations = int(rng.integers(1, 3)), rng.integers(1, 4, 2).tolist(), rng.integers(1, 3, 2).tolist()
    kernel = rng.integers(1, 5, 2).tolist()
    attributes = {"strides": steps, "group": groups}
    if rng.random() < 0.3:
        attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        attributes |= {"pads": rng.integers(0, 3, 4).tolist(), "dilations": dilations}
    weights = {"w": numbers(6, 4 // groups, *kernel), "b": numbers(6)}
    same(tmp_path, [node("Conv", ["x", "w", "b"], ["y"], **attributes)], weights, (4, 9, 11))


@pytest.mark.parametrize("seed", range(40))
def test_transposed_convolutions_of_any_padding_dilation_and_groups(seed, tmp_path):
    rng = np.random.default_rng(seed)
    groups, steps = int(rng.integers(1, 3)), rng.integers(1, 4, 2).tolist()
    kernel, dilations = rng.integers(2, 5, 2).tolist(), rng.integers(1, 3, 2).tolist()
    attributes = {"strides": steps, "group": groups, "kernel_shape": kernel}
    kind = rng.random()
    if kind < 0.2:
        attributes |= {"output_shape": [steps[0] * 5, steps[1] * 6], "auto_pad": "SAME_UPPER"}
        kernel = [max(k, s) for k, s in zip(kernel, steps, strict=True)]
        attributes["kernel_shape"] = kernel
    elif kind < 0.8:
        extra = [int(rng.integers(0, s)) for s in steps]
        attributes |= {"pads": rng.integers(0, 2, 4).tolist(), "output_padding": extra, "dilations": dilations}
    weights = {"w": numbers(4, 6 // groups, *kernel), "b": numbers(6)}
    same(tmp_path, [node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)], weights, (4, 5, 6))


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("seed", range(15))
def test_poolings(operator, seed, tmp_path):
    rng = np.random.default_rng(seed)
    kernel = rng.integers(2, 4, 2).tolist()
    attributes = {"kernel_shape": kernel, "strides": rng.integers(1, 3, 2).tolist()}
    if rng.random() < 0.3:
        attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        attributes["pads"] = rng.integers(0, 2, 4).tolist()
        attributes |= {"ceil_mode": 1} if operator == "MaxPool" and rng.random() < 0.5 else {}
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(rng.integers(0, 2))
    same(tmp_path, [node(operator, ["x"], ["y"], **attributes)], {}, (3, 8, 9))


LAST = node("Transpose", ["x"], ["h"], perm=[0, 2, 3, 1])
CONV = node("Conv", ["x", "w"], ["a"])
LINES = {
    "norm behind a convolution": [node("Conv", ["x", "w"], ["h"]), node("BatchNormalization", ["h", "s", "s", "m", "v"],
                                                                       ["y"])],
    "norm of the images": [node("BatchNormalization", ["x", "s3", "s3", "s3", "v3"], ["y"])],
    "a mean of the sides": [node("ReduceMean", ["x", "sides"], ["y"], keepdims=0)],
    "global poolings": [node("GlobalAveragePool", ["x"], ["a"]), node("GlobalMaxPool", ["x"], ["b"]),
                        node("Add", ["a", "b"], ["y"])],
    "channels last and a linear layer on them": [node("Transpose", ["x"], ["h"], perm=[0, 2, 3, 1]),
                                                 node("MatMul", ["h", "w3"], ["y"])],
    "channels last, a sum and back": [LAST, node("Add", ["h", "s3"], ["i"]), node("Relu", ["i"], ["j"]),
                                      node("Transpose", ["j"], ["y"], perm=[0, 3, 1, 2])],
    "numbers of rows": [node("Mul", ["x", "rows"], ["y"])],
    "a constant less a tensor": [node("Sub", ["s31", "x"], ["h"]), node("Div", ["h", "v31"], ["y"])],
    "two tensors less": [CONV, node("Conv", ["x", "w2"], ["b"]), node("Sub", ["a", "b"], ["y"])],
    "a tensor less its half": [node("Conv", ["x", "w"], ["a"]), node("Mul", ["a", "half"], ["b"]),
                               node("Sub", ["a", "b"], ["y"])],
    "a tensor read twice": [CONV, node("Mul", ["a", "half"], ["b"]), node("Relu", ["a"], ["c"]),
                            node("Add", ["b", "c"], ["y"])],
    "a rearranged tensor read twice": [CONV, node("Transpose", ["a"], ["t"], perm=[0, 1, 3, 2]),
                                       node("Mul", ["t", "half"], ["b"]),
                                       node("Transpose", ["b"], ["u"], perm=[0, 1, 3, 2]),
                                       node("Sub", ["u", "a"], ["y"])],
    "prelu": [node("PRelu", ["x", "s31"], ["y"])], "one slope": [node("PRelu", ["x", "half"], ["y"])],
    "gelu": [node("Gelu", ["x"], ["y"])], "gelu by tanh": [node("Gelu", ["x"], ["y"], approximate="tanh")],
    "gelu behind a layer": [CONV, node("Gelu", ["a"], ["y"])],
    "gelu of old exporters": [CONV, node("Div", ["a", "root"], ["b"]), node("Erf", ["b"], ["c"]),
                              node("Add", ["c", "unit"], ["d"]), node("Mul", ["a", "d"], ["e"]),
                              node("Mul", ["e", "half"], ["y"])],
    "channels to pixels": [node("Conv", ["x", "w8"], ["h"]), node("DepthToSpace", ["h"], ["y"], blocksize=2)],
    "pixel shuffle": [node("Conv", ["x", "w8"], ["h"]), node("DepthToSpace", ["h"], ["y"], blocksize=2, mode="CRD")],
    "swish": [node("Sigmoid", ["x"], ["h"]), node("Mul", ["x", "h"], ["y"])],
    "hard sigmoid": [node("HardSigmoid", ["x"], ["y"], alpha=0.3)],
    "relu6": [node("Clip", ["x", "zero", "six"], ["y"])],
    "a clip above": [node("Clip", ["x", "", "half"], ["y"])], "a clip below": [node("Clip", ["x", "zero"], ["y"])],
    "maximum and minimum": [node("Max", ["x", "zero"], ["h"]), node("Min", ["h", "six"], ["y"])],
    "negative": [node("Neg", ["x"], ["y"])],
    "a repetition by Tile": [node("Unsqueeze", ["x", "three"], ["h"]), node("Tile", ["h", "twice"], ["i"]),
                             node("Reshape", ["i", "taller"], ["y"])],
    "a repetition by Expand": [node("Unsqueeze", ["x", "last"], ["h"]), node("Expand", ["h", "thrice"], ["i"]),
                               node("Reshape", ["i", "wider"], ["y"])],
    "a part": [node("Slice", ["x", "begin", "end", "two_three"], ["y"])],
    "some channels": [node("Gather", ["x", "picked"], ["y"], axis=1)],
    "part of a latent": [node("Flatten", ["x"], ["h"]), node("Slice", ["h", "begin1", "end1", "one"], ["y"])],
    "zeros around": [node("Pad", ["x", "around"], ["y"])],
    "no zeros around": [node("Pad", ["x", "nothing"], ["h"]), node("Tanh", ["h"], ["y"])],
    "flat, channels last": [node("Transpose", ["x"], ["h"], perm=[0, 3, 2, 1]), node("Flatten", ["h"], ["y"])],
    "no change": [node("Dropout", ["x"], ["h"]), node("Identity", ["h"], ["i"]), node("Cast", ["i"], ["j"], to=1),
                  node("Relu", ["j"], ["y"])],
    "a shape computed": [node("Shape", ["x"], ["dims"]), node("Gather", ["dims", "first"], ["n"]),
                         node("Concat", ["n", "last"], ["t"], axis=0), node("Reshape", ["x", "t"], ["y"])],
    "weights computed": [node("Transpose", ["w3"], ["t"]), node("Transpose", ["x"], ["h"], perm=[0, 2, 3, 1]),
                         node("MatMul", ["h", "t"], ["y"])],
    "squeezed and back": [node("Reshape", ["x", "longer"], ["h"]), node("Squeeze", ["h", "one"], ["i"]),
                          node("Reshape", ["i", "square"], ["j"]), node("Elu", ["j"], ["y"])],
}  # fmt: skip
CONSTANTS = {
    "root": np.float32(2**0.5), "unit": np.float32(1), "w8": numbers(8, 3, 3, 3),
    "w": numbers(4, 3, 3, 3), "w2": numbers(4, 3, 3, 3), "s": numbers(4), "m": numbers(4), "v": abs(numbers(4)) + 1,
    "s3": numbers(3), "v3": abs(numbers(3)) + 1, "w3": numbers(3, 3), "sides": whole_numbers(2, 3),
    "rows": numbers(6, 1),
    "s31": numbers(3, 1, 1), "v31": abs(numbers(3, 1, 1)) + 1, "half": np.float32([0.5]), "zero": np.float32(0),
    "six": np.float32(1.5), "three": whole_numbers(3), "twice": whole_numbers(1, 1, 1, 2, 1),
    "taller": whole_numbers(-1, 3, 12, 8), "last": whole_numbers(-1), "thrice": whole_numbers(1, 1, 1, 1, 3),
    "wider": whole_numbers(0, 3, 6, 24), "begin": whole_numbers(1, 0), "end": whole_numbers(-1, 5),
    "two_three": whole_numbers(2, 3), "picked": whole_numbers(0, 2), "begin1": whole_numbers(3),
    "end1": whole_numbers(11),
    "one": whole_numbers(1), "around": whole_numbers(0, 0, 1, 0, 0, 0, 2, 3), "nothing": whole_numbers(*[0] * 8),
    "first": whole_numbers(0), "longer": whole_numbers(-1, 1, 48, 3), "square": whole_numbers(-1, 3, 6, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_lines_of_operators(name, tmp_path):
    used = {word for one in LINES[name] for word in one.input}
    found = same(tmp_path, LINES[name], {key: value for key, value in CONSTANTS.items() if key in used}, (3, 6, 8))
    assert set(found) <= set(RULES)


@pytest.mark.parametrize("operator", ["Relu", "LeakyRelu", "Elu", "Selu", "HardSwish", "Tanh", "Sigmoid", "Erf"])
def test_activations_stay_what_they_are(operator, tmp_path):
    assert same(tmp_path, [node(operator, ["x"], ["y"])], {}, (2, 3, 4)) == [operator]


@pytest.mark.parametrize("scale", [[1, 1, 2, 2], [1, 1, 3, 1], [1, 1, 4, 5], [1, 1, 1, 2]])
@pytest.mark.parametrize(
    "attributes",
    [
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"},
        {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"},
        {},
    ],
)
def test_enlargements_to_the_nearest_pixel(scale, attributes, tmp_path):
    constants = {"scales": np.array(scale, np.float32)}
    assert same(tmp_path, [node("Resize", ["x", "", "scales"], ["y"], mode="nearest", **attributes)], constants,
                (2, 3, 4)) == ["Resize"]  # fmt: skip
    sizes = whole_numbers(3, 2, 3 * scale[2], 4 * scale[3])
    nodes = [node("Shape", ["x"], ["s"]), node("Slice", ["s", "a", "b"], ["n"]),
             node("Concat", ["n", "rest"], ["t"], axis=0),
             node("Resize", ["x", "", "", "t"], ["y"], mode="nearest", **attributes)]  # fmt: skip
    same(tmp_path, nodes, {"a": whole_numbers(0), "b": whole_numbers(1), "rest": sizes[1:]}, (2, 3, 4))


def test_an_old_upsample_is_brought_to_our_opset(tmp_path):
    nodes = [node("Upsample", ["x", "scales"], ["y"], mode="nearest")]
    assert same(tmp_path, nodes, {"scales": np.array([1, 1, 2, 2], np.float32)}, (2, 3, 4), opset=9) == ["Resize"]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([node("Resize", ["x", "", "scales"], ["y"], mode="linear")], "a Resize has the mode nearest"),
        ([node("Conv", ["x", "x"], ["y"])], "further inputs are constants"),
        ([node("Reshape", ["x", "all"], ["y"])], "items do not mix"),
        ([node("Transpose", ["x"], ["y"])], "items do not mix"),
        ([node("Div", ["w3", "x"], ["y"])], "not divided by a tensor"),
        ([node("Gather", ["x", "zero"], ["y"], axis=0)], "items do not mix"),
        ([node("ReduceMean", ["x", "zero"], ["y"])], "items do not mix"),
        ([node("Pad", ["x", "around"], ["y"], mode="reflect")], "puts zeros around"),
        ([node("Softplus", ["x"], ["y"])], "none of the allowed operators: Add"),
        ([node("Conv", ["x", "far"], ["y"], dilations=[8, 8], pads=[9, 9, 9, 9])], "sides up to 16"),
    ],
)
def test_what_has_no_form_in_the_gate_is_refused_with_what_is_allowed(nodes, said, tmp_path):
    known = {"scales": np.array([1, 1, 2, 2], np.float32), "all": whole_numbers(-1), "w3": numbers(8), "zero":
             whole_numbers(0), "around": CONSTANTS["around"], "far": numbers(3, 3, 4, 4)}  # fmt: skip
    used = {word for one in nodes for word in one.input}
    constants = {key: value for key, value in known.items() if key in used}
    with pytest.raises((BundleError, Refused), match=said) as caught:
        same(tmp_path, nodes, constants, (3, 6, 8))
    assert f'refused at {nodes[0].op_type} "y"' in str(caught.value) or isinstance(caught.value, Refused)
