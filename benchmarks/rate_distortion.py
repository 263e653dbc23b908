"""Distortion by latent size k: a short training for each k, compared with PCA of the same size.

python benchmarks/rate_distortion.py --epochs 5 2 4 8 16 32 64

Writes results/rate-distortion.json and pictures/rate-distortion.png, and prints the table of README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from aetool.training import plots

HERE = Path(__file__).parent
RESULT = HERE / "results" / "rate-distortion.json"


def trained(k: int, epochs: int, place: Path) -> dict[str, float]:
    """Train with latent size k, and return the last line of the log."""
    line = ["train", "mnist", "--latent-dim", k, "--epochs", epochs, "--precision", "bfloat16", "-q"]
    command = [sys.executable, "-m", "aetool", *map(str, line)]
    done = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
    log = (place / done.stdout.strip() / "log.jsonl").read_text().splitlines()
    return json.loads(log[-1])


def table(rows: list[dict[str, float]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| k | test mse | PCA | PCA over test mse |", "|---|---|---|---|"]
    lines += [
        f"| {r['k']} | {r['test_mse']:.5f} | {r['pca_mse']:.5f} | {r['pca_mse'] / r['test_mse']:.1f} |" for r in rows
    ]
    return "\n".join(lines)


def plot(rows: list[dict[str, float]]) -> bytes:
    ks = [row["k"] for row in rows]
    with plots.figure(7, 4.2) as (picture, axes):
        axes.plot(ks, [row["pca_mse"] for row in rows], "s--", color="#555555", label="PCA")
        axes.plot(ks, [row["test_mse"] for row in rows], "o-", color="#c0392b", label="autoencoder")
        axes.set(xscale="log", yscale="log", xlabel="numbers in a latent, k", ylabel="mean squared error, test images")
        axes.set_xticks(ks, [str(k) for k in ks])
        ticks = [0.002, 0.005, 0.01, 0.02, 0.05]
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        plots.finish(axes)
        return plots.png_of(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ks", type=int, nargs="+")
    parser.add_argument("--epochs", type=int, default=8)
    asked = parser.parse_args()
    rows = []
    for k in asked.ks:
        with tempfile.TemporaryDirectory() as place:
            rows.append({"k": k, **trained(k, asked.epochs, Path(place))})
        print(rows[-1], file=sys.stderr)
    RESULT.write_text(json.dumps({"epochs": asked.epochs, "rows": rows}, indent=1) + "\n")
    (HERE / "pictures" / "rate-distortion.png").write_bytes(plot(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
