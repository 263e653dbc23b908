"""Fixtures: a runtime by hand for pages that are read but not run, and the published one for pages in a browser."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aetool.errors import InvalidInput, ReadWriteError
from aetool.explore import runtime
from aetool.system.downloads import Pinned
from tests.engines.engine import HERE as ENGINES

SMALL = {
    "ort.wasm.bundle.min.mjs": b"let a=1,b=2;export{a as InferenceSession,b as default};\n//# sourceMappingURL=x\n",
    "ort-wasm-simd-threaded.wasm": b"\0asm" + bytes(1000),
}


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    """A folder of node_modules whose package is `SMALL`, which is the pinned one in the test."""
    folder = tmp_path / "node_modules/onnxruntime-web/dist"
    folder.mkdir(parents=True)
    pins = []
    for name, content in SMALL.items():
        (folder / name).write_bytes(content)
        pins.append(Pinned(name, len(content), hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(runtime, "FILES", tuple(pins))
    monkeypatch.setattr(runtime, "SCRIPT", pins[0])
    monkeypatch.setattr(runtime, "WASM", pins[1])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "node_modules"


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> runtime.Runtime:
    """The published runtime: that of the engines if installed, else fetched by npm; without both, a loud skip."""
    for place in (str(ENGINES / "node_modules"), None):
        try:
            return runtime.runtime_at(place, lambda *_: None)
        except (InvalidInput, ReadWriteError) as error:
            reason = error
    pytest.skip(f"RUNTIME MISSING: {reason}")
