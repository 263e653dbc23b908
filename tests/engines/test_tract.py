"""tract, an engine in Rust, from Python."""

from __future__ import annotations

from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    import tract

    model = tract.onnx().load(graph).into_model().into_runnable()
    return [model.run([batch])[0].to_numpy() for batch in batches]


ENGINE = Engine("tract", "Rust, from Python", package("tract"), apart(__name__), in_order=True)


def test_tract_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
