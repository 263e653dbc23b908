"""What `aetool train mnist --arch conv --epochs 1 --precision NAME` does, looked at as the others are.

python train_aetool.py TARGET THREADS SECONDS NAME
"""

from __future__ import annotations

import sys
from pathlib import Path

from train_loop import until

from aetool.training import loop
from aetool.training.architectures.options import ConvConfig
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import load
from aetool.training.distortion import test_mse

target, threads, limit, precision = sys.argv[1:]
loop.REPORT_EVERY = 0.0  # after every step
dataset = load("mnist", 0)
config = TrainConfig(
    dataset="mnist",
    architecture="conv",
    options=ConvConfig(),
    epochs=1,
    precision=precision,
    threads=int(threads),
    device="cpu",
)
trainer = loop.Trainer(config, dataset, Path("run"))
trainer.begin()  # PCA is no step
until(
    trainer.reports(),
    lambda: test_mse(trainer.network, dataset.test.pixels),
    float(target),
    float(limit),
)
