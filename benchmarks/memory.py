"""Peak memory of `aetool train` and `aetool export` by number of images: made pictures of 64x64 in colour.

python memory.py [COUNT…] > results/memory.json

Training ends with Ctrl-C after half a minute of steps; export then makes the bundle of the unfinished run. Counted is
the peak of the resident memory, mapped pages included, of the process and all of its children together.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cost import tree
from PIL import Image
from turns import ENVIRONMENT, aetool, report

COUNTS = (50_000, 200_000)
BARS = {50_000: 900.0, 200_000: 1200.0}
"""Largest peak in MB by number of images."""
SIDE = 64
TRAINED = 30.0
"""Seconds of steps before Ctrl-C."""


def fill(folder: Path, count: int) -> None:
    """Write `count` different pictures: smooth fields of colour, each moved by its own number of pixels."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (64, 5, 5, 3), np.uint8)
    fields = [np.asarray(Image.fromarray(tile).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for tile in small]
    for i in range(count):
        place = folder / f"{i // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        field, moves = fields[i % len(fields)], i // len(fields)
        moved = np.roll(field, (moves % SIDE, moves // SIDE), (0, 1))
        Image.fromarray(moved).save(place / f"{i:06}.bmp")


def peak_mb(words: list[str], stop: bytes | None = None) -> tuple[float, float]:
    """Run a command, and return its peak memory in MB and its seconds; Ctrl-C some time after it says `stop`."""
    begun, peaks = time.perf_counter(), dict[int, int]()
    with subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        os.set_blocking(process.stderr.fileno(), False)
        said, due = b"", float("inf")
        while process.poll() is None:
            said += process.stderr.read() or b""
            if stop and stop in said:
                due, stop = time.perf_counter() + TRAINED, None
            if time.perf_counter() > due:
                process.send_signal(signal.SIGINT)
                due = float("inf")
            for one in tree(process.pid):
                peaks[one] = max(peaks.get(one, 0), highest(one))
            time.sleep(0.02)
        said += process.stderr.read() or b""
    if process.returncode not in (0, 130):
        raise SystemExit(said.decode())
    return sum(peaks.values()) / 1e6, time.perf_counter() - begun


def highest(pid: int) -> int:
    """Return the largest resident memory of a process so far, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def measured(count: int) -> list[dict[str, Any]]:
    folder = Path(f"in{count}")
    fill(folder, count)
    train = aetool("train", folder, "--epochs", 1)
    runs = {
        "train, the first time": (train, b" apart for testing"),
        "train, from the cache": (train, b" apart for testing"),
        "export": (aetool("export"), None),
    }
    rows = []
    for what, (words, stop) in runs.items():
        peak, seconds = peak_mb(words, stop)
        bar = BARS.get(count)
        holds = None if bar is None else peak < bar
        rows.append({"what": what, "images": count, "peak_mb": round(peak, 1), "seconds": round(seconds, 1),
                     "bar_mb": bar, "holds": holds})  # fmt: skip
    shutil.rmtree(folder)
    return rows


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background, and by children then
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        ENVIRONMENT["XDG_CACHE_HOME"] = str(Path(place, "cache"))
        counts = [int(word) for word in sys.argv[1:]] or COUNTS
        report("memory", [row for count in counts for row in measured(count)])
