"""Cost of `aetool encode --engine daft` by number of files, beside plain `aetool encode`: links to 1,000 pictures.

python cluster.py [COUNT…] > results/cluster.json

"again" is a second run with --skip-existing, which finds all rows there. Beside the seconds of a clock stand those of
the processors, of all processes together, which other work on the machine hardly changes.
"""

from __future__ import annotations

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
                time.sleep(0.2)

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


def main(counts: list[int]) -> None:
    fill_small(Path("originals"), 1000)
    rows = []
    for count in counts:
        rows += rows_of(count)
        print(rows[-3:], file=sys.stderr, flush=True)
    for way in WAYS:  # less the start, which the two smallest counts tell
        own = [row for row in rows if row["way"] == way]
        middle = [statistics.median(one["cpu"] for one in row["trials"]) for row in own]
        start = max(0.0, middle[0] - (middle[1] - middle[0]) * own[0]["files"] / (own[1]["files"] - own[0]["files"]))
        for row, cpu in zip(own, middle, strict=True):
            row["cpu_us_after_the_start"] = round((cpu - start) / row["files"] * 1e6, 2)
            row["start_cpu"] = round(start, 3)
    report("cluster", rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        main([int(word) for word in sys.argv[1:]] or list(COUNTS))
