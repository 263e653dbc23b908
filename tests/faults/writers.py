"""Old or complete: kills, full disks and errors at every system call of every writer, and files that may not grow.

A writer works in a process of its own (`writer.py`); strace is attached to it and injects into its children. After
each fault the folder must hold the old files or all of the new ones, exit code 0 must mean the new ones, an error must
be one line, and a later start must leave no temporary behind.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aetool.errors import BundleError
from aetool.training import checkpoint
from tests.faults.outcome import HANG, Outcome, Unavailable, part_of
from tests.faults.writer import BEGIN, END, WRITERS

HERE = Path(__file__).parent
PLACE = 400
"""Which call of a name strace hits; more than any writer makes."""
FAULTS = {"SIGKILL": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
NO_ERROR = {"brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "futex", "rt_sigaction", "rt_sigprocmask",
            "getpid", "gettid", "clock_nanosleep"}  # fmt: skip
"""Calls that have nothing to do with a disk: they are killed at, and do not fail."""
DURABLE = {"fsync", "fdatasync", "syncfs", "write", "rename", "renameat", "renameat2"}
"""Calls without which nothing is on disk: exit code 0 after one of them failed is a lie."""
LIMITS = 20
Files = dict[str, bytes]


class Writer:
    """A writer at work in its process; orders go to it and answers come back."""

    def __init__(self, kind: str, scratch: Path) -> None:
        self.kind = kind
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, HERE / "writer.py", kind, scratch, str(theirs.fileno())]
        path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            words, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        )
        theirs.close()
        self.orders.settimeout(HANG * 4)
        assert self.orders.recv(100) == b"ready"
        self.orders.settimeout(HANG)

    def write(
        self, folder: Path, version: int, name: str = "", before: int = 0, limit: int | None = None
    ) -> tuple[int, str]:
        """Write a version into the folder; returns the exit code (negative for a signal) and the line that was said."""
        order = {"folder": str(folder), "version": version, "name": name, "before": before, "limit": limit}
        self.orders.send(json.dumps(order).encode())
        text = ""
        while not (answer := self.orders.recv(1 << 16)).startswith(b"ended"):
            text = json.loads(answer)[1]
        return int(answer.split()[1]), text

    def close(self) -> None:
        """End the process."""
        self.orders.close()
        self.process.wait(HANG)


@contextlib.contextmanager
def strace(writer: Writer, log: Path, *words: str) -> Iterator[None]:
    """Trace the children of a writer; raises `Unavailable` where that is not possible."""
    try:
        tracer = subprocess.Popen(
            ["strace", "-f", "-o", log, *words, "-p", str(writer.process.pid)], stderr=subprocess.PIPE, text=True
        )
    except FileNotFoundError:
        raise Unavailable("strace is not installed") from None
    said = tracer.stderr.readline()
    if "attached" not in said:
        raise Unavailable(f"strace cannot be used here: {said.strip()}")
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=HANG)


def content(folder: Path) -> Files:
    """Return every file below a folder, temporaries apart."""
    files = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.endswith(".aetool-tmp")]
        for name in names:
            if not name.endswith(".aetool-tmp"):
                path = Path(root, name)
                files[str(path.relative_to(folder))] = path.read_bytes()
    return files


def torn(kind: str, old: Files, new: Files, now: Files) -> str | None:
    """Return what is neither old nor complete."""
    if kind == "folder":
        wrong = [name for name, data in now.items() if data not in (old.get(name), new.get(name))]
        lost = [name for name in old if name not in now]
        return f"torn {wrong}, lost {lost}" if wrong or lost else None
    return None if now in (old, new) else f"neither old nor new: {sorted(now)}"


def torn_checkpoints(folder: Path, had_old: bool) -> str | None:
    """Return what is wrong with the checkpoints: every JSON must be of a whole one, and two must be good."""
    good = []
    for path in checkpoint.found(folder / "checkpoints"):
        try:
            good.append(checkpoint.read(path)[1]["progress"]["step"])
        except BundleError as error:
            return str(error)
    if had_old and (len(good) < 2 or good[-1] not in (20, 30)):
        return f"good checkpoints are {good}"
    return None


@dataclass
class Start:
    """A folder as a writer finds it, what it should make of it, and the calls it makes on the way."""

    base: Path
    version: int
    old: Files
    new: Files
    before: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)


class Trial:
    """Writes into copies of a start, and judges what came of it."""

    def __init__(self, writer: Writer, start: Start, place: Path, outcome: Outcome) -> None:
        self.writer, self.start, self.place, self.outcome = writer, start, place, outcome

    def fresh(self) -> Path:
        """Return a copy of the start."""
        shutil.rmtree(self.place / "now", ignore_errors=True)
        return Path(shutil.copytree(self.start.base, self.place / "now"))

    def try_call(self, fault: str, name: str, k: int) -> None:
        """Let the k-th call of a name be hit."""
        folder = self.fresh()
        before = PLACE - self.start.before[name] - k
        code, said = self.writer.write(folder, self.start.version, name, before)
        wrong = self.judge(folder, code, said, name if fault != "SIGKILL" else "")
        if fault == "SIGKILL" and code != -signal.SIGKILL:
            wrong = wrong or f"was not killed but ended with {code}"
        self.outcome.add(fault, wrong and f"{self.writer.kind} at {name} {k}: {wrong}")

    def try_limit(self, limit: int) -> None:
        """Let no file grow beyond a size."""
        folder = self.fresh()
        code, said = self.writer.write(folder, self.start.version, limit=limit)
        wrong = self.judge(folder, code, said, "")
        self.outcome.add("RLIMIT_FSIZE", wrong and f"{self.writer.kind} to {limit} bytes: {wrong}")

    def judge(self, folder: Path, code: int, said: str, failed: str) -> str | None:
        """Return what is wrong after a write that ended with `code`, or nothing."""
        start, kind, now = self.start, self.writer.kind, content(folder)
        wrong = (
            torn_checkpoints(folder, bool(start.old)) if kind == "checkpoint" else torn(kind, start.old, start.new, now)
        )
        if wrong:
            return wrong
        complete = now == start.new or (kind == "checkpoint" and start.new.items() <= now.items())
        if code == 0 and (not complete or failed in DURABLE):
            return f"ended with 0 after {failed or 'that'} failed"
        if code not in (0, 5, 7, -signal.SIGKILL) or (code == 5 and kind != "checkpoint"):
            return f"ended with {code}: {said}"
        if code > 0 and (not said.isprintable() or not said):
            return f"did not say it in one line: {said!r}"
        code, said = self.writer.write(folder, start.version)
        left = [path.name for path in folder.rglob("*.aetool-tmp")]
        if code or left or content(folder) != start.new:
            return f"a later start ended with {code} {said} and left {left}"
        return None


def prepare(writer: Writer, place: Path, version: int) -> Start:
    """Return the start for writing a version: the one before it, or nothing."""
    base, made = place / f"base{version}", place / f"made{version}"
    base.mkdir()
    if version:
        assert writer.write(base, version - 1) == (0, "")
    shutil.copytree(base, made)
    start = Start(base, version, content(base), {})
    log = place / "trace"
    with strace(writer, log):
        assert writer.write(made, version) == (0, "")
    calls = re.findall(r"^(\d+) +(\w+)\((.*)", log.read_text(), re.MULTILINE)
    (child,) = {process for process, _, rest in calls if str(BEGIN) in rest}
    counted = start.before
    for _, name, rest in (call for call in calls if call[0] == child):
        if str(END) in rest:
            break
        counted[name] += 1
        counted = start.calls if str(BEGIN) in rest else counted
    start.new = content(made)
    return start


def run(share: float, seed: int) -> Outcome:
    """Try `share` of all points."""
    outcome, rng = Outcome(), random.Random(seed)
    memory = Path("/dev/shm")
    for kind in WRITERS:
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
            place = Path(name)
            (place / "scratch").mkdir()
            writer = Writer(kind, place / "scratch")
            try:
                for version in (0, 1):
                    trial = Trial(writer, prepare(writer, place, version), place, outcome)
                    _try_all(trial, share, rng)
            finally:
                writer.close()
    return outcome


def _try_all(trial: Trial, share: float, rng: random.Random) -> None:
    calls = sorted(trial.start.calls.items())
    points = [
        (fault, name, k)
        for fault in FAULTS
        for name, count in calls
        if fault == "SIGKILL" or name not in NO_ERROR
        for k in range(1, count + 1)
    ]
    for (fault, name), chosen in itertools.groupby(part_of(points, share, rng), key=lambda point: point[:2]):
        hit = f"inject={name}:{FAULTS[fault]}:when={PLACE}"
        with strace(trial.writer, trial.place / "log", "-e", f"trace={name}", "-e", hit):
            for _, _, k in chosen:
                trial.try_call(fault, name, k)
    largest = max(map(len, trial.start.new.values()))
    for limit in part_of([largest * i // LIMITS for i in range(LIMITS)], share, rng):
        trial.try_limit(limit)
