"""Attacks on the gate: every graph that could run for ever, read files or take any memory is refused, at once."""

from __future__ import annotations

import subprocess
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aetool.bundle.folder import FILES, write
from aetool.errors import BundleError
from tests.bundle.graphs import (
    FLAT,
    FLOAT,
    NEAREST,
    SHAPE,
    check,
    decoder,
    edited,
    graph,
    halved,
    many_nodes,
    node,
    on_image,
    ones,
    wide_stride,
)
from tests.conftest import command


def loop() -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", ["c"], ["d"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", 9, [])],
        [helper.make_tensor_value_info("d", 9, [])],
    )
    nodes = [node("Loop", ["", "true"], [], body=body), node("MatMul", ["latents", "fill"], ["flat"]), FLAT]
    return graph(nodes, {"true": np.array(True), "fill": ones(4, 64), "shape": SHAPE})


def doubling_functions() -> onnx.ModelProto:
    model = decoder()
    for i in range(25):
        calls = [node(f"f{i + 1}", ["x"], ["y"]), node(f"f{i + 1}", ["y"], ["z"])]
        model.functions.append(helper.make_function("mine", f"f{i}", ["x"], ["z"], calls, []))
    return model


def doubling_concats() -> onnx.ModelProto:
    nodes, last = [], "latents"
    for i in range(28):
        nodes.append(node("Concat", [last, last], [f"c{i}"], axis=1))
        last = f"c{i}"
    return graph([*nodes, node("MatMul", ["latents", "fill"], ["flat"]), FLAT], {"fill": ones(4, 64), "shape": SHAPE})


def external(location: str) -> onnx.ModelProto:
    model = decoder()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model


def huge_constant() -> onnx.ModelProto:
    model = decoder()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([1 << 19, 1 << 19])
    return model


def stacked_growth() -> onnx.ModelProto:
    """Transposed convolutions within every single limit, until all of them together are too large."""
    nodes, last = [node("Reshape", ["latents", "square"], ["x"])], "x"
    for i in range(10):
        nodes.append(node("ConvTranspose", [last, "w"], [f"t{i}"], strides=[4, 4]))
        last = f"t{i}"
    nodes += [node("MatMul", ["latents", "fill"], ["flat"]), FLAT]
    return graph(nodes, {"square": np.array([-1, 1, 2, 2]), "w": ones(1, 1, 4, 4), "fill": ones(4, 64), "shape": SHAPE})


def slow_chain() -> onnx.ModelProto:
    """Little memory, and multiplications for an hour."""
    nodes, last = [node("MatMul", ["latents", "up"], ["m0"])], "m0"
    for i in range(1500):
        nodes.append(node("MatMul", [last, "turn"], [f"m{i + 1}"]))
        last = f"m{i + 1}"
    nodes += [node("MatMul", [last, "fill"], ["flat"]), FLAT]
    return graph(nodes, {"up": ones(4, 1024), "turn": ones(1024, 1024), "fill": ones(1024, 64), "shape": SHAPE})


def foreign_domain() -> onnx.ModelProto:
    model = decoder()
    model.graph.node[0].domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def lying_value(model) -> None:
    model.graph.value_info.append(helper.make_tensor_value_info("flat", FLOAT, ["n", 1 << 40]))


def swapped_axis(model) -> None:
    """A Reshape that mixes the items of a batch, and whose result depends on its size."""
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([1, -1, 8, 8]), "shape"))


def late_cast() -> onnx.ModelProto:
    """A Cast behind a node: its constant is not known yet where the others are read."""
    model = halved()
    nodes = [*model.graph.node[1:], model.graph.node[0]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def read_half() -> onnx.ModelProto:
    """A float16 constant as the shape of a Reshape, whose bytes are no int64."""
    model = decoder()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(16, np.float16), "shape"))
    return model


def taken_name() -> onnx.ModelProto:
    model = halved()
    model.graph.node.append(node("Relu", ["flat"], ["half"]))
    return model


def resize(scales, inputs=("x", "", "scales"), **attributes) -> onnx.ModelProto:
    region = {"roi": ones(8)} if "roi" in inputs else {}
    return on_image(
        node("Resize", list(inputs), ["y"], **NEAREST | attributes), scales=np.array(scales, np.float32), **region
    )


def grown(times: int) -> onnx.ModelProto:
    """Enlargements within every single limit, until all of them together are too large."""
    chain = [node("Resize", ["x" if i == 0 else f"y{i}", "", "scales"], [f"y{i + 1}"], **NEAREST) for i in range(times)]
    return on_image(*chain, scales=np.array([1, 1, 16, 16], np.float32))


