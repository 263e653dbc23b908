"""Cost of `aetool encode --engine daft` by number of files, beside plain `aetool encode`: links to 1,000 pictures.

python cluster.py [COUNT…] > results/cluster.json
python cluster.py --tables                    the table and the plot of README.md, from the results

"again" is a second run with --skip-existing, which finds all rows there. Beside the seconds of a clock stand those of
the processors, of all processes together, which other work on the machine hardly changes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cost import link, proportional_mib
from folders import fill_small
from turns import ENVIRONMENT, aetool, report

HERE = Path(__file__).resolve().parent
COUNTS = (1000, 10_000, 100_000, 1_000_000)
MOST = 300_000
"""Pictures of all trials with a count, where one trial does not have more."""
WAYS = {
    "plain": ["-o", "z.npz"],
    "daft": ["--engine", "daft", "-o", "z/"],
    "again": ["--engine", "daft", "-o", "z/", "--skip-existing"],
}


def processor_seconds() -> float:
    """Return the seconds that processors worked for ended children and their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path, way: str) -> dict[str, float]:
    """Encode a folder, and return seconds, seconds of processors, and the peak memory in MiB of all processes."""
    before, begun, peak = processor_seconds(), time.perf_counter(), 0.0
    with subprocess.Popen(aetool("encode", folder, "-m", "mnist", *WAYS[way], "-q"), env=ENVIRONMENT) as process:

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                peak = max(peak, proportional_mib(process.pid))
                time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        watcher.join()
    assert process.returncode == 0, (folder, way)
    return {
        "seconds": round(time.perf_counter() - begun, 3),
        "cpu": round(processor_seconds() - before, 3),
        "peak_mib": round(peak, 1),
    }


def rows_of(count: int) -> list[dict[str, Any]]:
    """Return a row for each way to encode `count` pictures, with all trials."""
    folder = link(Path(f"in{count}"), count)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(max(1, min(5, MOST // count))):
        for way in WAYS:  # in turns, because the speed of the machine varies
            found[way].append(measure(folder, way))
        shutil.rmtree("z")
    shutil.rmtree(folder)
    return [
        {
            "way": way,
            "files": count,
            "cpu_us_an_image": round(statistics.median(one["cpu"] for one in trials) / count * 1e6, 2),
            "trials": trials,
        }
        for way, trials in found.items()
    ]


def fitted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the processor seconds of the start, which the two smallest counts tell, and without it."""
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        middle = [statistics.median(one["cpu"] for one in row["trials"]) for row in own]
        files = [row["files"] for row in own]
        start = max(0.0, middle[0] - (middle[1] - middle[0]) * files[0] / (files[1] - files[0]))
        for row, cpu in zip(own, middle, strict=True):
            row["cpu_us_after_the_start"] = round((cpu - start) / row["files"] * 1e6, 2)
            row["start_cpu"] = round(start, 3)
    return rows


def table(found: dict[str, Any]) -> str:
    """Return the table of results: a row a count, with the ways beside each other."""
    heads = "files | way | trials | seconds | seconds of processors | µs an image, less the start | peak memory, MiB"
    lines = [f"| {heads} |", "|---|---|---|---|---|---|---|"]
    for row in found["rows"]:
        trials = row["trials"]
        seconds, cpu = (statistics.median(one[name] for one in trials) for name in ("seconds", "cpu"))
        peak = max(one["peak_mib"] for one in trials)
        figures = f"{seconds:.1f} | {cpu:.2f} | {row['cpu_us_after_the_start']:.1f} | {peak:.0f}"
        lines.append(f"| {row['files']:,} | {row['way']} | {len(trials)} | {figures} |")
    return "\n".join(lines) + "\n"


def plot(found: dict[str, Any]) -> bytes:
    """Return the PNG of the processor time per image and the peak memory by number of files."""
    from aetool.training import plots

    with plots.figure(6.4, 3.4) as (picture, axes):
        memory = axes.twinx()
        for way, colour in (("plain", "#888888"), ("daft", "#0060c0")):
            rows = [row for row in found["rows"] if row["way"] == way]
            files = [row["files"] for row in rows]
            peaks = [max(one["peak_mib"] for one in row["trials"]) for row in rows]
            axes.plot(files, [row["cpu_us_after_the_start"] for row in rows], "o-", color=colour, label=way)
            memory.plot(files, peaks, "x--", color=colour)
        counts = sorted({row["files"] for row in found["rows"]})
        axes.set(xscale="log", xlabel="files", ylabel="µs of processors an image", ylim=(0, axes.get_ylim()[1] * 1.2))
        memory.set(ylabel="peak memory, MiB (dashed)", ylim=(0, memory.get_ylim()[1] * 1.2))
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.minorticks_off()
        plots.finish(axes)
        return plots.png_of(picture)


def write() -> None:
    """Write table and plot of the results."""
    import documents
    import tables

    found = json.loads((HERE / "results/cluster.json").read_text())
    text = f"{tables.machine(found)}\n\n{table(found)}\n![Cost per image](pictures/cluster.png)\n"
    documents.replace(HERE / "README.md", "cluster", text)
    (HERE / "pictures/cluster.png").write_bytes(plot(found))


def main(counts: list[int]) -> None:
    fill_small(Path("originals"), 1000)
    rows = []
    for count in counts:
        rows += rows_of(count)
        print(rows[-3:], file=sys.stderr, flush=True)
    report("cluster", fitted(rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["--tables"]:
        write()
        sys.exit()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        main([int(word) for word in sys.argv[1:]] or list(COUNTS))
