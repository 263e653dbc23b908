"""A page taken apart, as a browser reads it."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import numpy as np

from aetool.explore.assembly import PLANES


@dataclass
class Parsed(HTMLParser):
    """The elements of a page with their attributes, its data, and its blobs, unpacked."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside: str | None = None
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.scripts["data"]))

    def blob(self, name: str, kind: str = "u1") -> np.ndarray:
        packed = gzip.decompress(base64.b64decode(self.scripts[f"blob-{name}"]))
        attributes = next(a for tag, a in self.elements if a.get("id") == f"blob-{name}")
        if attributes.get("data-planes") == str(PLANES):
            n = len(packed) // PLANES
            whole = np.frombuffer(packed[: n * PLANES], np.uint8).reshape(PLANES, n).T.tobytes()
            packed = whole + packed[n * PLANES :]
        return np.frombuffer(packed, kind)

    def latents(self) -> np.ndarray:
        """The latents (n, k) of all rows, of files too."""
        scale = self.data["quantisation"]
        planes = self.blob("latents").astype(np.float64).reshape(3, -1, len(scale["scale"]))
        return np.array(scale["offset"]) + np.array(scale["scale"]) * (planes.T @ [1, 256, 65536]).T
