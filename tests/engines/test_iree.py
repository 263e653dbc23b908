"""IREE: a graph compiled to machine code by MLIR and LLVM, with a dynamic batch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.engines.engine import Arrays, Engine, apart, package

COMPILED = ["--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=llvm-cpu",
            "--iree-llvmcpu-target-cpu=host"]  # fmt: skip


def run(graph: str, batches: Arrays) -> Arrays:
    import iree.compiler
    import iree.runtime
    from iree.compiler.tools.import_onnx import __main__ as importer

    with tempfile.TemporaryDirectory() as place:
        imported, compiled = str(Path(place, "graph.mlir")), str(Path(place, "graph.vmfb"))
        importer.main(importer.parse_arguments([graph, "-o", imported]))
        iree.compiler.compile_file(imported, output_file=compiled, input_type="onnx", extra_args=COMPILED)
        module = iree.runtime.load_vm_flatbuffer_file(compiled, driver="local-task")
        return [module["main_graph"](batch).to_host() for batch in batches]


ENGINE = Engine("IREE", "Python", package("iree-base-runtime", "compilers"), apart(__name__), in_order=True)


@pytest.mark.slow
def test_iree_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
