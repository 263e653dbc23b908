"""Training on MNIST to a target mse, compared with the autoencoder of pythae and the loop of the tutorials.

python training.py [TRIALS [LIMIT]] > results/training.json

Only the seconds of training steps count; the clock stops during evaluations on the test images. LIMIT is the longest
time of a program in seconds. MNIST comes from the same place as for `aetool train mnist`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from turns import ENVIRONMENT, PEERS, alternate, python, report, row

from aetool.training.architectures.options import ConvConfig
from aetool.training.config import PRECISIONS, TrainConfig
from aetool.training.data.dataset import Dataset, load
from aetool.training.loop import Trainer

THREADS = len(os.sched_getaffinity(0))
PLACES = {name: os.environ[name] for name in ("AETOOL_DATA",) if name in os.environ}
SOME = 100
"""Steps per turn, for eager and for compiled training."""


def seconds_to(target: float, words: list[object], limit: float) -> float:
    """Return the seconds of training steps of a program until its test mse is at most `target`."""
    done = subprocess.run(python(*words), check=True, env=ENVIRONMENT | PLACES, stdout=subprocess.PIPE, text=True)
    entry = json.loads(done.stdout.splitlines()[-1])
    assert entry["test_mse"] <= target or limit < 60, entry  # a limit below 60 s is for a test of the script
    return entry["seconds"]


def to_target(script: str, name: str, target: float, bar: float, trials: int, limit: float) -> list[dict]:
    def ours(precision: str) -> Callable[[], float]:
        return lambda: seconds_to(target, [PEERS / "train_aetool.py", target, THREADS, limit, precision], limit)

    turns = {precision: ours(precision) for precision in PRECISIONS}
    turns["theirs"] = lambda: seconds_to(target, [PEERS / script, "mnist.npz", target, THREADS, limit], limit)
    taken = alternate(turns, trials, warm=False)
    what = f"conv to a test mse of {target:.4f}, {{}}"
    return [
        row(what.format(p), name, taken[p], taken["theirs"], f"at least {bar:g}" if p == PRECISIONS[-1] else "")
        for p in PRECISIONS
    ]


def steps_of(precision: str, dataset: Dataset, compiled: bool) -> tuple[Callable[[], float], float]:
    """Return a function which takes `SOME` steps and returns the seconds, and the seconds of the first step."""
    config = TrainConfig(
        dataset="mnist", architecture="conv", options=ConvConfig(), epochs=1, precision=precision, threads=THREADS,
        device="cpu",
    )  # fmt: skip
    trainer = Trainer(config, dataset, Path("unused"))
    if compiled:
        trainer.network = torch.compile(trainer.network)
    pixels = torch.from_numpy(dataset.train.pixels)

    def steps(first: int, count: int) -> float:
        begun = time.perf_counter()
        for part in pixels.split(trainer.batch_size)[first : first + count]:
            trainer.step(part)
        return time.perf_counter() - begun

    first = steps(0, 1)
    return lambda: steps(1, SOME), first


def compiling(dataset: Dataset, trials: int) -> tuple[list[dict], dict[str, float]]:
    """Return the rows of compiled compared with eager steps, and the seconds of the first compiled step."""
    rows, first = [], {}
    for precision in PRECISIONS:
        eager, _ = steps_of(precision, dataset, compiled=False)
        fast, first[precision] = steps_of(precision, dataset, compiled=True)
        taken = alternate({"compiled": fast, "eager": eager}, trials)
        rows.append(row(f"steps with torch.compile, {precision}", "eager", taken["compiled"], taken["eager"], ""))
    return rows, {name: round(value, 1) for name, value in first.items()}


def main(trials: int, limit: float) -> None:
    dataset = load("mnist", 0)
    np.savez("mnist.npz", train=dataset.train.pixels, test=dataset.test.pixels)
    rows = to_target("train_pythae.py", "pythae 0.1.2, its MNIST network", 0.0170, 15, trials, limit)
    rows += to_target("train_tutorial.py", "a tutorial's loop, the same network", 0.0093, 3, trials, limit)
    more, first = compiling(dataset, max(3, trials))
    report("training", rows + more, compile_s=first)


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    trials, limit = given + [3, 1200][len(given) :]
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(place, "inductor"))  # an old cache would hide the compilation
        main(int(trials), limit)
