"""The page: one HTML file that needs no other, assembled from a template, scripts, data and packed arrays."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from aetool.bundle.bundle import Graphs
from aetool.explore.content import Content
from aetool.explore.runtime import Runtime

ORDER = "page/order.txt"
"""Names of the scripts of the page, in their order."""
PREPARATION = ("jpeg.js", "coefficients.js", "scaled.js", "preparation.js")
"""Scripts that prepare pictures, which Node.js runs in tests too."""
PLANES = 4
"""Bytes of a number in float32: bytes of the same place pack better side by side."""
ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def page(content: Content, graphs: Graphs, runtime: Runtime) -> bytes:
    """Return the page as HTML in UTF-8: the same bytes for the same content."""
    parts = {
        "TITLE": escape(content.data["title"]),
        "STYLE": f"<style>\n{_text('page/style.css')}</style>",
        "SCRIPTS": "\n".join(f"<script>\n{_text(name)}</script>" for name in _scripts()),
        "DATA": f'<script type="application/json" id="data">{to_json(content.data)}</script>',
        "BLOBS": "\n".join(_blobs(content, graphs, runtime)),
    }
    text = _text("page/template.html")
    pieces = re.split(r"<!-- (TITLE|STYLE|SCRIPTS|DATA|BLOBS) -->", text)
    return "".join(part if i % 2 == 0 else parts[part] for i, part in enumerate(pieces)).encode("utf-8", "replace")


def to_json(value: Mapping[str, Any]) -> str:
    """Return JSON that no text inside can end: <, >, & and line ends of JavaScript as escapes, lone surrogates too."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).translate(ESCAPED)


def _text(name: str) -> str:
    return files("aetool.explore").joinpath(name).read_text(encoding="utf-8")


def _scripts() -> list[str]:
    return [*PREPARATION, *(f"page/{name}" for name in _text(ORDER).split())]


def _blobs(content: Content, graphs: Graphs, runtime: Runtime) -> Iterator[str]:
    yield _blob("runtime", _packed(runtime.script.encode()))
    yield _blob("wasm", runtime.wasm)
    for name, graph in (("encoder", graphs.encoder), ("decoder", graphs.decoder)):
        yield _blob(name, _packed(in_planes(graph)), PLANES)
    for name, array in content.arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        floats = array.dtype.kind == "f"
        yield _blob(name, _packed(in_planes(data) if floats else data), PLANES if floats else 1)


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _blob(name: str, packed: bytes, planes: int = 1) -> str:
    more = f' data-planes="{planes}"' if planes > 1 else ""
    return (
        f'<script type="application/octet-stream" id="blob-{name}"{more}>{base64.b64encode(packed).decode()}</script>'
    )


def in_planes(data: bytes) -> bytes:
    """Return the first byte of every four, then the second ones, and so on, and the rest as it is."""
    whole = len(data) - len(data) % PLANES
    return np.frombuffer(data[:whole], np.uint8).reshape(-1, PLANES).T.tobytes() + data[whole:]
