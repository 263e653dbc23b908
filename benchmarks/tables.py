"""The tables and the plot of benchmarks/README.md, from results/*.json.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import documents

HERE = Path(__file__).resolve().parent
TITLES = {
    "start": "From the key press to the end of the command",
    "folders": "Folders",
    "inference": "One run of a graph, one thread, times as fast as the other",
    "graphs": "ConvTranspose beside what computes the same, one thread, times as fast as the other",
    "training": "Training on MNIST, k = 16, seconds of steps",
}
NOT_RUN = {
    "inference": "a graph on CUDA, with I/O binding, and the batch from which it pays",
    "training": "seconds to a test mse of 0.0065 on CUDA",
}
"""Of the tables, for want of a GPU."""


def speed(results: Path) -> str:
    """Return the tables of all results that there are."""
    parts = []
    for name, title in TITLES.items():
        if (results / f"{name}.json").exists():
            found = json.loads((results / f"{name}.json").read_text())
            missing = f"| {NOT_RUN[name]} | not run: no GPU | | | | | |\n" if name in NOT_RUN else ""
            parts.append(f"### {title}\n\n{machine(found)}\n\n{comparisons(found['rows'])}{missing}{notes(found)}")
    if (results / "stages.json").exists():
        found = json.loads((results / "stages.json").read_text())
        title = "Where the time of an image goes, one process"
        parts.append(f"### {title}\n\n{machine(found)}\n\n{stages(found['rows'])}")
    if (results / "cost.json").exists():
        found = json.loads((results / "cost.json").read_text())
        parts.append(f"### Cost per image and peak memory\n\n{machine(found)}\n\n{costs(found)}")
    return "\n".join(parts)


def machine(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in found["machine"]["versions"].items())
    cpu = f", {found['machine']['cpu']}" if "cpu" in found["machine"] else ""
    return f"{found['machine']['system']}{cpu}, {found['machine']['cores']} cores; {versions}."


def comparisons(rows: list[dict[str, Any]]) -> str:
    lines = ["| what | beside | trials | ratio | spread | bar | holds |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        low, high = row["spread"]
        holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
        trials = len(row["ours_s"])
        lines.append(
            f"| {row['what']} | {row['beside']} | {trials} | {row['ratio']:.2f} | {low:.2f} to {high:.2f} "
            f"| {row['bar']} | {holds} |"
        )
    return "\n".join(lines) + "\n"


def notes(found: dict[str, Any]) -> str:
    if "compile_s" in found:
        took = " and ".join(f"{seconds} s ({precision})" for precision, seconds in found["compile_s"].items())
        return f"\nThe first step with torch.compile takes {took}.\n"
    if "profiles" in found:
        return "\nWhere the time of a run goes, batch 64:\n\n" + "".join(map(profile, found["profiles"]))
    if "first_record" not in found:
        return ""
    first = sorted(found["first_record"]["seconds"])
    same = "are" if found["equal_to_one_by_one"] else "**are not**"
    return (
        f"\nFirst record of the small folder: after {first[len(first) // 2]:.2f} s in the median, {first[-1]:.2f} s at "
        f"most. Latents {same} those of the pictures one by one, to the bit, in the order of the names.\n"
    )


def profile(found: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {share:.0%}" for name, share in found["shares"].items() if share >= 0.01)
    return f"- {found['graph']}: {parts}\n"


def stages(rows: list[dict[str, Any]]) -> str:
    lines = ["| stage | µs an image |", "|---|---|"]
    return "\n".join(lines + [f"| {row['what']} | {row['us_an_image']:.1f} |" for row in rows]) + "\n"


def costs(found: dict[str, Any]) -> str:
    lines = [
        "| files | trials | µs an image | less the start | peak memory, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['files']:,} | {len(row['seconds'])} | {row['us_an_image']:.1f} | {row['us_after_the_start']:.1f} "
        f"| {row['peak_mib']:.1f} |"
        for row in found["rows"]
    ]
    return "\n".join(lines) + f"\n\nThe start takes {found['start_s']:.2f} s. ![Cost per image](pictures/cost.svg)\n"


def plot(found: dict[str, Any]) -> str:
    """Return the cost per image by number of files as SVG: the whole, and less the start."""
    from math import log10

    width, height, left, bottom = 640, 300, 60, 40
    rows = found["rows"]
    most = max(row["us_an_image"] for row in rows) * 1.1
    first, last = (log10(rows[i]["files"]) for i in (0, -1))

    def at(row: dict[str, Any], key: str) -> tuple[float, float]:
        x = left + (log10(row["files"]) - first) / (last - first) * (width - left - 30)
        return x, (height - bottom) * (1 - row[key] / most)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" ',
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{left} 0V{height - bottom}H{width - 10}" fill="none" stroke="black"/>',
    ]
    for key, colour, name in (
        ("us_an_image", "#888888", "all"),
        ("us_after_the_start", "#0060c0", "less the start"),
    ):
        points = [at(row, key) for row in rows]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x, y = points[0]
        parts.append(f'<text x="{x + 6:.1f}" y="{y - 6:.1f}" fill="{colour}">{name}</text>')
    for row in rows:
        x, _ = at(row, "us_an_image")
        parts.append(f'<text x="{x:.1f}" y="{height - 22}" text-anchor="middle">{row["files"]:,}</text>')
    parts.append(f'<text x="{width / 2:.0f}" y="{height - 4}" text-anchor="middle">files</text>')
    for share in (0.25, 0.5, 0.75, 1):
        value = most / 1.1 * share
        y = (height - bottom) * (1 - value / most)
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.0f} µs</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def write(results: Path) -> None:
    documents.replace(HERE / "README.md", "tables", speed(results))
    if (results / "cost.json").exists():
        (HERE / "pictures/cost.svg").write_text(plot(json.loads((results / "cost.json").read_text())))


if __name__ == "__main__":
    write(HERE / "results")
