"""MNN, an engine for phones, from Python; the graph is converted first.

The converter is called directly, since the program `mnnconvert` installs a package and sends a log of its use.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.engines.engine import Arrays, Engine, apart, package


def run(graph: str, batches: Arrays) -> Arrays:
    import _tools
    import MNN
    from MNN import expr

    ends = ["images", "latents"] if Path(graph).stem == "encoder" else ["latents", "images"]
    with tempfile.TemporaryDirectory() as place:
        converted = f"{place}/graph.mnn"
        _tools.mnnconvert(["", "-f", "ONNX", "--modelFile", graph, "--MNNModel", converted, "--bizCode", "aetool"])
        model = MNN.nn.load_module_from_file(converted, ends[:1], ends[1:])
    outputs = []
    for batch in batches:
        value = expr.placeholder(list(batch.shape), expr.NCHW)
        value.write(batch)
        outputs.append(expr.convert(model.forward([value])[0], expr.NCHW).read().copy())
    return outputs


ENGINE = Engine("MNN", "Python", package("MNN"), apart(__name__))


def test_mnn_gives_the_same_pictures(agrees, model):
    agrees(ENGINE, model)
