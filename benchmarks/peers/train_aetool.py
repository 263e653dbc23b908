"""What `aetool train mnist --epochs 1 --precision NAME` does, looked at as the others are.

python train_aetool.py TARGET THREADS SECONDS NAME
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from train_loop import until

from aetool import datasets
from aetool.training import evaluate, loop
from aetool.training.config import TrainConfig

target, threads, limit, precision = sys.argv[1:]
loop.REPORT_EVERY = 0.0  # after every step
dataset = datasets.load("mnist", 0)
config = TrainConfig(dataset="mnist", epochs=1, precision=precision, threads=int(threads), device="cpu")
trainer = loop.Trainer(config, dataset, Path("run"))
trainer._pca_floor = lambda: math.nan  # which is no step
until(
    trainer.reports(),
    lambda: evaluate.test_mse(trainer.network, dataset.test.pixels),
    float(target),
    float(limit),
)
