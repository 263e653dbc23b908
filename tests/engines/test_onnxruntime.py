"""ONNX Runtime, the reference, as any program calls it: with all threads, at every size of batch."""

from __future__ import annotations

from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: batch})[0] for batch in batches]


ENGINE = Engine("ONNX Runtime", "Python", package("onnxruntime"), apart(__name__))


def test_onnxruntime_gives_the_same_pictures_at_every_batch(agrees, model):
    agrees(ENGINE, model)
