"""Images flagged by `aetool score --fail-over 99` with the model mnist; writes results and the table of README.md.

python benchmarks/scoring.py            (needs $AETOOL_DATA with mnist/ and sign_digits/, a folder of photos)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import documents
import numpy as np

from aetool import Bundle, Codec
from aetool.arrays import Images, Pixels, to_images
from aetool.images.files import find_images, read_batches
from aetool.metrics import mse, percentiles
from aetool.training.data.dataset import load

HERE = Path(__file__).parent
RESULTS = HERE / "results/scoring.json"
THRESHOLDS = (95, 99)
SEED = 0


def kinds(test: Pixels, codec: Codec) -> Iterator[tuple[str, Images]]:
    """Yield the name and the images (n, 1, 28, 28) of each kind."""
    rng = np.random.default_rng(SEED)
    images = to_images(test)
    yield "test images", images
    yield "inverted", 1 - images
    yield "turned by a quarter", np.ascontiguousarray(np.rot90(images, axes=(2, 3)))
    yield "upside down", np.ascontiguousarray(images[:, :, ::-1])
    mixed = rng.permuted(images.reshape(len(images), -1), axis=1)
    yield "pixels in random order", mixed.reshape(images.shape)
    photos = find_images([os.path.join(os.environ["AETOOL_DATA"], "sign_digits")])  # noqa: PTH118
    yield "photos of hands", np.concatenate([b.value for b in read_batches(photos, codec.spec, 256)])
    yield "blank", np.zeros_like(images[:1])


def run() -> dict[str, Any]:
    """Return the scores of all kinds, and of half of the test images by the quantiles of the other half."""
    bundle = Bundle.find("mnist")
    codec = Codec(bundle, "cpu")
    quantiles = bundle.manifest.distortion["quantiles"]
    rows = []
    for kind, images in kinds(load("mnist", SEED).test.pixels, codec):
        found = mse(images, codec.reconstruct(images))
        rows.append(row(kind, found, percentiles(found, quantiles)))
        if kind == "test images":
            order = np.random.default_rng(SEED).permutation(len(found))
            here, there = found[order[::2]], found[order[1::2]]
            own = np.quantile(there, np.linspace(0, 1, 101)).tolist()
            rows.append(row("half of them, by the quantiles of the other half", here, percentiles(here, own)))
    return {"model": f"{bundle.name} {bundle.identity}", "thresholds": THRESHOLDS, "rows": rows}


def row(kind: str, found: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the figures of a kind: number of images, medians, and the share above each threshold."""
    above = [round(float((scores > threshold).mean()), 5) for threshold in THRESHOLDS]
    median = {"mse": float(f"{np.median(found):.4g}"), "percentile": round(float(np.median(scores)), 2)}
    return {"kind": kind, "images": len(found), "median": median, "above": above}


def table(results: dict[str, Any]) -> str:
    """Return the table of the results."""
    names = [f"above {threshold}" for threshold in results["thresholds"]]
    lines = [f"| images | number | median mse | median percentile | {' | '.join(names)} |"]
    lines.append("|---" * (4 + len(names)) + "|")
    for row in results["rows"]:
        median, above = row["median"], [f"{100 * share:.2f} %" for share in row["above"]]
        cells = [row["kind"], f"{row['images']:,}", f"{median['mse']:.4f}", f"{median['percentile']:.1f}", *above]
        lines.append(f"| {' | '.join(cells)} |")
    return f"Model {results['model']}.\n\n" + "\n".join(lines) + "\n"


def sentence(results: dict[str, Any]) -> str:
    """Return the sentence of README.md about the results."""
    above = {row["kind"]: f"{100 * row['above'][-1]:.1f} %" for row in results["rows"]}
    digits = "half of them, by the quantiles of the other half"
    return (
        f"With the model `mnist`, {above['inverted']} of inverted test digits and {above['photos of hands']} of\n"
        f"photos of hands are above 99, and {above[digits]} of test digits, as it should be "
        "(`python benchmarks/scoring.py`).\n"
    )


if __name__ == "__main__":
    results = run()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    documents.replace(HERE / "README.md", "scoring", table(results))
    documents.replace(HERE.parent / "README.md", "scoring", sentence(results))
