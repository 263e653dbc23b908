"""Weights in float16: the graph computes as with rounded weights in float32, to the bit, and takes half the bytes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from aetool.bundle.bundle import Bundle, Graphs
from aetool.bundle.half import SUFFIX, half
from aetool.bundle.lookup import SHIPPED, shipped_path
from aetool.errors import BundleError
from aetool.runtime.codec import Codec
from tests.toy import SPEC, picking_graphs, toy_graphs


def rounded(graph: bytes) -> bytes:
    """Return a graph whose weights are rounded to float16 and stored in float32."""
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim > 1:
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16).astype(np.float32), tensor.name))
    return model.SerializeToString()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_graph_computes_as_with_rounded_weights(name):
    graphs = Bundle.read(shipped_path(name)).graphs
    small = Graphs(half(graphs.encoder), half(graphs.decoder), graphs.spec, graphs.latent_size)
    plain = Graphs(rounded(graphs.encoder), rounded(graphs.decoder), graphs.spec, graphs.latent_size)
    latents = np.random.default_rng(0).normal(size=(7, graphs.latent_size)).astype(np.float32)
    images = Codec(plain, "cpu").decode(latents)
    assert np.array_equal(Codec(small, "cpu").decode(latents), images)
    assert np.array_equal(Codec(small, "cpu").encode(images), Codec(plain, "cpu").encode(images))
    assert not np.array_equal(Codec(graphs, "cpu").decode(latents), images)
    assert len(small.encoder + small.decoder) < 0.51 * len(graphs.encoder + graphs.decoder)
    assert Codec(small, "cpu").placement() == Codec(graphs, "cpu").placement()  # no Cast is left in a run


@pytest.mark.parametrize("name", SHIPPED)
def test_a_graph_in_float16_is_the_same_message_to_other_parsers(name):
    for graph in (Bundle.read(shipped_path(name)).graphs.encoder, Bundle.read(shipped_path(name)).graphs.decoder):
        model, before = onnx.load_from_string(half(graph)), onnx.load_from_string(graph)
        onnx.checker.check_model(model, full_check=True)
        assert model.SerializeToString(deterministic=True) == half(graph)
        kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        for tensor in before.graph.initializer:
            weights = tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
            stored = tensor.name + SUFFIX * weights
            assert kinds[stored] == (onnx.TensorProto.FLOAT16 if weights else tensor.data_type)
        assert half(half(graph)) == half(graph)


def toy(scale: float, odd: float = 1) -> bytes:
    """Return an encoder whose weights are normal numbers of a size, and a single one of another size."""
    weights = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32) * np.float32(scale)
    weights[3, 2] = odd
    return picking_graphs(weights, weights.T.copy(), SPEC.channels)["encoder.onnx"]


@pytest.mark.parametrize("odd", [65_520, -1e6, np.inf, np.nan])
def test_weights_beyond_float16_are_refused(odd):
    with pytest.raises(BundleError, match=r"^pick has weights as large as .*, and float16 ends at 65,504$"):
        half(toy(1, odd))
    half(toy(1, -65_504))


@pytest.mark.parametrize(("scale", "odd", "passes"), [(1e-3, 0, True), (1e-4, 0, True), (1e-6, 0, False),
                                                      (1e-9, 0, False), (1e-9, 1, True), (0, 0, True)])  # fmt: skip
def test_weights_that_are_lost_are_refused_but_not_small_ones_among_others(scale, odd, passes):
    if passes:
        half(toy(scale, odd))
        return
    with pytest.raises(BundleError, match="so small that float16 loses"):
        half(toy(scale, odd))


def test_the_toy_comes_through_without_a_change():
    graphs = toy_graphs()
    small = Graphs(half(graphs["encoder.onnx"]), half(graphs["decoder.onnx"]), SPEC, 4)
    latents = np.array([[0, 0.25, 0.5, 1]], np.float32)
    assert np.array_equal(Codec(small, "cpu").encode(Codec(small, "cpu").decode(latents)), latents)
