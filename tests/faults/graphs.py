"""Mutants of bundles in worker processes: no signal, no hang, no more than 1 GiB."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.mutants import MEMORY
from tests.faults.outcome import HANG, Outcome

MUTANTS = 2000
A_PROCESS = 100


def run(share: float, seed: int) -> Outcome:
    """Try `share` of `MUTANTS`."""
    outcome = Outcome()
    memory = Path("/dev/shm")
    first, count = 0, round(MUTANTS * share)
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        while first < count:
            place = Path(tempfile.mkdtemp(dir=name))
            first = _worker(place, seed, first, min(first + A_PROCESS, count), outcome)
    return outcome


def _worker(place: Path, seed: int, first: int, last: int, outcome: Outcome) -> int:
    """Let a process try mutants, and judge its lines; returns the first that has not been tried."""
    words = [sys.executable, "-m", "tests.faults.mutants", place, str(seed), str(first), str(last)]
    words = [str(word) for word in words]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        os.set_blocking(process.stdout.fileno(), False)
        text, done, last_word = "", first, time.monotonic()
        while True:
            ended = process.poll() is not None  # asked first, so that nothing is left to read where it has
            new = (process.stdout.read() or b"").decode()
            if ended and not new:
                break
            last_word = time.monotonic() if new else last_word
            *lines, text = (text + new).split("\n")
            for line in lines:
                if line.startswith("end"):
                    _, number, peak, came = line.split(" ", 3)
                    done = int(number) + 1
                    wrong = came if came.startswith("wrong") else None
                    wrong = wrong or (f"took {int(peak) >> 20} MiB" if int(peak) > MEMORY else None)
                    outcome.add("works" if came == "works" else "refused", wrong and f"mutant {number}: {wrong}")
            if time.monotonic() - last_word > HANG:
                process.kill()
                break
            time.sleep(0.01)
        code = process.wait()
    if done < last:
        outcome.add("refused", f"mutant {done} ended its process with {code}")
        done += 1
    return done
