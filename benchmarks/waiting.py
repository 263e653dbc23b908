"""How OpenMP waits: seconds of training with threads that spin or sleep, on idle cores and beside busy processes.

python waiting.py [TRIALS] > results/waiting.json

Idle rows need a quiet machine; the load before and after is reported. Each row compares a way of waiting
(GOMP_SPINCOUNT) with OpenMP's own on idle cores, and with one thread on busy cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from turns import ENVIRONMENT, aetool, alternate, report, row

SPINS = {"300,000 spins": "300000", "20,000 spins": "20000", "1,000 spins": "1000", "no spin": "0"}
"""Ways of waiting, by GOMP_SPINCOUNT; the first is what OpenMP does without it."""
EPOCHS = 40
"""Epochs of digits, about 500 steps."""


def train(spins: str, *words: str) -> float:
    """Return the seconds of training alone, without the start of the program."""
    env = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("GOMP_", "OMP_"))}
    env |= {"GOMP_SPINCOUNT": spins}
    line = aetool("train", "digits", "--epochs", EPOCHS, "-q", *words)
    done = subprocess.run(line, stdout=subprocess.PIPE, check=True, env=env, text=True)
    return float(json.loads(Path(done.stdout.strip(), "log.jsonl").read_text().splitlines()[-1])["seconds"])


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Keep every core busy with a process of another program."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main(trials: int) -> None:
    before = os.getloadavg()
    ways = {name: lambda spins=spins: train(spins) for name, spins in SPINS.items()}
    idle = alternate(ways, trials)
    with busy():
        loaded = alternate({"1 thread": lambda: train("0", "--threads", "1"), **ways}, max(3, trials // 3), warm=False)
    first = next(iter(SPINS))
    rows = [row(f"idle, {name}", first, idle[name], idle[first], "at most 1.03") for name in SPINS if name != first]
    rows += [row(f"busy, {name}", "1 thread", loaded[name], loaded["1 thread"], "at most 10") for name in SPINS]
    report("waiting", rows, load=[before, os.getloadavg()], epochs=EPOCHS)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
