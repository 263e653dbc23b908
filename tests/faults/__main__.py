"""All faults by one command, with their counts.

    python -m tests.faults [SUITE …] [--share 0.1] [--seed 0] [--results FILE] [--again]

Runs every suite (or those named) in a process of its own and prints how many faults were tried and went wrong.
With --results the counts, seconds and peak memory go into a JSON file; suites that stand there already with the same
share and seed, and went well, are not run again, so that an interrupted run can be gone on with. Ends with 1 if
anything went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.faults.outcome import Unavailable

SUITES = {
    "writers": "kills, full disks and errors at every system call of every writer",
    "kills": "kills of training, resumed to the same bits",
    "checkpoints": "damaged checkpoints",
    "changed": "changed bytes, missing and swapped files of bundles",
    "graphs": "mutants of bundles with right sums",
    "inputs": "decompression bombs, false headers and unusual files, through the program",
}
SHOWN = 20


def main() -> int:
    """Run the suites that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--share", type=float, default=1.0, help="share of all faults that is tried")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="JSON file to keep the counts in, and to go on from")
    parser.add_argument("--again", action="store_true", help="run also what --results holds already")
    parser.add_argument("--here", action="store_true", help="run in this process and print JSON")
    given = parser.parse_args()
    unknown = set(given.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite {', '.join(sorted(unknown))}; there is {', '.join(SUITES)}")
    if given.here:
        print(json.dumps(run_here(given.suites[0], given.share, given.seed)))
        return 0
    failed = False
    results: dict[str, Any] = read(given.results)
    for name in given.suites or SUITES:
        row = results.get(name)
        if given.again or not row or row["failures"] or (row["share"], row["seed"]) != (given.share, given.seed):
            row = results[name] = run_apart(name, given.share, given.seed)
            if given.results:
                given.results.write_text(json.dumps(results, indent=1) + "\n")
        counts = ", ".join(f"{count:,} {kind}" for kind, count in row["counts"].items())
        print(f"{name}: {row['total']:,} tried ({counts}), {len(row['failures'])} went wrong, {row['seconds']:.0f} s, "
              f"{row['peak_mib']} MiB", flush=True)  # fmt: skip
        for failure in row["failures"][:SHOWN]:
            print(f"  {failure}")
        failed = failed or bool(row["failures"])
    print(f"{sum(row['total'] for row in results.values()):,} faults in all")
    return int(failed)


def table(results: dict[str, Any]) -> str:
    """Return the counts as a table for RELIABILITY.md."""
    rows = [["suite", "faults", "went wrong", "seconds", "peak MiB"], ["---", "--:", "--:", "--:", "--:"]]
    total = wrong = 0
    for name, what in SUITES.items():
        row = results[name]
        total, wrong = total + row["total"], wrong + len(row["failures"])
        figures = f"{row['total']:,}", len(row["failures"]), f"{row['seconds']:.0f}", row["peak_mib"]
        rows.append([f"`{name}`: {what}", *map(str, figures)])
    rows.append(["in all", f"{total:,}", str(wrong), "", ""])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def read(path: Path | None) -> dict[str, Any]:
    """Return the results kept in a file."""
    return json.loads(path.read_text()) if path and path.exists() else {}


def run_apart(name: str, share: float, seed: int) -> dict[str, Any]:
    """Run a suite in a process of its own; its row of results."""
    words = [sys.executable, "-m", "tests.faults", name, "--share", str(share), "--seed", str(seed), "--here"]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", cwd=Path(__file__).parents[2])
    if done.returncode:  # stderr is full of what C libraries say of bad files
        raise SystemExit(f"the suite {name} ended with {done.returncode}: {done.stderr[-2000:]}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def run_here(name: str, share: float, seed: int) -> dict[str, Any]:
    """Run a suite; its row of results: counts, failures, seconds, peak memory of the largest process."""
    started = time.monotonic()
    try:
        outcome = import_module(f"tests.faults.{name}").run(share, seed)
    except Unavailable as error:
        return {"unavailable": str(error), "share": share, "seed": seed, "total": 0, "counts": {}, "seconds": 0,
                "failures": [f"NOT TRIED: {error}"], "peak_mib": 0}  # fmt: skip
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "share": share,
        "seed": seed,
        "total": outcome.total,
        "counts": outcome.counts,
        "failures": outcome.failures,
        "seconds": round(time.monotonic() - started, 1),
        "peak_mib": max(peaks) >> 10,
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "cores": len(os.sched_getaffinity(0)),
    }


if __name__ == "__main__":
    sys.exit(main())
