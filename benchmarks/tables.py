"""The tables and the plot of benchmarks/README.md, from results/*.json.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import documents

from aetool.training import plots

HERE = Path(__file__).resolve().parent
TITLES = {
    "start": "From the key press to the end of the command",
    "folders": "Folders",
    "reading": "Reading of JPEGs",
    "inference": "One run of a graph, one thread, times as fast as the other",
    "graphs": "ConvTranspose beside what computes the same, one thread, times as fast as the other",
    "training": "Training on MNIST, k = 16, seconds of steps",
}


def speed(results: Path) -> str:
    """Return the tables of all results in the folder `results`."""
    parts = []
    for name, title in TITLES.items():
        if (results / f"{name}.json").exists():
            found = json.loads((results / f"{name}.json").read_text())
            parts.append(f"### {title}\n\n{machine(found)}\n\n{comparisons(found['rows'])}{notes(found)}")
    if (results / "stages.json").exists():
        found = json.loads((results / "stages.json").read_text())
        title = "Where the time of an image goes, one process"
        parts.append(f"### {title}\n\n{machine(found)}\n\n{stages(found['rows'])}")
    if (results / "cost.json").exists():
        found = json.loads((results / "cost.json").read_text())
        parts.append(f"### Cost per image and peak memory\n\n{machine(found)}\n\n{costs(found)}")
    if (results / "memory.json").exists():
        found = json.loads((results / "memory.json").read_text())
        title = "Peak memory of training and export, images of 64x64 in colour"
        parts.append(f"### {title}\n\n{machine(found)}\n\n{peaks(found['rows'])}")
    if (results / "gpu-training.json").exists():
        found = {name: json.loads((results / f"gpu-{name}.json").read_text()) for name in ("training", "graphs")}
        parts.append(f"### On an NVIDIA GPU\n\n{gpu(found['training'], found['graphs'])}")
    return "\n".join(parts)


def gpu(training: dict[str, Any], graphs: dict[str, Any]) -> str:
    """Return the tables of `gpu.py`: seconds of training, and milliseconds of graphs by batch."""
    where = f"{training['gpu']}, {training['cores']} cores; torch {training['torch']}, onnxruntime-gpu"
    lines = [f"{where} {graphs['onnxruntime']}. Steps of {training['epochs']} epochs on MNIST (`conv`, k = 16):\n",
             "| precision | steps | trials | seconds | test mse |", "|---|---|---|---|---|"]  # fmt: skip
    for row in training["training"]:
        steps, mse = "one CUDA graph" if row["recorded"] else "plain", row["runs"][-1]["test_mse"]
        lines.append(f"| {row['precision']} | {steps} | {row['trials']} | {row['seconds']:.1f} | {mse:.5f} |")
    ways = ("cpu", "cuda", "cuda, bound", "torch")
    lines += ["", "Graphs of `mnist`, milliseconds a batch; bound: input and output stay on the GPU, as with torch:\n",
              "| graph | batch | ONNX Runtime, CPU | on CUDA | on CUDA, bound | torch on CUDA |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for row in graphs["graphs"]:
        lines.append(f"| {row['part']} | {row['batch']:,} | {' | '.join(f'{row[way]:.2f}' for way in ways)} |")
    return "\n".join(lines) + "\n"


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
    if any("mse" in row for row in found["rows"]):
        most = max(row["mse"] for row in found["rows"] if "mse" in row)
        return f"\nThe pixels differ by a mean square of at most {most:.1e}, in units of white.\n"
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
    return "\n".join(lines) + f"\n\nThe start takes {found['start_s']:.2f} s. ![Cost per image](pictures/cost.png)\n"


def peaks(rows: list[dict[str, Any]]) -> str:
    lines = ["| what | images | bytes of pixels, MB | peak memory, MB | bar | holds |", "|---|---|---|---|---|---|"]
    for row in rows:
        holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
        bar = "" if row["bar_mb"] is None else f"below {row['bar_mb']:,.0f}"
        pixels = row["images"] * 3 * 64 * 64 / 1e6
        lines.append(f"| {row['what']} | {row['images']:,} | {pixels:,.0f} | {row['peak_mb']:,.0f} | {bar} | {holds} |")
    return "\n".join(lines) + "\n"


def plot(found: dict[str, Any]) -> bytes:
    """Return the PNG of the cost per image by number of files, with and without the start."""
    rows = found["rows"]
    files = [row["files"] for row in rows]
    with plots.figure(6.4, 3.4) as (picture, axes):
        axes.plot(files, [row["us_an_image"] for row in rows], "o-", color="#888888", label="all")
        axes.plot(files, [row["us_after_the_start"] for row in rows], "o-", color="#0060c0", label="less the start")
        axes.set(xscale="log", xlabel="files", ylabel="µs an image", ylim=(0, None))
        axes.set_xticks(files, [f"{count:,}" for count in files])
        axes.minorticks_off()
        plots.finish(axes)
        return plots.png_of(picture)


def write(results: Path) -> None:
    documents.replace(HERE / "README.md", "tables", speed(results))
    if (results / "cost.json").exists():
        (HERE / "pictures/cost.png").write_bytes(plot(json.loads((results / "cost.json").read_text())))


if __name__ == "__main__":
    write(HERE / "results")
