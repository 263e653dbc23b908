"""ONNX Runtime from JavaScript under node: as WebAssembly, which is what browsers run, and as a native library."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.engine import HERE, Arrays, Engine, Missing, program


def version(name: str) -> str:
    described = HERE / "node_modules" / name / "package.json"
    if not shutil.which("node") or not described.exists():
        raise Missing(f"{name}: bash .ci/engines, with node and npm")
    return str(json.loads(described.read_text())["version"])


def run(name: str) -> Callable[[Path, Arrays], Arrays]:
    return functools.partial(program, ["node", str(HERE / "javascript.mjs"), name])


NAMES = {"onnxruntime-web": "ONNX Runtime web", "onnxruntime-node": "ONNX Runtime node"}
ENGINES = {
    name: Engine(title, "JavaScript", functools.partial(version, name), run(name)) for name, title in NAMES.items()
}


@pytest.mark.parametrize("name", ENGINES)
def test_javascript_gives_the_same_pictures(agrees, model, name):
    agrees(ENGINES[name], model)
