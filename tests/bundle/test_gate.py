"""Graphs from strangers: what our exporters and our importer write passes, within exact limits."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from aetool.bundle.bundle import Bundle
from aetool.bundle.gate import MAX_NODES, MAX_VALUES, check_graph
from aetool.errors import BundleError
from aetool.runtime.codec import Codec, Opened
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
