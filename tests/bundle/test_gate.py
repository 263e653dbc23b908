"""Graphs from strangers: what our exporters write passes, everything else is refused before ONNX Runtime sees it."""

from __future__ import annotations

import shutil
import subprocess
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aetool.bundle.bundle import Bundle
from aetool.bundle.folder import FILES, write
from aetool.bundle.gate import MAX_NODES, MAX_VALUES, check_graph, properties
from aetool.bundle.gate_protobuf import MAX_FIELDS
from aetool.errors import BundleError
from aetool.runtime.codec import Codec, Opened
from tests.conftest import command
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


def test_what_we_ship_and_the_toy_pass():
    for name in ("mnist", "sign_digits"):
        bundle = Bundle.find(name)
        images, latents = ("images", bundle.manifest.image.shape), ("latents", (bundle.manifest.latent_size,))
        check_graph(bundle.files["encoder.onnx"], images, latents, 256)
        check_graph(bundle.files["decoder.onnx"], latents, images, 256)
    check(decoder())


def test_other_activations_and_hidden_layers_pass():
    nodes = [
        node("Gemm", ["latents", "a", "b"], ["x"], transB=1),
        node("Sigmoid", ["x"], ["s"]),
        node("Mul", ["x", "s"], ["silu"]),
        node("Gemm", ["silu", "c"], ["y"], alpha=1.0),
        node("Add", ["y", "y"], ["flat"]),
        FLAT,
    ]
    model = graph(nodes, {"a": ones(16, 4), "b": ones(16), "c": ones(16, 64), "shape": SHAPE})
    check(model)
    onnx.checker.check_model(model, full_check=True)


def test_weights_in_float16_pass_where_each_is_widened_first():
    model = halved()
    assert check(model) == check(decoder())
    onnx.checker.check_model(model, full_check=True)


def test_sizes_are_those_that_onnx_infers():
    rng = np.random.default_rng(0)
    for _ in range(60):
        k, s, p, side = rng.integers((1, 1, 0, 1), (6, 5, 4, 12)).tolist()
        for operator in ("Conv", "ConvTranspose"):
            nodes = [node(operator, ["x", "w"], ["y"], strides=[s, s], pads=[p] * 4, kernel_shape=[k, k])]
            values = [helper.make_tensor_value_info("x", FLOAT, ["n", 2, side, side]),
                      helper.make_tensor_value_info("y", FLOAT, None)]  # fmt: skip
            weights = numpy_helper.from_array(ones(2, 2, k, k), "w")
            model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], [weights]),
                                      opset_imports=[helper.make_opsetid("", 20)], ir_version=10)  # fmt: skip
            try:
                inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
                dims = [d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim][1:]
            except onnx.shape_inference.InferenceError:
                dims = [0]
            target = ("y", tuple(dims))
            del model.graph.output[:]
            model.graph.output.append(helper.make_tensor_value_info("y", FLOAT, ["n", *dims]))
            too_small = operator == "Conv" and side + 2 * p < k  # where onnx rounds the wrong way
            if min(dims) >= 1 and not too_small:
                check_graph(model.SerializeToString(), ("x", (2, side, side)), target, 1)
            else:
                with pytest.raises(BundleError):
                    check_graph(model.SerializeToString(), ("x", (2, side, side)), target, 1)


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


def edited(change) -> onnx.ModelProto:
    model = decoder()
    change(model)
    return model


def lying_value(model) -> None:
    model.graph.value_info.append(helper.make_tensor_value_info("flat", FLOAT, ["n", 1 << 40]))


def swapped_axis(model) -> None:
    """A Reshape that mixes the items of a batch, and whose result depends on its size."""
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([1, -1, 8, 8]), "shape"))


