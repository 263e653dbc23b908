"""Shared functions of the scripts: programs measured in turns (A B A B …), ratios by pair, all raw numbers."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "AETOOL"))} | {
    "ORT_DISABLE_TELEMETRY": "1"  # for all programs
}
PEERS = Path(__file__).parent / "peers"
PACKAGES = ("aetool", "daft", "numpy", "onnxruntime", "onnxruntime-ep-openvino", "pillow", "torch", "typer")


def aetool(*words: object) -> list[str]:
    """Return the command line of the installed aetool with the arguments `words`."""
    return [str(Path(sys.executable).with_name("aetool")), *map(str, words)]


def python(*words: object) -> list[str]:
    return [sys.executable, *map(str, words)]


def seconds(words: list[str]) -> float:
    """Return the seconds of a command from start to end; the output is discarded."""
    begun = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, env=ENVIRONMENT)
    return time.perf_counter() - begun


def alternate(functions: dict[str, Callable[[], float]], trials: int, warm: bool = True) -> dict[str, list[float]]:
    """Return the seconds of each function, called in turns; with `warm` after a warm-up turn without a measurement."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for trial in range(-warm, trials):
        for name, function in functions.items():
            found = function()
            if trial >= 0:
                taken[name].append(found)
    return taken


def row(what: str, beside: str, ours: list[float], theirs: list[float], bar: str) -> dict[str, Any]:
    """Return the ratio of ours and theirs, and whether the ratio meets the bar.

    A bar "at most 1.5" compares time, ours divided by theirs; every other bar compares speed.
    """
    on_time = bar.startswith("at most")
    pairs = list(zip(ours, theirs, strict=True))
    ratios = sorted(a / b if on_time else b / a for a, b in pairs)
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    median, limit = statistics.median(ratios), float(bar.split()[2]) if bar else 0.0
    return {
        "what": what,
        "beside": beside,
        "bar": bar,
        "ratio": round(median, 3),
        "spread": [round(low, 3), round(high, 3)],
        "holds": (median <= limit if on_time else median >= limit) if bar else None,
        "ours_s": [round(value, 6) for value in ours],
        "theirs_s": [round(value, 6) for value in theirs],
    }


def machine() -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0))
    return {"system": f"{platform.system()} {platform.machine()}", "cpu": cpu(), "cores": cores, "versions": versions}


def cpu() -> str:
    """Return the model name of the processor and its vector and matrix units, from /proc/cpuinfo on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.split() for key, value in found.items()}
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in named.get("flags", [])]
    return " ".join([*named.get("model name", []), *units])


def report(claim: str, rows: list[dict[str, Any]], **more: Any) -> None:
    """Print the result of a script as JSON, for results/."""
    print(json.dumps({"claim": claim, "machine": machine(), "rows": rows} | more, indent=1))
