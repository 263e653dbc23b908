"""Time of a graph by operator, and the speed of ConvTranspose compared with equivalent nodes.

python graphs.py [TRIALS] > results/graphs.json
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from inference import networks
from onnx import TensorProto, helper, numpy_helper
from turns import alternate, report, row

from aetool.runtime.devices import open_session
from aetool.training.export.graphs import to_onnx

SHAPES = {"64 to 32 channels at 7x7": (64, 32, 7), "32 to 1 channel at 14x14": (32, 1, 14)}
"""Transposed convolutions of `conv`: input channels, output channels, input side."""
IMAGES = 256
AXES = np.array([1, 2, 3])
Node = onnx.NodeProto


def shares(graph: bytes, values: np.ndarray) -> dict[str, float]:
    """Return the four largest shares of operators in the time of a run, by the profiler of ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    for _ in range(20):
        session.run(None, {session.get_inputs()[0].name: values})
    taken: Counter[str] = Counter()
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("name", "").endswith("_kernel_time"):
            taken[event["args"]["op_name"]] += event["dur"]
    return {name: round(value / taken.total(), 3) for name, value in taken.most_common(4)}


def profiles() -> list[dict]:
    rng = np.random.default_rng(0)
    found = []
    for title, (network, shape, size) in networks().items():
        parts = (("encoder", "images", shape, "latents"), ("decoder", "latents", (size,), "images"))
        for part, source, given, target in parts:
            values = rng.random((64, *given), np.float32)
            graph = to_onnx(getattr(network, part).eval(), torch.zeros(2, *given), source, target)
            found.append({"graph": f"{title} {part}", "shares": shares(graph, values)})
    return found


def taps(phase: int) -> dict[int, int]:
    """Return the weight index (0 to 3) by neighbour d, for even (0) or odd (1) output positions.

    Position 2i + phase is the sum over neighbours i + d of weight phase + 1 - 2d: stride 2, padding 1.
    """
    return {-1: 3, 0: 1} if phase == 0 else {0: 2, 1: 0}


def kernels(weights: np.ndarray, side: int, origin: Callable[[int], int]) -> np.ndarray:
    """Return kernels (2, 2, out, in, side, side), a convolution for each of the four output phases."""
    found = np.zeros((2, 2, weights.shape[1], weights.shape[0], side, side), np.float32)
    for a in (0, 1):
        for b in (0, 1):
            for i, k in taps(a).items():
                for j, m in taps(b).items():
                    found[a, b, :, :, i + origin(a), j + origin(b)] = weights[:, :, k, m].T
    return found


def transposed(weights: np.ndarray, h: int) -> tuple[list[Node], dict[str, np.ndarray]]:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4)
    return [node], {"w": weights}


def one_3x3(weights: np.ndarray, h: int) -> tuple[list[Node], dict[str, np.ndarray]]:
    """Return a single convolution with four times the channels; more than half of its weights are 0."""
    w = kernels(weights, 3, lambda phase: 1)
    nodes = [helper.make_node("Conv", ["x", "w"], ["z"], pads=[1] * 4), _shuffle("z")]
    return nodes, {"w": w.reshape(-1, *w.shape[3:])}


def one_2x2(weights: np.ndarray, h: int) -> tuple[list[Node], dict[str, np.ndarray]]:
    """Return a single convolution with four times the channels, and a Slice for each phase."""
    w, c = kernels(weights, 2, lambda phase: 1 - phase), weights.shape[1]
    nodes = [helper.make_node("Conv", ["x", "w"], ["z"], pads=[1] * 4)]
    tensors = {"w": w.reshape(-1, *w.shape[3:]), "axes": AXES}
    for i, (a, b) in enumerate(np.ndindex(2, 2)):
        tensors[f"from{i}"] = np.array([i * c, a, b])
        tensors[f"to{i}"] = np.array([(i + 1) * c, a + h, b + h])
        nodes.append(helper.make_node("Slice", ["z", f"from{i}", f"to{i}", "axes"], [f"part{i}"]))
    return [*nodes, *_interleave()], tensors


def four_2x2(weights: np.ndarray, h: int) -> tuple[list[Node], dict[str, np.ndarray]]:
    """Return a convolution for each phase."""
    w = kernels(weights, 2, lambda phase: 1 - phase)
    places = list(np.ndindex(2, 2))
    nodes = [
        helper.make_node("Conv", ["x", f"w{i}"], [f"part{i}"], pads=[1 - a, 1 - b, a, b])
        for i, (a, b) in enumerate(places)
    ]
    return [*nodes, *_interleave()], {f"w{i}": w[place] for i, place in enumerate(places)}


def _interleave() -> list[Node]:
    return [helper.make_node("Concat", [f"part{i}" for i in range(4)], ["all"], axis=1), _shuffle("all")]


def _shuffle(name: str) -> Node:
    return helper.make_node("DepthToSpace", [name], ["y"], blocksize=2, mode="DCR")


WAYS = {
    "one Conv 3x3 and DepthToSpace": one_3x3,
    "one Conv 2x2, Slice and DepthToSpace": one_2x2,
    "four Conv 2x2 and DepthToSpace": four_2x2,
}


def session(way, weights: np.ndarray, h: int) -> ort.InferenceSession:
    nodes, tensors = way(weights, h)
    inner, outer = weights.shape[:2]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", c, side, side])
        for name, c, side in (("x", inner, h), ("y", outer, 2 * h))
    ]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(v, k) for k, v in tensors.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return open_session(model.SerializeToString(), "cpu", 1)


def rewrites(trials: int) -> list[dict]:
    """Return the rows of ConvTranspose compared with each equivalent form, by shape and batch size."""
    rng = np.random.default_rng(0)
    rows = []
    for what, (inner, outer, h) in SHAPES.items():
        weights = rng.normal(size=(inner, outer, 4, 4)).astype(np.float32)
        sessions = {name: session(way, weights, h) for name, way in ({"ours": transposed} | WAYS).items()}
        for batch in (1, 64):
            x = rng.random((batch, inner, h, h), np.float32)
            expected = sessions["ours"].run(None, {"x": x})[0]
            assert all(np.allclose(s.run(None, {"x": x})[0], expected, atol=1e-3) for s in sessions.values())
            taken = alternate({name: _timed(s, x) for name, s in sessions.items()}, trials)
            rows += [
                row(f"ConvTranspose, {what}, batch {batch}", name, taken["ours"], taken[name], "") for name in WAYS
            ]
    return rows


def _timed(session: ort.InferenceSession, x: np.ndarray) -> Callable[[], float]:
    def run() -> float:
        begun = time.perf_counter()
        for _ in range(IMAGES // len(x)):
            session.run(None, {"x": x})
        return time.perf_counter() - begun

    return run


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        report("graphs", rewrites(int(sys.argv[1]) if len(sys.argv) > 1 else 9), profiles=profiles())
