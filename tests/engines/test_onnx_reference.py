"""onnx.reference, the specification of the operators in plain Python: exact, and slow in transposed convolutions."""

from __future__ import annotations

import pytest

from tests.engines.agreement import reference
from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(graph)
    return [evaluator.run(None, {evaluator.input_names[0]: batch})[0] for batch in batches]


ENGINE = Engine("onnx.reference", "Python", package("onnx", "train"), apart(__name__))


def test_the_specification_gives_the_same_pictures_of_the_toy(agrees, toy):
    agrees(ENGINE, reference(toy))


def test_the_specification_gives_the_same_picture(agrees, model):
    agrees(ENGINE, model, batches=[1])


@pytest.mark.slow
def test_the_specification_gives_the_same_pictures_at_every_batch(agrees, model):
    agrees(ENGINE, model)