ATTACKS = {
    "2,000 copies of a float16 constant": lambda: halved((("half", "fill"), *(("half", f"c{i}") for i in range(1999)))),
    "a float16 constant widened to double": lambda: halved(to=TensorProto.DOUBLE),
    "a Cast of a float32 constant": lambda: halved(kind=np.float32),
    "a Cast of the input": lambda: halved((("half", "fill"), ("latents", "c"))),
    "a Cast of a constant that was widened": lambda: halved((("half", "c"), ("c", "fill"))),
    "a Cast to the name of the input": lambda: halved((("half", "latents"),)),
    "a Cast to the name of its constant": lambda: halved((("half", "half"),)),
    "a Cast to the name of a constant": lambda: halved((("half", "zero"),)),
    "a Cast with saturate": lambda: halved(saturate=1),
    "a Cast of another domain": lambda: halved(domain="com.microsoft"),
    "a Cast behind other nodes": late_cast,
    "a float16 constant as a shape": read_half,
    "a node with the name of a float16 constant": taken_name,
    "a float16 constant that nothing widens": lambda: halved(()),
    "an endless Loop": loop,
    "doubling functions": doubling_functions,
    "doubling Concats": doubling_concats,
    "a stride of 40,000": wide_stride,
    "200,000 nodes": many_nodes,
    "external data by ../": lambda: external("../../../etc/passwd"),
    "external data by an absolute path": lambda: external("/etc/passwd"),
    "external data by a link": lambda: external("link"),
    "a constant of 1 TB": huge_constant,
    "growth in small steps": stacked_growth,
    "an hour of multiplications": slow_chain,
    "a foreign domain": foreign_domain,
    "an If with sub-graphs": lambda: edited(lambda m: m.graph.node.append(
        node("If", ["zero"], ["i"], then_branch=m.graph, else_branch=m.graph))),
    "a text constant": lambda: edited(lambda m: m.graph.initializer.append(
        helper.make_tensor("t", TensorProto.STRING, [1], [b"text"]))),
    "a sparse constant": lambda: edited(lambda m: m.graph.sparse_initializer.add()),
    "a tensor attribute": lambda: edited(lambda m: m.graph.node[0].attribute.append(
        helper.make_attribute("value", numpy_helper.from_array(ones(1))))),
    "training information": lambda: edited(lambda m: m.training_info.add()),
    "metadata": lambda: edited(lambda m: m.metadata_props.add(key="a", value="b")),
    "another opset": lambda: edited(lambda m: m.opset_import[0].__setattr__("version", 12)),
    "two opsets": lambda: edited(lambda m: m.opset_import.append(helper.make_opsetid("", 13))),
    "a loop of nodes": lambda: edited(lambda m: m.graph.node[0].input.__setitem__(0, "square")),
    "a tensor from nowhere": lambda: edited(lambda m: m.graph.node[0].input.__setitem__(0, "nothing")),
    "one output twice": lambda: edited(lambda m: m.graph.node.append(m.graph.node[0])),
    "a node without output": lambda: edited(lambda m: m.graph.node.append(node("Relu", ["flat"], []))),
    "a second input": lambda: edited(lambda m: m.graph.input.append(m.graph.input[0])),
    "a constant twice": lambda: edited(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
    "a constant with the name of the input": lambda: edited(lambda m: m.graph.initializer.append(
        numpy_helper.from_array(ones(1, 4), "latents"))),
    "a lie on a size": lambda: edited(lying_value),
    "a Reshape across the batch": lambda: edited(swapped_axis),
    "an unknown attribute": lambda: edited(lambda m: m.graph.node[0].attribute.append(helper.make_attribute("x", 1))),
    "no node": lambda: graph([]),
    "no graph": lambda: onnx.ModelProto(ir_version=10, opset_import=[helper.make_opsetid("", 20)]),
    "a RandomNormal": lambda: edited(lambda m: m.graph.node.append(node("RandomNormal", [], ["r"], shape=[1 << 20]))),
    "a ConstantOfShape": lambda: edited(lambda m: m.graph.node.append(node("ConstantOfShape", ["shape"], ["r"]))),
    "a Transpose of the items": lambda: on_image(node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])),
    "a Transpose without axes": lambda: on_image(node("Transpose", ["x"], ["y"])),
    "a Transpose with an axis twice": lambda: on_image(node("Transpose", ["x"], ["y"], perm=[0, 1, 1, 3])),
    "an enlargement by 1e9": lambda: resize([1, 1, 1e9, 1e9]),
    "an enlargement in small steps": lambda: grown(8),
    "an enlargement by infinity": lambda: resize([1, 1, np.inf, 1]),
    "an enlargement of the items": lambda: resize([2, 1, 1, 1]),
    "an enlargement of the channels": lambda: resize([1, 2, 1, 1]),
    "a fraction of a pixel": lambda: resize([1, 1, 1.5, 1]),
    "a cubic enlargement": lambda: resize([1, 1, 2, 2], mode="cubic"),
    "an enlargement to computed sizes": lambda: on_image(
        node("Resize", ["x", "", "", "sizes"], ["y"], **NEAREST), sizes=np.array([1, 1, 1 << 20, 1 << 20])),
    "an enlargement of a region": lambda: resize([1, 1, 2, 2], ["x", "roi", "scales"]),
    "an input left out": lambda: on_image(node("Conv", ["x", "", "w"], ["y"]), w=ones(1)),
    "a pooling window of 1e9": lambda: on_image(node("MaxPool", ["x"], ["y"], kernel_shape=[1 << 30, 1])),
    "a pooling without a window": lambda: on_image(node("AveragePool", ["x"], ["y"])),
    "a pooling window of 0": lambda: on_image(node("MaxPool", ["x"], ["y"], kernel_shape=[0, 1])),
    "a pooling of padding alone": lambda: on_image(
        node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], pads=[0, 0, 2, 0])),
    "a pooling with negative padding": lambda: on_image(
        node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], pads=[-1, 0, 0, 0])),
    "a pooling larger than its image": lambda: on_image(node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3])),
    "a pooling of numbers": lambda: on_image(node("Flatten", ["x"], ["f"]), node("GlobalAveragePool", ["f"], ["y"])),
    "a pooling with places": lambda: on_image(node("MaxPool", ["x"], ["y", "places"], kernel_shape=[2, 2])),
    "a slope that is no number": lambda: on_image(node("LeakyRelu", ["x"], ["y"], alpha=float("nan"))),
    "an infinite Elu": lambda: on_image(node("Elu", ["x"], ["y"], alpha=float("inf"))),
    "an infinite Selu": lambda: on_image(node("Selu", ["x"], ["y"], gamma=float("-inf"))),
    "output padding": lambda: on_image(node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], output_padding=[1, 1]),
                                       w=ones(1, 1, 2, 2)),
    "numbers of rows": lambda: on_image(node("Add", ["x", "b"], ["y"]), b=ones(1, 2, 1)),
    "an Erf of two tensors": lambda: on_image(node("Erf", ["x", "x"], ["y"])),
    "an activation of constants": lambda: on_image(node("Tanh", ["w"], ["y"]), w=ones(2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_attacks_are_refused_at_once(attack):
    data = attack().SerializeToString()
    started = time.process_time()
    with pytest.raises(BundleError, match=r"^the graph with the images is refused: .*; get or export") as caught:
        check(data)
    assert time.process_time() - started < 30
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "attack",
    ["an endless Loop", "doubling functions", "doubling Concats", "a stride of 40,000", "external data by a link"],
)
def test_an_attack_in_a_bundle_with_right_sums_ends_with_5(attack, toy, tmp_path):
    files = {name: (toy / name).read_bytes() for name in FILES}
    write(tmp_path / "evil", files | {"decoder.onnx": ATTACKS[attack]().SerializeToString()}, "", replace=False)
    done = subprocess.run(command(["sample", "-m", str(tmp_path / "evil"), "-o", str(tmp_path / "x.png"), "-q"]),
                          capture_output=True, timeout=30)  # fmt: skip
    assert done.returncode == 5 and done.stderr.count(b"\n") == 1 and b"refused" in done.stderr
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: on_image(helper.make_node("Softmax", ["x"], ["y"], name="/head/soft")),
         r'operator Softmax \(node "/head/soft"\) is none of the allowed operators: Add, AveragePool, Clip, Conv'),
        (loop, 'the operator Loop .*: it has a graph inside, which is not allowed'),
        (lambda: on_image(node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])),
         r'operator Transpose \(node "y"\): a Transpose keeps the first axis, of the items'),
        (lambda: on_image(node("Relu", ["x"], ["y"], slope=1.0)), 'Relu .*: the attribute slope is none of .*: none'),
        (lambda: external("../x"), "numbers in another file"),
        (doubling_functions, "it has functions, which is not allowed"),
        (foreign_domain, "it uses other operators than those of opset 20"),
    ],
)  # fmt: skip
def test_refusals_name_operator_node_and_what_is_allowed(make, said):
    with pytest.raises(BundleError, match=said):
        check(make())
