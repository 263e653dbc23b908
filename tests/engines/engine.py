"""Engines: what runs a graph, in a process of its own, which a fault of a foreign library cannot take down with it.

The file needs the standard library and NumPy alone, so that other versions of NumPy can import it.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
Arrays = list[Any]
"""Batches of inputs or outputs, float32 with the batch as first axis."""


class Missing(Exception):
    """An engine is not installed; the text says how to install it."""


class Refused(Exception):
    """An engine could not load or run a graph; the text is the end of what it printed."""


@dataclass(frozen=True)
class Engine:
    """An engine: its name, the language that calls it, and what it makes of the batches of a graph's inputs.

    `version` raises `Missing`, `run` raises `Refused`. One `in_order` adds the products of a sum one by one.
    """

    name: str
    language: str
    version: Callable[[], str]
    run: Callable[[Path, Arrays], Arrays]
    in_order: bool = False


def package(name: str, extra: str = "engines") -> Callable[[], str]:
    """Return the look-up of the version of a Python package, which pip installs with `extra`."""

    def version() -> str:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise Missing(f"{name}: bash .ci/engines, or pip install '.[{extra}]'") from None

    return version


def apart(module: str, packages: str | None = None) -> Callable[[Path, Arrays], Arrays]:
    """Return a `run` that calls the `run` of a module in another process, with a folder of packages before all others.

    The other process does not import what this one does, and the reverse: engines bring libraries of the same names.
    """

    def run(graph: Path, batches: Arrays) -> Arrays:
        with tempfile.TemporaryDirectory() as place:
            source, target = Path(place, "inputs.npz"), Path(place, "outputs.npz")
            np.savez(source, *batches)
            more = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
            words = [sys.executable, "-m", __name__, module, str(graph), str(source), str(target)]
            call(words, cwd=HERE.parents[1], env={**os.environ, "PYTHONPATH": more})
            return _load(target)

    return run


def program(words: Sequence[str], graph: Path, batches: Arrays) -> Arrays:
    """Return the outputs of a program in another language: WORDS GRAPH VALUES OUTPUTS BATCH ..., raw float32."""
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "inputs"), Path(place, "outputs")
        source.write_bytes(b"".join(np.ascontiguousarray(batch).tobytes() for batch in batches))
        call([*words, str(graph), str(source), str(target), *(str(len(batch)) for batch in batches)])
        values = np.frombuffer(target.read_bytes(), np.float32)
    sizes = [len(batch) for batch in batches]
    return np.split(values.reshape(sum(sizes), -1), np.cumsum(sizes)[:-1])


def call(words: Sequence[str], **more: Any) -> None:
    """Run a command line; raises `Refused` where it does not end with 0."""
    done = subprocess.run(words, capture_output=True, timeout=600, **more)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise Refused(f"{Path(words[0]).name} ended with {done.returncode}: {said[-3000:]}")


def _load(path: Path) -> Arrays:
    with np.load(path) as found:
        return [found[name] for name in found.files]


if __name__ == "__main__":
    module, graph, source, target = sys.argv[1:]
    np.savez(target, *importlib.import_module(module).run(graph, _load(Path(source))))
