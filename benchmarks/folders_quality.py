"""What `aetool train` makes of folders with its defaults alone: the mse over PCA, at the end and at its worst moment.

python benchmarks/folders_quality.py PLACE           all data sets, about an hour on two idle cores
python benchmarks/folders_quality.py PLACE few many  some of them; the others keep their results

PLACE keeps the folders of pictures, the runs, and of each run the reconstructions as PLACE/NAME.png, to look at.
$AETOOL_DATA is a folder with mnist/ and sign_digits/. Writes results/folders_quality.json and the table of README.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import documents
import structured

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results/folders_quality.json"
SETS = ("sign_digits", "digits", "mnist", *structured.FOLDERS)
BARS = dict.fromkeys(SETS, 0.9) | dict.fromkeys(structured.FOLDERS, 0.7)
"""Largest mse over PCA at the end, by data set."""
NOISE = 1.3e-6
"""The rounding of 8 bits: mean squared errors below are not compared."""
SOON = 0.1
"""Largest share of the steps until the mse is below PCA."""


def source(name: str, place: Path) -> str:
    """Return the data set as `aetool train` takes it; a folder of drawn pictures is made if missing."""
    if name in ("digits", "mnist"):
        return name
    if name == "sign_digits":
        return str(Path(os.environ["AETOOL_DATA"], name).resolve())
    if not (place / "data" / name).exists():
        structured.FOLDERS[name](place / "data" / name)
    return str(place / "data" / name)


def train(name: str, place: Path) -> tuple[Path, float, float]:
    """Train with the defaults, and return the run folder, its seconds, and its seconds of processors."""
    data, begun, before = source(name, place), time.monotonic(), os.times()
    words = [sys.executable, "-m", "aetool", "train", data]
    done = subprocess.run(words, cwd=place, check=True, stdout=subprocess.PIPE, text=True)
    after = os.times()
    processors = after.children_user - before.children_user + after.children_system - before.children_system
    return place / done.stdout.strip(), time.monotonic() - begun, processors


def ratio(entry: dict[str, Any], kind: str) -> float | None:
    """Return the mse over PCA of a line of log.jsonl, for "test" or "validation"; None where a figure is missing."""
    mse = entry.get(f"{kind}_mse")
    pca = entry.get("pca_mse" if kind == "test" else "validation_pca_mse")
    if mse is None or pca is None:
        return None
    return 1.0 if max(mse, pca) < NOISE else float(mse / pca) if pca else None


def figures(log: list[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    """Return the mse over PCA of a run in its last line, its best and its worst, and the step of the first below."""
    ratios = {entry["step"]: found for entry in log if (found := ratio(entry, kind)) is not None}
    if not ratios:
        return None
    below = next((step for step, value in ratios.items() if value < 1), None)
    last, shown = ratios[max(ratios)], {"last": 0.0, "best": min(ratios.values()), "worst": max(ratios.values())}
    return {key: round(value, 4) for key, value in (shown | {"last": last}).items()} | {"first_below": below}


def kept(log: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the line of the network that is exported: that of the best validation mse, else the last."""
    judged = [entry for entry in log if entry.get("validation_mse") is not None]
    return min(judged, key=lambda entry: entry["validation_mse"]) if judged else log[-1]


def measure(name: str, place: Path) -> dict[str, Any]:
    """Return the row of a data set."""
    run, seconds, processors = train(name, place)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    record = json.loads((run / "config.json").read_text())
    shutil.copy(run / "reconstructions.png", place / f"{name}.png")
    image, exported = record["image"], kept(log)
    return {
        "name": name,
        "shape": [image["channels"], image["height"], image["width"]],
        "latent_size": record["config"]["latent_size"],
        "steps": log[-1]["step"],
        "exported_step": exported["step"],
        "mse": exported["test_mse"],
        "exported": ratio(exported, "test"),
        "test": figures(log, "test"),
        "validation": figures(log, "validation"),
        "seconds": round(seconds, 1),
        "processor_seconds": round(processors, 1),
        "load": round(os.getloadavg()[0], 1),
        "bar": BARS[name],
    }


def holds(row: dict[str, Any]) -> bool:
    """Return whether a row meets the promises: its bar, never above PCA on validation, and below PCA soon."""
    first = (row["validation"] or row["test"])["first_below"]
    worst = (row["validation"] or row["test"])["worst"]
    return bool(row["exported"] <= row["bar"] and worst <= 1 and first is not None and first <= SOON * row["steps"])


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of the results."""
    lines = ["| data | images | k | steps | test mse | over PCA | bar | worst, test | worst, validation "
             "| below PCA from | s | processor s | holds |", "|---" * 13 + "|"]  # fmt: skip
    for row in rows:
        test, validation = row["test"], row["validation"] or {}
        first = (row["validation"] or test)["first_below"]
        soon = "never" if first is None else f"{100 * first / row['steps']:.0f} %"
        cells = [row["name"], " x ".join(map(str, row["shape"])), row["latent_size"] or "-", f"{row['steps']:,}",
                 f"{row['mse']:.5f}", f"{row['exported']:.2f}", row["bar"], f"{test['worst']:.2f}",
                 f"{validation['worst']:.2f}" if validation else "-", soon, f"{row['seconds']:.0f}",
                 f"{row['processor_seconds']:.0f}", "yes" if holds(row) else "**no**"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    place, names = Path(sys.argv[1]).resolve(), sys.argv[2:] or SETS
    place.mkdir(parents=True, exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = {row["name"]: row for row in known}
    for name in names:
        rows[name] = measure(name, place)
        ordered = [rows[one] for one in SETS if one in rows]
        RESULTS.write_text(json.dumps(ordered, indent=1) + "\n")
        documents.replace(HERE / "README.md", "folders_quality", table(ordered))


if __name__ == "__main__":
    main()
