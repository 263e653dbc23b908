"""On an NVIDIA GPU: training on MNIST for seven epochs, and the graphs of the shipped model beside CPU and torch.

python benchmarks/gpu.py training [TRIALS] > results/gpu-training.json
python benchmarks/gpu.py graphs [TRIALS] > results/gpu-graphs.json    with onnxruntime-gpu

Training compares steps recorded as a CUDA graph with plain ones, in turns. Only the seconds of training steps count,
with the recording; the clock stops during evaluations. MNIST comes from the same place as for `aetool train mnist`.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aetool.training import distortion, steps
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import ConvConfig, ResidualConfig
from aetool.training.calibration import calibrate
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, load
from aetool.training.loop import Trainer

EPOCHS = 7
"""Epochs of the schedule, at whose end the mse on test images is near 0.0065."""
NEVER = 1 << 60
BATCHES = (1, 8, 64, 512, 4096)


def seconds(dataset: Dataset, recorded: bool, precision: str) -> dict[str, Any]:
    """Return the seconds of the steps of a training, and the mse on test images after it."""
    steps.EAGER = 3 if recorded else NEVER
    config = TrainConfig(
        dataset="mnist", architecture="conv", options=ConvConfig(), epochs=EPOCHS, precision=precision, device="cuda",
        latent_size=16, batch_size=128,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        trainer = Trainer(config, dataset, Path(place))
        begun = time.perf_counter()
        trainer.network.train()
        order = np.random.default_rng(0)
        for _ in range(EPOCHS):
            rows = order.permutation(len(dataset.train.labels))
            for i in range(trainer.per_epoch):
                loss = trainer.step(trainer._steps.images(rows[i * 128 : (i + 1) * 128]))
                trainer._advance(float(loss), 0.0)
        taken = time.perf_counter() - begun
    calibrate(trainer.network, dataset.train.pixels, 0, trainer.device)
    mse = distortion.test_mse(trainer.network, dataset.test.pixels, trainer.device)
    return {"seconds": round(taken, 2), "steps": trainer.progress.step, "test_mse": round(mse, 5)}


def training(trials: int) -> dict[str, Any]:
    """Return the seconds of training, recorded and plain, by precision."""
    dataset = load("mnist", 0)
    kinds = [(recorded, precision) for precision in ("float32", "bfloat16") for recorded in (True, False)]
    taken: dict[tuple[bool, str], list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for _ in range(trials):
        for kind in kinds:
            taken[kind].append(seconds(dataset, *kind))
            print(kind, taken[kind][-1], file=sys.stderr)
    rows = [
        {"recorded": recorded, "precision": precision, "trials": trials,
         "seconds": statistics.median(run["seconds"] for run in runs), "runs": runs}
        for (recorded, precision), runs in taken.items()
    ]  # fmt: skip
    return {"epochs": EPOCHS, "training": rows}


def graphs(trials: int) -> dict[str, Any]:
    """Return the milliseconds of encoder and decoder of mnist by batch and by way, and how far the GPU is off."""
    import onnxruntime as ort

    model = Path(__file__).resolve().parents[1] / "models/mnist"
    network = build("residual", ResidualConfig(), (1, 28, 28), 16).cuda().eval()
    rows, off = [], 0.0
    for part, shape in (("encoder", (1, 28, 28)), ("decoder", (16,))):
        sessions = {
            name: ort.InferenceSession(str(model / f"{part}.onnx"), providers=[provider])
            for name, provider in (("cpu", "CPUExecutionProvider"), ("cuda", "CUDAExecutionProvider"))
        }
        assert sessions["cuda"].get_providers()[0] == "CUDAExecutionProvider"
        for batch in BATCHES:
            given = np.random.default_rng(0).random((batch, *shape), np.float32)
            ways = _ways(sessions, getattr(network, part), given)
            off = max(off, float(np.abs(ways["cpu"]() - ways["cuda"]()).max()))
            rows.append({"part": part, "batch": batch} | _milliseconds(ways, trials))
            print(rows[-1], file=sys.stderr)
    return {"onnxruntime": ort.__version__, "largest difference": off, "graphs": rows}


def _ways(sessions: dict[str, Any], network: torch.nn.Module, given: Any) -> dict[str, Callable[[], Any]]:
    """Return functions that compute a batch: with arrays in memory, with arrays bound on the GPU, and by torch."""
    import onnxruntime as ort

    name, out = sessions["cuda"].get_inputs()[0].name, sessions["cuda"].get_outputs()[0].name
    binding = sessions["cuda"].io_binding()
    binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(given, "cuda", 0))
    binding.bind_output(out, "cuda", 0)
    on_gpu = torch.from_numpy(given).cuda()

    def bound() -> None:
        sessions["cuda"].run_with_iobinding(binding)

    def by_torch() -> None:
        with torch.inference_mode():
            network(on_gpu)
        torch.cuda.synchronize()

    runs = {kind: partial(_run, session, name, given) for kind, session in sessions.items()}
    return runs | {"cuda, bound": bound, "torch": by_torch}


def _run(session: Any, name: str, given: Any) -> Any:
    return session.run(None, {name: given})[0]


def _milliseconds(ways: dict[str, Callable[[], Any]], trials: int) -> dict[str, float]:
    """Return the median milliseconds of each way, in turns, after three warm-ups."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for trial in range(trials + 3):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            if trial >= 3:
                taken[name].append(1000 * (time.perf_counter() - begun))
    return {name: round(statistics.median(values), 4) for name, values in taken.items()}


def main() -> None:
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = {"training": training, "graphs": graphs}[sys.argv[1]](trials)
    device = {"gpu": torch.cuda.get_device_name(), "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__}
    print(json.dumps(device | found, indent=1))


if __name__ == "__main__":
    main()
