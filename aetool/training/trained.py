"""The trained network of a run, for export."""

from __future__ import annotations

from pathlib import Path

import torch

from aetool.errors import BundleError
from aetool.images.spec import ImageSpec
from aetool.training import checkpoint
from aetool.training.architectures.autoencoder import Autoencoder, build
from aetool.training.config import TrainConfig


def trained_network(
    config: TrainConfig, spec: ImageSpec, run: Path
) -> tuple[Autoencoder, checkpoint.Progress, list[str]]:
    """Return the best network of a run, its progress, and the damage of newer checkpoints.

    The best network is that of the least validation distortion so far; in runs of older versions that of the newest
    checkpoint. Raises `BundleError` without a checkpoint.
    """
    loaded = checkpoint.load_newest(run / "checkpoints")
    if loaded is None or not loaded.progress.step:
        raise BundleError(f"{run} has no checkpoint yet", fix="unfinished")
    network = build(config.architecture, config.options, spec.shape, config.k)
    with checkpoint.fitting(run):
        network.load_state_dict(loaded.part("best.") or loaded.part("network."))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval(), loaded.progress, loaded.warnings
