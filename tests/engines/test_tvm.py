"""TVM: a graph compiled to machine code by LLVM, with a dynamic batch."""

from __future__ import annotations

import pytest

from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    import onnx
    import tvm
    from tvm.relax.frontend.onnx import from_onnx

    compiled = tvm.compile(from_onnx(onnx.load(graph)), target="llvm")
    machine = tvm.relax.VirtualMachine(compiled, tvm.cpu())
    return [machine["main"](tvm.runtime.tensor(batch)).numpy() for batch in batches]


ENGINE = Engine("TVM", "Python", package("apache-tvm", "compilers"), apart(__name__), in_order=True)


@pytest.mark.slow
def test_tvm_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
