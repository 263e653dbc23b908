"""Training on two processes: seconds a step beside one process of one and of two threads, and the curves of all three.

python ranks.py PHOTOS [TRIALS] > results/ranks.json

PHOTOS is a folder with a sub-folder a class, as sign_digits. Efficiency is the speed of two ranks of one thread over
twice the speed of one process of one thread: 1 where the second core counts in full. The rows need a quiet machine;
the load before and after is reported, and `times` has all seconds a step. `processor` counts the seconds of the
processor instead, which other programs hardly change: of a step of one process, and of that of each of two ranks with
half of the images, exchange included. Waiting for the other rank is not in it: its efficiency is what can be reached.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from turns import ENVIRONMENT, alternate, report, row

from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.data.folder import FolderOptions
from aetool.training.loop import Trainer
from aetool.training.ranks import joined

EPOCHS = 4
BATCH, STEPS = 64, 23
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


def step_seconds(rank: int, world: int, port: int, photos: str, size: int, answer: int) -> None:
    """Write the median of the processor's seconds a step of a rank to a pipe."""
    names = {"RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in names.items()}
    torch.set_num_threads(1)
    data = load(photos, 0, options=FolderOptions(size=(size, size)), choosing=True)
    config = TrainConfig(latent_size=64, batch_size=BATCH, epochs=EPOCHS, lr=0.007, shift=2)
    taken = []
    with joined() as ranks:
        trainer = Trainer(config, data, Path("none"), ranks=ranks)
        trainer.network.train()
        for i in range(STEPS):
            begun = time.process_time()
            rows = trainer._order(0)[i % 20 * BATCH :][:BATCH]
            trainer.step(trainer._steps.images(rows))
            taken.append(time.process_time() - begun)
    os.write(answer, f"{statistics.median(taken[3:])}\n".encode())


def processor(photos: str, size: int) -> dict[str, float]:
    """Return the processor's seconds a step of one process and of each of two ranks, and what they allow."""
    found = {}
    for world in (1, 2):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        ends = os.pipe()
        for rank in range(world):
            if not os.fork():
                step_seconds(rank, world, port, photos, size, ends[1])
                os._exit(0)
        for _ in range(world):
            os.wait()
        found[world] = max(float(text) for text in os.read(ends[0], 1 << 10).split())
    efficiency = round(found[1] / found[2] / 2, 3)
    return {"1 process": round(found[1], 4), "each of 2 ranks": round(found[2], 4), "efficiency at most": efficiency}


def main(photos: str, trials: int) -> None:
    before = os.getloadavg()
    times = alternate({way: lambda way=way: train(way, photos) for way in WAYS}, trials, warm=False)
    one, threads, ranks = WAYS
    rows = [row(ranks, beside, times[ranks], times[beside], "") for beside in (one, threads)]
    rows.append(row(threads, one, times[threads], times[one], ""))
    curves = {way: differences(way) for way in (threads, ranks)}
    efficiency = round(min(times[one]) / min(times[ranks]) / 2, 3)
    counted = {f"{size} x {size}": processor(photos, size) for size in (32, 64)}
    report(
        "ranks",
        rows,
        processor=counted,
        load=[before, os.getloadavg()],
        efficiency=efficiency,
        percent=curves,
        times=times,
    )


if __name__ == "__main__":
    place, *rest = sys.argv[1:]
    place = str(Path(place).resolve())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main(place, int(rest[0]) if rest else 5)
