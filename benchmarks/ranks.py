"""Training on two processes: seconds a step beside one process of one and of two threads, and the curves of all three.

python ranks.py PHOTOS [TRIALS] > results/ranks.json

PHOTOS is a folder with a sub-folder a class, as sign_digits. Efficiency is the speed of two ranks of one thread over
twice the speed of one process of one thread: 1 where the second core counts in full. The rows need a quiet machine;
the load before and after is reported, and `times` has all seconds a step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from turns import ENVIRONMENT, alternate, report, row

EPOCHS = 4
SETTINGS = ["--size", "32", "--epochs", EPOCHS, "--seed", "0", "-q"]
WAYS = {
    "1 process, 1 thread": ([], 1),
    "1 process, 2 threads": ([], 2),
    "2 ranks, 1 thread each": (["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"], 1),
}
FIGURES = ("train_mse", "test_mse", "validation_mse")

logs: dict[str, list[dict]] = {}


def train(way: str, photos: str) -> float:
    """Return the seconds a step of a training, without its evaluations, and keep its log."""
    program, threads = WAYS[way]
    words = [sys.executable, *program, "-m", "aetool", "train", photos, *SETTINGS, "--threads", threads]
    env = ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=True, env=env, text=True)
    logs[way] = [json.loads(line) for line in Path(done.stdout.strip(), "log.jsonl").read_text().splitlines()]
    return float(logs[way][-1]["seconds"] / logs[way][-1]["step"])


def differences(way: str) -> dict[str, float]:
    """Return the largest difference of each curve from that of one process of one thread, in % of it."""
    pairs = list(zip(logs[way], logs["1 process, 1 thread"], strict=True))
    return {
        name: round(max(100 * abs(a[name] / b[name] - 1) for a, b in pairs if b.get(name) is not None), 4)
        for name in FIGURES
    }


def main(photos: str, trials: int) -> None:
    before = os.getloadavg()
    times = alternate({way: lambda way=way: train(way, photos) for way in WAYS}, trials, warm=False)
    one, threads, ranks = WAYS
    rows = [row(ranks, beside, times[ranks], times[beside], "") for beside in (one, threads)]
    rows.append(row(threads, one, times[threads], times[one], ""))
    curves = {way: differences(way) for way in (threads, ranks)}
    efficiency = round(min(times[one]) / min(times[ranks]) / 2, 3)
    report("ranks", rows, load=[before, os.getloadavg()], efficiency=efficiency, percent=curves, times=times)


if __name__ == "__main__":
    place, *rest = sys.argv[1:]
    place = str(Path(place).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main(place, int(rest[0]) if rest else 5)
