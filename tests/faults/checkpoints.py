"""A damaged newest checkpoint is found out, and the one before is used."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from aetool.training import checkpoint
from aetool.training.checkpoint import Progress
from tests.faults.outcome import Outcome, part_of

Damage = Callable[[Path], None]


def rewritten(change: Callable[[bytes], bytes]) -> Damage:
    """Return the damage that changes the bytes of a file."""
    return lambda path: path.write_bytes(change(path.read_bytes())) and None


def instead(make: Callable[[Path], None]) -> Damage:
    """Return the damage that puts something else in the place of a file."""

    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def damages(size: int, rng: random.Random) -> Iterator[tuple[str, Damage]]:
    """Yield every damage to a file of `size` bytes, with its kind."""
    for percent in range(100):
        yield "truncated", rewritten(lambda data, n=size * percent // 100: data[:n])
    for _ in range(200):
        at, bit = rng.randrange(size), 1 << rng.randrange(8)
        yield (
            "flipped bit",
            rewritten(lambda data, at=at, bit=bit: data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]),
        )
    for _ in range(60):
        at = rng.randrange(size - 16)
        zeroed = rewritten(lambda data, at=at: data[:at] + bytes(16) + data[at + 16 :])
        yield "zeros", zeroed
    yield "zeros", rewritten(lambda data: bytes(len(data)))
    yield "longer", rewritten(lambda data: data + b"\0")
    yield "missing", Path.unlink
    yield "folder", instead(os.mkdir)
    yield "FIFO", instead(os.mkfifo)


def run(share: float, seed: int) -> Outcome:
    """Try `share` of all damages."""
    outcome, rng = Outcome(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        good = Path(name, "good")
        good.mkdir()
        for step in (10, 20):
            tensors = {"network.w": torch.full((40, 40), float(step))}
            checkpoint.save(good, tensors, Progress(step, 1.0, 0.1, ({"epoch": 1},)), {"seed": 0})
        for suffix in (".json", ".safetensors"):
            size = (good / f"000000020{suffix}").stat().st_size
            for kind, damage in part_of(list(damages(size, rng)), share, rng):
                copy = Path(shutil.copytree(good, Path(name, "copy")))
                before = (copy / f"000000020{suffix}").read_bytes()
                damage(copy / f"000000020{suffix}")
                outcome.add(kind, _wrong(copy, before, suffix))
                shutil.rmtree(copy)
    return outcome


def _wrong(folder: Path, before: bytes, suffix: str) -> str | None:
    damaged = folder / f"000000020{suffix}"
    expected = 20 if damaged.is_file() and damaged.read_bytes() == before else 10  # zeros over zeros
    loaded = checkpoint.load_newest(folder)
    said = list(loaded.damage)
    lost = [] if suffix == ".json" and not damaged.exists() else ["checkpoint 000000020 is damaged"]
    if loaded.progress.step != expected or not torch.equal(
        loaded.tensors["network.w"], torch.full((40, 40), float(expected))
    ):
        return f"{suffix}: step {loaded.progress.step} was loaded, not {expected}"
    if expected == 10 and [text[:31] for text in said] != lost:
        return f"{suffix}: said {said}"
    return None
