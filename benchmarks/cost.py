"""Cost per image and peak memory of `aetool encode FOLDER` by number of files: 1,000 pictures and hard links to them.

python cost.py [COUNT…] > results/cost.json
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from folders import fill_small
from turns import ENVIRONMENT, aetool, report

TRIALS = 9
COUNTS = (1000, 3000, 10_000, 30_000, 100_000)


def link(folder: Path, count: int) -> Path:
    """Make a folder with `count` pictures, in sub-folders of 1,000."""
    originals = sorted(Path("originals").rglob("*.png"))
    for i in range(count):
        place = folder / f"{i // 1000:03}"
        if i % 1000 == 0:
            place.mkdir(parents=True)
        os.link(originals[i % 1000], place / f"{i:06}.png")
    return folder


def tree(pid: int) -> list[int]:
    """Return the ids of process `pid` and of all its descendants."""
    try:
        inner = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in inner for one in tree(int(child)))]


def proportional_mib(pid: int) -> float:
    """Return the memory in MiB of process `pid` and its descendants, shared pages counted once."""
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def encode(folder: Path) -> tuple[float, float]:
    """Encode a folder, and return the seconds and the peak memory in MiB of all processes together."""
    begun = time.perf_counter()
    with subprocess.Popen(aetool("encode", folder, "-m", "mnist", "-o", "z.jsonl", "-q"), env=ENVIRONMENT) as process:
        peak = [0.0]

        def watch() -> None:
            while process.poll() is None:
                peak[0] = max(peak[0], proportional_mib(process.pid))
                time.sleep(0.1)

        watcher = threading.Thread(target=watch)
        watcher.start()
        watcher.join()
    assert process.returncode == 0
    return time.perf_counter() - begun, peak[0]


def main(counts: list[int]) -> None:
    fill_small(Path("originals"), 1000)
    folders = {count: link(Path(f"in{count}"), count) for count in counts}
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for trial in range(TRIALS + 1):
        for count, folder in folders.items():  # in turns, because the speed of the machine varies
            measured = encode(folder)
            if trial:
                found[count].append(measured)
    rows = [
        {
            "files": count,
            "seconds": [round(taken, 4) for taken, _ in pairs],
            "us_an_image": round(statistics.median(taken for taken, _ in pairs) / count * 1e6, 2),
            "peak_mib": round(max(peak for _, peak in pairs), 1),
        }
        for count, pairs in found.items()
    ]
    files, middle = np.array([(row["files"], statistics.median(row["seconds"])) for row in rows]).T
    start = np.polyfit(files, middle, 1, w=1 / middle)[1]  # intercept of the line with the smallest relative errors
    for row, seconds in zip(rows, middle - start, strict=True):
        row["us_after_the_start"] = round(seconds / row["files"] * 1e6, 2)
    report("cost", rows, start_s=round(start, 4))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        main([int(word) for word in sys.argv[1:]] or list(COUNTS))
