"""NumPy, by the operators of aetool: what `--device numpy` computes."""

from __future__ import annotations

from pathlib import Path

from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    from aetool.runtime.reference import Reference

    reference = Reference(Path(graph).read_bytes())
    return [reference.run(batch) for batch in batches]


ENGINE = Engine("NumPy", "aetool, as `--device numpy`", package("numpy"), apart(__name__))


def test_numpy_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