def halved(casts=(("half", "fill"),), to=FLOAT, kind=np.float16, **more) -> onnx.ModelProto:
    """Return the toy's decoder with its weights in float16, read by these Casts."""
    model = decoder()
    weights = numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights.astype(kind), "half"))
    nodes = [node("Cast", [half], [name], to=to, **more) for half, name in casts] + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


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
    "nodes",
    [
        [node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])],
        [node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1])],
        [node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], pads=[1, 0, 1, 0], count_include_pad=1)],
        [node("Resize", ["x", "", "scales"], ["y"], **NEAREST)],
        [node("LeakyRelu", ["x"], ["y"], alpha=0.2)],
        [node("Elu", ["x"], ["y"], alpha=1.0)],
        [node("Selu", ["x"], ["y"])],
        [node("HardSwish", ["x"], ["y"])],
        [node("Tanh", ["x"], ["y"])],
        [node("GlobalAveragePool", ["x"], ["y"])],
        [node("Erf", ["x"], ["y"])],
        [node("Add", ["x", "channels"], ["y"])],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_operators_of_other_tools_pass_with_the_sizes_that_onnx_infers(nodes):
    """The sizes are proven by the graph: y becomes the images, flat, by a Reshape that fits them alone."""
    model = on_image(*nodes, scales=np.array([1, 1, 3, 2], np.float32), channels=ones(1, 1, 1))
    check(model)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    (dims,) = ([d.dim_value for d in value.type.tensor_type.shape.dim][1:] for value in inferred.graph.value_info
               if value.name == "y")  # fmt: skip
    model.graph.value_info.append(helper.make_tensor_value_info("y", FLOAT, ["n", *dims]))
    check(model)
    del model.graph.value_info[:]
    model.graph.value_info.append(helper.make_tensor_value_info("y", FLOAT, ["n", *dims[:-1], dims[-1] + 1]))
    with pytest.raises(BundleError, match="not true"):
        check(model)


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


def test_limits_are_exact():
    check(many_nodes(MAX_NODES - 3))
    with pytest.raises(BundleError, match="nodes"):
        check(many_nodes(MAX_NODES - 2))
    check(wide_stride(4))
    with pytest.raises(BundleError, match="stride"):
        check(wide_stride(5))


def test_values_bound_the_items_of_a_run(monkeypatch):
    model = edited(lambda m: m.graph.node.extend([node("Relu", ["flat"], [f"r{i}"]) for i in range(1000)]))
    assert check(model, batch=1) == check(model, batch=1000) == MAX_VALUES // (64 * 1003)
    monkeypatch.setattr("aetool.bundle.gate.MAX_VALUES", 64 * 1003)
    assert check(model) == 1
    monkeypatch.setattr("aetool.bundle.gate.MAX_VALUES", 64 * 1003 - 1)
    with pytest.raises(BundleError, match="memory or time"):
        check(model, batch=1)


RANGE, ORDER = ("Image.NominalPixelRange", "Normalized_0_1"), ("Image.BitmapPixelFormat", "Gray8")


def described(*pairs: tuple[str, str]) -> onnx.ModelProto:
    model = decoder()
    for key, value in pairs:
        model.metadata_props.add(key=key, value=value)
    return model


@pytest.mark.parametrize("pairs", [(), (RANGE,), (ORDER,), (RANGE, ORDER), (ORDER, RANGE)])
def test_range_and_channel_order_may_be_inside(pairs):
    model = described(*pairs)
    check(model)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    "pairs",
    [
        (RANGE, RANGE),
        (RANGE, ORDER, RANGE),
        (RANGE, ("author", "somebody")),
        (("Image.NominalPixelRange", "NominalRange_0_255"),),
        (("Image.NominalPixelRange", ""),),
        (("image.nominalpixelrange", "Normalized_0_1"),),
        (("Image.BitmapPixelFormat", "Rgb8"),),  # of a grey model
        (("Image.BitmapPixelFormat", "Bgr8"),),
        (("Image.ColorSpaceGamma", "SRGB"),),
        (("", ""),),
        (("x" * 4000, "y" * 4000),),
    ],
)
def test_other_metadata_are_refused(pairs):
    with pytest.raises(BundleError, match=r"its metadata .* is twice there, none of ours, or not true"):
        check(described(*pairs))


def test_metadata_of_nodes_and_fields_behind_a_pair_are_refused():
    model = described()
    model.graph.node[0].metadata_props.add(key=RANGE[0], value=RANGE[1])
    with pytest.raises(BundleError, match="metadata of a node"):
        check(model)
    body = onnx.StringStringEntryProto(key=RANGE[0], value=RANGE[1]).SerializeToString()
    for more, said in ((b"\x1a\x00", "field 3"), (b"\x12\x00", "twice"), (b"\x0a\x00", "twice")):
        with pytest.raises(BundleError, match=said):
            check(decoder().SerializeToString() + b"\x72" + varint(len(body + more)) + body + more)


def test_channels_that_no_picture_has_have_no_order():
    assert properties((5, 8, 8)) == dict([RANGE]) and properties((1, 8, 8)) == dict([RANGE, ORDER])
    assert properties((3, 8, 8))["Image.BitmapPixelFormat"] == "Rgb8"


def test_multiplications_are_those_of_the_largest_batch(monkeypatch):
    monkeypatch.setattr("aetool.bundle.gate.MAX_PRODUCTS", 320 * 256)  # 4 x 64 of MatMul, 64 of Clip
    check(decoder(), batch=256)
    with pytest.raises(BundleError, match="memory or time"):
        check(decoder(), batch=257)


