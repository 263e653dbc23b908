"""Settings chosen by the data: those that a user leaves out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from aetool.training.config import BATCH_SIZE, FIXED, LEARNING_RATE, TrainConfig
from aetool.training.pca import Pca

COMPONENTS = 128
"""Components of PCA that are always computed, so that the start does not depend on how the latent size was chosen."""
LATENT_SIZES = (16, 32, 64, 128)
LEFT = 0.05
"""Share of the variance that PCA may leave with the chosen latent size."""
STEPS = 3000
"""Steps of a training on images of the user, at most."""
STEP_PIXELS = 64 * 128 * 128
"""Most pixels a step, which bound the memory of training: 16 images of 256 x 256."""
FEWEST = 8
"""Fewest images a step that the batch normalisation compares."""
SHIFT = 1 / 16
"""Largest random move of a picture, as a share of its shorter side; see `shifting` for smaller ones."""


def settled(config: TrainConfig, images: int, sides: tuple[int, int], pca: Pca, own: bool) -> TrainConfig:
    """Return the configuration with every setting chosen that was left out.

    Named data sets have fixed settings, and keep `epochs` None; `own` is whether the images are the user's. `images` is
    the number of training images, `sides` their height and width; `pca` has at least `COMPONENTS` components, if there
    are as many.
    """
    if not own:
        return filled(config, FIXED)
    batch = config.batch_size or _batch_size(images, sides)
    per_epoch = images // min(batch, images)
    epochs = config.epochs or math.ceil(STEPS / per_epoch)
    return filled(
        config,
        {
            "latent_size": _latent_size(pca, images),
            "batch_size": batch,
            "epochs": epochs,
            "lr": _learning_rate(batch),
            "shift": round(min(sides) * SHIFT),
            "patience": epochs * per_epoch // 4,
        },
    )


def filled(config: TrainConfig, chosen: dict[str, Any]) -> TrainConfig:
    """Return the configuration with the chosen values for the settings that have none."""
    return replace(config, **{name: value for name, value in chosen.items() if getattr(config, name) is None})


def _latent_size(pca: Pca, images: int) -> int:
    """Return the smallest of the latent sizes with which PCA leaves little, at most a quarter of the images."""
    for size in LATENT_SIZES:
        if pca.total - pca.variances[:size].sum() < LEFT * pca.total:
            break
    return max(1, min(size, images // 4))


def _batch_size(images: int, sides: tuple[int, int]) -> int:
    """Return the images a step: few of a small data set, so that an epoch has some steps, and few large ones."""
    by_count = next((batch for batch, least in ((64, 1000), (32, 200)) if images >= least), 16)
    return max(FEWEST, min(by_count, STEP_PIXELS // (sides[0] * sides[1])))


def _learning_rate(batch: int) -> float:
    """Return the peak of the learning rate, by the square root of the images a step."""
    return float(f"{LEARNING_RATE * math.sqrt(batch / BATCH_SIZE):.1g}")
