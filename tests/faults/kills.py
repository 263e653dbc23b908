"""Training survives: killed at random moments and resumed until it is done, it ends with the same bits.

This process has imported torch and forks the runs, so that a kill costs milliseconds. Every other run saves at every
step, so that most kills hit the writing of a checkpoint.
"""

from __future__ import annotations

import functools
import os
import random
import signal
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from aetool.system.atomic import run_lock
from aetool.training import checkpoint, loop, pca, run_folder
from aetool.training.architectures.options import BlendConfig
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, load
from aetool.training.defaults import COMPONENTS
from tests.faults.outcome import HANG, Outcome

KILLS = 1000
PER_RUN = 6
CONFIG = TrainConfig(dataset="digits", options=BlendConfig((4,), 0), latent_size=4, epochs=3, threads=1, shift=1,
                     batch_size=256, patience=0)  # fmt: skip
SHARE = 0.7
"""Kills come at random before this share of the time that an uninterrupted run takes."""


@functools.cache
def components(data: Dataset) -> pca.Pca:
    """Return the principal components of the training images."""
    return pca.fit(data.train.pixels, COMPONENTS, 0)


def train(run: Path, data: Dataset, config: TrainConfig, save_every: float) -> None:
    """Train or resume to the end, as the command does once everything is loaded."""
    loop.SAVE_EVERY, loop.REPORT_EVERY = save_every, 0.0
    with run_lock(run):
        trainer = loop.Trainer(config, data, run, components(data))
        trainer.resume()
        for _ in trainer.reports():
            pass


def forked(run: Path, data: Dataset, config: TrainConfig, save_every: float, after: float | None) -> int:
    """Train in a child that is killed after some seconds; returns how it ended."""
    process = os.fork()
    if not process:
        try:
            train(run, data, config, save_every)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 4 * HANG
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return -1000


def kept(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, object]]]:
    """Return every tensor of the newest checkpoint, and the history without its times."""
    loaded = checkpoint.load_newest(run / "checkpoints")
    return loaded.tensors, [{**entry, "seconds": 0} for entry in loaded.progress.history]


def same(run: Path, other: Path) -> bool:
    """Whether two runs ended with the same bits."""
    (a, log_a), (b, log_b) = kept(run), kept(other)
    equal = a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    return equal and log_a == log_b


def run(share: float, seed: int) -> Outcome:
    """Kill `share` of `KILLS` times."""
    outcome, rng = Outcome(), random.Random(seed)
    data = load("digits", 0, choosing=True)
    components(data)  # the same each time, and most of the time
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        os.chdir(name)
        train(run_folder.create(CONFIG, data), data, CONFIG, 0.0)  # so that children find all of torch warm
        number = 0
        while outcome.total < share * KILLS:
            number += 1
            config = replace(CONFIG, seed=number)
            save_every = 0.0 if number % 2 else 0.01
            whole, killed = (run_folder.create(config, data) for _ in range(2))
            started = time.monotonic()
            assert forked(whole, data, config, save_every, None) == 0
            seconds = SHARE * (time.monotonic() - started)
            for _ in range(PER_RUN):
                if forked(killed, data, config, save_every, rng.uniform(0, seconds)) == 0:
                    break
                outcome.add("SIGKILL")
            ended = forked(killed, data, config, save_every, None)
            if ended or not same(whole, killed):
                outcome.failures.append(f"run {number}: ended with {ended}, or with other weights")
    os.chdir("/")
    return outcome
