"""The writers of aetool in a small process without torch, for faults to be injected into.

    python tests/faults/writer.py KIND SCRATCH SOCKET

Imports all that KIND needs, writes it once into SCRATCH, and then forks a child for each order that comes on the
socket: {"folder", "version", "name", "before", "limit"}. The child makes `before` vain system calls of `name`, so that
the one that is to be hit has the place that strace counts to, writes that version into the folder, answers with the
exit code and the line that the command line would end with, and ends. Two paths that do not exist mark where writing
begins and ends in a trace. limit is the largest size of a file (RLIMIT_FSIZE).
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import socket
import sys
import traceback
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from aetool.bundle.folder import FILES, write
from aetool.cli.console import Console
from aetool.cli.target import target_of
from aetool.cli.write import write_latents, write_pictures
from aetool.errors import AetoolError
from aetool.images.layout import Layout
from aetool.latents.files import LatentBatch
from aetool.model.keys import raise_first
from aetool.system.limits import LIMITS
from aetool.training import checkpoint as checkpoints
from aetool.training import run_folder

BEGIN, END = Path("/aetool-faults-begin"), Path("/aetool-faults-end")
QUIET = Console(quiet=True)
STEPS = (10, 20, 30, 40)
"""Steps of the checkpoints: version 0 writes the first two, each later version the next."""


LIBC_NAMES = {"newfstatat": "fstatat"}
"""System calls whose function is called otherwise."""


def pixels(version: int, count: int, side: int) -> np.ndarray:
    """Return pictures of noise, so that no file becomes small."""
    return np.random.default_rng(version).integers(0, 256, (count, 1, side, side), np.uint8)


def pictures(folder: Path, version: int, name: str, count: int, side: int) -> None:
    """Write `count` pictures in two batches."""
    names = [f"{'sub/' * (i % 2)}p{i}" for i in range(count)]
    all_of_them = pixels(version, count, side)
    parts = [(all_of_them[:2], names[:2]), (all_of_them[2:], names[2:])]
    write_pictures(parts, target_of(f"{folder}/{name}"), Layout(), None, QUIET, LIMITS.frames, raise_first)


def latents(folder: Path, version: int, name: str) -> None:
    """Write 300 latents in three batches."""
    rows = np.random.default_rng(version).normal(size=(300, 8)).astype(np.float32)
    batches = [
        LatentBatch(rows[i : i + 100], tuple(f"s{j}" for j in range(100)), (None,) * 100, "0" * 16)
        for i in (0, 100, 200)
    ]
    write_latents(batches, target_of(f"{folder}/{name}", latents=True), 8)


def checkpoint(folder: Path, version: int) -> None:
    """Keep one checkpoint more."""
    for step in STEPS[:2] if version == 0 else STEPS[version + 1 : version + 2]:
        data = np.random.default_rng(step).bytes(20_000)
        checkpoints.keep(folder / "checkpoints", step, data, {"progress": {"step": step}, "settings": {}})


def a_bundle(folder: Path, version: int) -> None:
    """Write a bundle, or replace it."""
    rng = np.random.default_rng(version)
    files = {name: rng.bytes(5000) for name in FILES}
    write(folder / "models" / "m", files, f"card {version}", replace=True)


def log(folder: Path, version: int) -> None:
    """Write the log of a run."""
    history = tuple({"epoch": i, "train_mse": version + i / 7} for i in range(200))
    run_folder.write_log(folder, history)


WRITERS = {
    "picture": lambda folder, version: pictures(folder, version, "x.png", 4, 32),
    "animation": lambda folder, version: pictures(folder, version, "x.gif", 4, 32),
    "folder": lambda folder, version: pictures(folder, version, "out/", 4, 32),
    "jsonl": lambda folder, version: latents(folder, version, "z.jsonl"),
    "npz": lambda folder, version: latents(folder, version, "z.npz"),
    "checkpoint": checkpoint,
    "bundle": a_bundle,
    "log": log,
}


def attempt(kind: str, folder: Path, version: int) -> tuple[int, str]:
    """Write, and return the exit code and the line that the command line would end with."""
    try:
        WRITERS[kind](folder, version)
    except (AetoolError, OSError) as error:
        return error.exit_code if isinstance(error, AetoolError) else 7, str(error)
    except BaseException:
        return 1, traceback.format_exc()
    return 0, ""


def vain(libc: ctypes.CDLL, name: str, count: int) -> None:
    """Make a system call `count` times in a way that fails or does nothing, whichever it is."""
    call = getattr(libc, LIBC_NAMES.get(name, name))
    for _ in range(count):
        call(-1, 0, 0, 0, 1, 0)  # the flag keeps renameat2 from becoming rename


def child(kind: str, order: dict, answers: socket.socket, libc: ctypes.CDLL) -> None:
    """Carry out one order and leave."""
    if order["limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"],) * 2)
    if order["before"]:
        vain(libc, order["name"], order["before"])
    BEGIN.exists()
    code, text = attempt(kind, Path(order["folder"]), order["version"])
    END.exists()
    answers.send(json.dumps([code, text]).encode())
    os._exit(code)


def main() -> None:
    """Serve orders; see above. Waiting needs no system call that a writer needs, so that only children meet faults."""
    kind, scratch, descriptor = sys.argv[1:]
    answers = socket.socket(fileno=int(descriptor))
    libc = ctypes.CDLL(None)
    libc.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER, any: strace is not our parent
    for version in (0, 1):
        WRITERS[kind](Path(scratch), version)
    json.dumps(json.loads("[0, 1.5, null, {}]"))
    gc.disable()
    answers.send(b"ready")
    while order := answers.recv(1 << 16):
        process = os.fork()
        if not process:
            child(kind, json.loads(order), answers, libc)
        _, status = os.waitpid(process, 0)
        answers.send(f"ended {os.waitstatus_to_exitcode(status)}".encode())


if __name__ == "__main__":
    main()
