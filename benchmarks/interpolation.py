"""Comparison of interpolation methods on pairs of MNIST test images; writes results and the table of README.md.

python benchmarks/interpolation.py            (the model mnist; needs $AETOOL_DATA or the network)
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import documents
import numpy as np

from aetool import Bundle, Codec
from aetool.arrays import to_images
from aetool.generation.interpolation import METHODS, path
from aetool.generation.paths import even, measure, spacing
from aetool.training.data.dataset import load

HERE = Path(__file__).parent
RESULTS = HERE / "results/interpolation.json"
PAIRS, STEPS, SEED = 200, 10, 0
COLUMNS = {
    "jump": "jump",
    "length": "length",
    "bank_distance": "distance from bank",
    "round_trip": "round trip",
}


def pairs(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return rows (PAIRS, 2) of test images, each pair from two classes, drawn with SEED."""
    drawn = np.random.default_rng(SEED).integers(len(labels), size=(4 * PAIRS, 2))
    return drawn[labels[drawn[:, 0]] != labels[drawn[:, 1]]][:PAIRS]


def run() -> dict[str, Any]:
    """Return the figures of the path of every pair, by method, with uniform and with even steps."""
    bundle = Bundle.find("mnist")
    codec, bank = Codec(bundle, "cpu"), bundle.bank()
    test = load("mnist", 0).test
    keys = codec.encode(to_images(test.pixels[pairs(test.labels).ravel()]))
    unit = spacing(bank)
    rows = []
    for method in METHODS:
        curves = METHODS[method](keys, bank)[::2]  # the curves within a pair
        for evenly in (False, True):
            figures = []
            for curve in curves:
                times = even(curve, STEPS, codec.decode)[0] if evenly else np.linspace(0, 1, STEPS)
                walked = path([curve], [times])
                trip = np.linalg.norm(codec.encode(codec.decode(walked)) - walked, axis=1).mean() / unit
                figures.append(asdict(measure(walked, codec.decode, bank, unit)) | {"round_trip": float(trip)})
            each = {name: [round(f[name], 5) for f in figures] for name in COLUMNS}
            rows.append({"method": method, "even": evenly, "pairs": each})
    return {"model": f"{bundle.name} {bundle.identity}", "steps": STEPS, "seed": SEED, "rows": rows}


def table(results: dict[str, Any]) -> str:
    """Return the table of the results: the mean of each figure, with the 95th percentile in brackets."""
    lines = [f"| method | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in results["rows"]:
        each = [row["pairs"][name] for name in COLUMNS]
        cells = [f"{np.mean(values):.2f} ({np.quantile(values, 0.95):.2f})" for values in each]
        lines.append(f"| {row['method']}{', even' if row['even'] else ''} | {' | '.join(cells)} |")
    return f"Model {results['model']}.\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    results = run()
    RESULTS.write_text(json.dumps(results) + "\n")
    documents.replace(HERE / "README.md", "interpolation", table(results))
