"""Processes looked at from outside: how long until the first byte, and how much memory at most."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aetool.bundle.bundle import Bundle
from aetool.errors import BundleError

BARE = """
import sys
import numpy, onnxruntime
from PIL import Image
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
images = session.run(None, {"latents": numpy.zeros((1, int(sys.argv[2])), numpy.float32)})[0]
pixels = numpy.rint(images[0].transpose(1, 2, 0) * 255).astype(numpy.uint8)
Image.fromarray(pixels.squeeze()).save(sys.stdout.buffer, "PNG")
"""
"""The minimum of every program of the kind: the imports, one session of one thread, one run, one PNG."""

BARE_NUMPY = """
import sys
import numpy
from PIL import Image
Image.fromarray(numpy.zeros((8, 8), numpy.uint8)).save(sys.stdout.buffer, "PNG")
"""
"""The minimum without ONNX Runtime: the imports and one PNG."""

LAUNCHER = """
import os, sys
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(status != 0)
"""
"""A small launcher of a command: a child process begins with the peak memory of its parent."""


def first_bytes(words: list[str], program: str, bundle: Bundle, trials: int) -> tuple[list[float], list[float]]:
    """Return the seconds until the first byte of a command of aetool, and of a bare program, measured alternately.

    A first round warms up. Raises `BundleError` where a program fails.
    """
    with tempfile.TemporaryDirectory() as place:
        graph = Path(place, "decoder.onnx")
        graph.write_bytes(bundle.files["decoder.onnx"])
        ours = [sys.executable, "-m", "aetool", *words]
        bare = [sys.executable, "-c", program, str(graph), str(bundle.manifest.latent_size)]
        turns = [(_first_byte(ours), _first_byte(bare)) for _ in range(trials + 1)]
    return [first for first, _ in turns[1:]], [second for _, second in turns[1:]]


def _first_byte(words: list[str]) -> float:
    """Run a command to its end; return the seconds until its first byte."""
    begun = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"}) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        seconds = time.perf_counter() - begun
        process.stdout.read()
    if process.returncode or not first:
        raise BundleError("the command that draws one picture failed", fix="verify")
    return seconds


def peak_memory(words: list[str]) -> float:
    """Return the peak memory of a command of aetool in MiB."""
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "aetool", *words]
    launched = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return round(int(launched.stderr.split()[-1]) / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)
