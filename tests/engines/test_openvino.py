"""OpenVINO from Python, in float32: as it comes, it takes bfloat16 where the processor has that."""

from __future__ import annotations

from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    import openvino

    model = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [model(batch)[0].copy() for batch in batches]


ENGINE = Engine("OpenVINO", "Python, in float32", package("openvino"), apart(__name__))


def test_openvino_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
