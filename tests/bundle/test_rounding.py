"""Rounded weights: few digits, the same graph otherwise."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from aetool.bundle.bundle import Bundle, Graphs
from aetool.bundle.rounding import rounded
from aetool.explore.assembly import in_planes
from aetool.explore.graphs import page_graphs
from aetool.runtime.codec import Codec
from tests.toy import SPEC, picking_graphs


def graph_of(weights: np.ndarray) -> bytes:
    return picking_graphs(weights, np.zeros((4, 64), np.float32), 1)["encoder.onnx"]


@pytest.mark.parametrize("digits", [3, 10, 12])
def test_weights_are_rounded_to_the_nearest_with_few_digits(digits):
    weights = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32) * np.float32(1e-3)
    graph = rounded(graph_of(weights), digits)
    assert len(graph) == len(graph_of(weights))
    images = np.eye(64, dtype=np.float32).reshape(64, 1, 8, 8)
    found = Codec(Graphs(graph, graph, SPEC, 4), "cpu").encode(images)
    assert (abs(found - weights) <= abs(weights) * 2.0 ** -(digits + 1) * 1.0001).all()
    assert (found.view(np.uint32) & (1 << 23 - digits) - 1 == 0).all()


def test_zeros_and_whole_powers_stay():
    weights = np.array([0, -0.0, 1, -2, 0.5, 1024] * 4, np.float32).reshape(6, 4).repeat(11, 0)[:64]
    assert rounded(graph_of(weights), 10) == graph_of(weights)


def test_a_model_that_rounding_would_change_keeps_its_weights():
    """A picture is the small difference of two large numbers."""
    pick = np.zeros((64, 4), np.float32)
    pick[0] = 1.0
    fill = np.zeros((4, 64), np.float32)
    fill[0], fill[1] = 1000.1, -999.4
    graphs = picking_graphs(pick, fill, 1)
    codec = Codec(Graphs(graphs["encoder.onnx"], graphs["decoder.onnx"], SPEC, 4), "cpu")
    found, stored = page_graphs(codec, np.ones((8, 4), np.float32))
    assert stored == "float32" and found.decoder == graphs["decoder.onnx"]


def test_a_shipped_graph_packs_smaller():
    graph = Bundle.find("mnist").files["decoder.onnx"]
    assert len(gzip.compress(in_planes(rounded(graph, 11)), 6)) < 0.53 * len(graph)