def test_a_model_with_large_values_runs_with_fewer_items(toy, monkeypatch):
    latents = np.random.default_rng(0).random((40, 4), np.float32)
    whole = Codec(Bundle.read(toy)).decode(latents)
    monkeypatch.setattr("aetool.bundle.gate.MAX_VALUES", 5 * 192)
    codec = Codec(Bundle.read(toy))
    assert np.array_equal(codec.decode(latents), whole) and codec._decoder.most == 5 and codec._encoder.most > 5


def varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b"\x08\x0a", "twice"),  # a second ir_version: some parsers take the last
        (b"\x3a\x00", "twice"),  # a second graph: parsers merge it into the first
        (b"\x28\x80\x00", "longer than it need be"),
        (b"\x28" + b"\xff" * 10 + b"\x01", "longer than it need be"),
        (b"\x28" + b"\xff" * 9 + b"\x7f", "longer than it need be"),
        (b"\x2b", "another type"),  # the start of a group
        (b"\x2d\x00\x00\x00\x00", "another type"),
        (b"\x32\x7f", "cut short"),
        (b"\x32\x02\xff\xfe", "UTF-8"),
        (b"\x32" + varint(5000) + b"a" * 5000, "longer than"),
        (varint(99 << 3), "field 99"),
        (b"\x00\x00", "field 0"),
        (b"\x80", "cut short"),
    ],
)
def test_bytes_that_parsers_may_read_differently_are_refused(more, said):
    with pytest.raises(BundleError, match=said):
        check(decoder().SerializeToString() + more)


def test_reading_ends_after_a_number_of_fields():
    with pytest.raises(BundleError, match=f"{MAX_FIELDS:,} fields"):
        check(decoder().SerializeToString() + b"\x42\x00" * (MAX_FIELDS + 1))
    dims = b"\x0a" + varint(MAX_FIELDS + 1) + b"\x01" * (MAX_FIELDS + 1)
    packed = b"\x2a" + varint(len(dims)) + dims
    with pytest.raises(BundleError, match=f"{MAX_FIELDS:,} fields"):
        check(b"\x3a" + varint(len(packed)) + packed)


def test_packed_numbers_are_read_as_others():
    model = decoder()
    plain = model.graph.initializer[0].SerializeToString()
    start = b"".join(b"\x08" + varint(d) for d in model.graph.initializer[0].dims)
    dims = b"".join(varint(d) for d in model.graph.initializer[0].dims)
    assert plain.startswith(start)
    packed = b"\x0a" + varint(len(dims)) + dims + plain[len(start) :]
    tensor = onnx.TensorProto.FromString(packed)
    assert list(tensor.dims) == [4, 64]
    del model.graph.initializer[0]
    body = model.graph.SerializeToString() + b"\x2a" + varint(len(packed)) + packed
    model.ClearField("graph")
    check(model.SerializeToString() + b"\x3a" + varint(len(body)) + body)


def test_numbers_of_another_shape_are_refused(toy):
    codec = Codec(Bundle.read(toy), "cpu")

    def other(values):
        return np.zeros((1, 5), np.float32)

    with pytest.raises(BundleError, match="another shape"):
        codec._run(Opened(other, 8), np.zeros((1, 1, 8, 8), np.float32), (4,))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_never_become_a_picture(toy, tmp_path, bad):
    model = decoder()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((4, 64), bad, np.float32), "fill"))
    bundle = Bundle.read(shutil.copytree(toy, tmp_path / "toy"))
    broken = Bundle("toy", bundle.manifest, {**bundle.files, "decoder.onnx": model.SerializeToString()}, "")
    try:
        images = Codec(broken, "cpu").decode(np.zeros((2, 4), np.float32))
    except BundleError:
        return
    assert images.shape == (2, 1, 8, 8) and np.isfinite(images).all()  # Clip makes one of infinity


@pytest.mark.parametrize(
    ("dims", "passes"), [((64,), True), ((1, 64), False), ((4, 64), False), ((1,), False), ((8, 8), False)]
)
def test_a_constant_for_each_number_of_an_item_may_be_added(dims, passes):
    nodes = [node("Gemm", ["latents", "c"], ["y"]), node("Add", ["y", "m"], ["flat"]), FLAT]
    model = graph(nodes, {"c": ones(4, 64), "m": ones(*dims), "shape": SHAPE})
    if passes:
        check(model)
        return
    with pytest.raises(BundleError, match="sum or product"):
        check(model)
