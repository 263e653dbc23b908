"""What weights in float16 change in the shipped models, on their test images, and what they save.

python benchmarks/float16.py              (needs $AETOOL_DATA with mnist/ and sign_digits/, a folder of photos)

Writes results/float16.json and the table of README.md. The shipped bundles stay as they are: their graphs are rounded
here as `aetool export --weights float16` does.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import documents
import numpy as np

from aetool import Bundle, Codec
from aetool.arrays import Images, to_images
from aetool.bundle.bundle import Graphs
from aetool.bundle.half import half
from aetool.bundle.lookup import SHIPPED
from aetool.runtime.half import compare
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions

HERE = Path(__file__).parent
RESULTS = HERE / "results/float16.json"
BLOCK = 500
"""Images at a time."""
OPENED = 21
"""Times that a decoder is opened."""


def images_of(bundle: Bundle) -> Images:
    """Return the test images of a shipped model: those of its training, by their sha256."""
    spec, expected = bundle.manifest.image, bundle.manifest.dataset
    folder = Path(os.environ["AETOOL_DATA"]) / bundle.name
    options = FolderOptions(spec.channels, (spec.height, spec.width), spec.background, preparation=spec.preparation)
    data = load("mnist", 0) if bundle.name == "mnist" else load(str(folder), 0, options=options)
    assert data.sha256 == expected["sha256"], bundle.name
    return to_images(data.test.pixels)


def opened(graphs: Graphs) -> float:
    """Return the median seconds in which a decoder passes the gate and is opened."""
    taken = []
    for _ in range(OPENED):
        begun = time.perf_counter()
        Codec(graphs, "cpu").decode(np.zeros((1, graphs.latent_size), np.float32))
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def run(name: str) -> dict[str, Any]:
    """Return the row of a shipped model."""
    bundle = Bundle.find(name)
    before = bundle.graphs
    after = replace(before, encoder=half(before.encoder), decoder=half(before.decoder))
    images, codecs = images_of(bundle), (Codec(before, "cpu"), Codec(after, "cpu"))
    blocks = [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]
    latents = [np.concatenate([codec.encode(block) for block in blocks]) for codec in codecs]
    spread = float(np.sqrt(latents[0].var(axis=0).mean()))
    return {
        "model": f"{bundle.name} {bundle.identity}",
        "images": len(images),
        "bytes": [len(graphs.encoder) + len(graphs.decoder) for graphs in (before, after)],
        "found": compare(*codecs, blocks)["found"],
        "latents": float(abs(latents[1] - latents[0]).max()) / spread,
        "opened_ms": [round(1000 * opened(graphs), 2) for graphs in (before, after)],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    titles = [
        "model",
        "test images",
        "bytes of the graphs",
        "in float16",
        "mse moves by",
        "pixels that change by more than a level",
        "latents, in spreads",
        "decoder opened, ms",
        "in float16",
    ]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row in rows:
        (size, small), (slow, fast), found = row["bytes"], row["opened_ms"], row["found"]
        lines.append(
            f"| {row['model']} | {row['images']:,} | {size:,} | {small:,} | {100 * found['mse']:.4f} % "
            f"| {100 * found['pixels']:.4f} % | {row['latents']:.1e} | {slow} | {fast} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    rows = [run(name) for name in SHIPPED]
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    documents.replace(HERE / "README.md", "float16", table(rows))
