"""Speed of a graph on a single thread, compared with eager torch, compiled torch and OpenVINO (same weights).

python inference.py [TRIALS] > results/inference.json
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from turns import alternate, report, row

from aetool.bundle.lookup import shipped_path
from aetool.bundle.manifest import Manifest
from aetool.runtime.devices import open_session, why_not
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import ARCHITECTURES
from aetool.training.export.graphs import to_onnx

BATCHES = (1, 64, 256)
IMAGES = 256
"""Images (or latents) per trial, at every batch size."""


def networks() -> dict[str, tuple[Any, tuple[int, int, int], int]]:
    """Return untrained networks: `conv` with its defaults, and the architectures of the shipped models."""
    torch.manual_seed(0)
    found = {"conv": (build("conv", ARCHITECTURES["conv"], (1, 28, 28), 16), (1, 28, 28), 16)}
    for name in ("mnist", "sign_digits"):
        manifest = Manifest.from_json((shipped_path(name) / "bundle.json").read_bytes())
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in manifest.architecture["options"].items()}
        config = type(ARCHITECTURES[manifest.architecture["name"]])(**options)
        network = build(manifest.architecture["name"], config, manifest.image.shape, manifest.latent_size)
        found[name] = network, manifest.image.shape, manifest.latent_size
    return found


def runner(session: Any) -> Callable[[np.ndarray], Any]:
    name = session.get_inputs()[0].name
    return lambda values: session.run(None, {name: values})


def eager(network: torch.nn.Module) -> Callable[[np.ndarray], Any]:
    def run(values: np.ndarray) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(values)).numpy()

    return run


def timed(function: Callable[[np.ndarray], Any], values: np.ndarray) -> Callable[[], float]:
    def run() -> float:
        begun = time.perf_counter()
        for _ in range(IMAGES // len(values)):
            function(values)
        return time.perf_counter() - begun

    return run


def contenders(network: torch.nn.Module, graph: bytes, values: np.ndarray, compile_too: bool) -> dict[str, Any]:
    """Return functions which run the network, by program, aetool first; all results must agree."""
    found = {"aetool": runner(open_session(graph, "cpu", 1)), "eager torch": eager(network)}
    if compile_too:  # its own compilation takes much longer than all trials
        found["torch.compile"] = eager(torch.compile(network, dynamic=False))
    if not why_not("openvino"):
        found["OpenVINO"] = runner(open_session(graph, "openvino", 1))
    expected = np.asarray(found["eager torch"](values[:2]))
    for name, function in found.items():
        assert np.abs(np.asarray(function(values[:2])).reshape(expected.shape) - expected).max() < 1e-3, name
    return found


def main(trials: int) -> None:
    torch.set_num_threads(1)
    rows = []
    rng = np.random.default_rng(0)
    for title, (network, shape, size) in networks().items():
        for part, given in (("encoder", ("images", shape)), ("decoder", ("latents", (size,)))):
            module = getattr(network, part).eval()
            example = torch.zeros(2, *given[1])
            graph = to_onnx(module, example, given[0], "latents" if part == "encoder" else "images")
            values = rng.random((max(BATCHES), *given[1]), np.float32)
            functions = contenders(module, graph, values, compile_too=title != "sign_digits")
            for batch in BATCHES:
                taken = alternate({name: timed(one, values[:batch]) for name, one in functions.items()}, trials)
                for name in list(functions)[1:]:
                    rows.append(
                        row(
                            f"{title} {part}, batch {batch}",
                            name,
                            taken["aetool"],
                            taken[name],
                            bar(title, name, batch),
                        )
                    )
    report("inference", rows)


def bar(title: str, beside: str, batch: int) -> str:
    if beside != "eager torch":
        return ""
    return "at least 4" if title == "conv" and batch == 1 else "at least 1"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(place, "inductor")))
        os.chdir(place)
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
