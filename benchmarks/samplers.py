"""Fit, certainty and novelty of the samplers of the model mnist, by options, from `aetool evaluate`.

python benchmarks/samplers.py        (the judge is trained at the first call: minutes)

Writes results/evaluate-mnist.json and the tables of benchmarks/README.md and README.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import documents

HERE = Path(__file__).parent
RESULT = HERE / "results" / "evaluate-mnist.json"
METHODS = ["local", "neighbours", "mix", "gmm", "gaussian",
           "local bandwidth=0.5", "local bandwidth=1", "local pure=0", "local pure=0.9", "local count=50",
           "neighbours count=10", "mix m=3"]  # fmt: skip
FIGURES = {"accuracy": ("class accuracy", 4), "worst_class": ("worst class", 3), "frechet": ("Fréchet", 3),
           "ratio": ("ratio", 2), "precision": ("precision", 3), "recall": ("recall", 3), "density": ("density", 2),
           "coverage": ("coverage", 3), "novelty": ("novelty", 2)}  # fmt: skip


def measured() -> dict[str, Any]:
    """Return the JSON of `aetool evaluate`."""
    asked = [word for method in METHODS for word in ("--method", method)]
    line = [sys.executable, "-m", "aetool", "evaluate", "mnist", "--data", "mnist", "--seed", "0", "--json", *asked]
    return json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)


def table(rows: list[dict[str, Any]], figures: list[str]) -> str:
    """Return rows as a Markdown table with the columns `figures`."""
    lines = [f"| | {' | '.join(FIGURES[key][0] for key in figures)} |", f"|---|{'---|' * len(figures)}"]
    for row in rows:
        lines.append(f"| {row['name']} | {' | '.join(f'{row[key]:.{FIGURES[key][1]}f}' for key in figures)} |")
    return "\n".join(lines) + "\n"


def tables(found: dict[str, Any]) -> tuple[str, str]:
    """Return the table for benchmarks/README.md with its head, and the short table for README.md."""
    rows, judge = found["rows"], found["judge"]["accuracy"]
    head = f"Model mnist {found['model']['identity']}, judge of {100 * judge:.2f} %, seed {found['seed']}.\n\n"
    short = ["accuracy", "worst_class", "ratio", "recall", "novelty"]
    return head + table(rows, list(FIGURES)), table(rows[2:8], short)


if __name__ == "__main__":
    result = measured()
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    whole, brief = tables(result)
    documents.replace(HERE / "README.md", "samplers", whole)
    documents.replace(HERE.parent / "README.md", "samplers", brief)
