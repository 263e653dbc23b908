"""A training in words and figures: its images and classes, its best network, how much better than PCA that is."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from aetool.errors import some
from aetool.images.spec import ImageSpec

if TYPE_CHECKING:
    from aetool.training.data.dataset import Dataset
    from aetool.training.loop import Trainer

ROUNDING = 1.3e-6
"""The mse of rounding to 8 bits, about 1 / (12 * 255^2): no ratio to a smaller distortion is meaningful."""


def best_entry(trainer: Trainer) -> dict[str, Any]:
    """Return the line of the log of the best network, or of the last one where none was chosen."""
    history, best = trainer.progress.history, trainer.progress.best_step
    chosen = [entry for entry in history if trainer.config.chooses and entry["step"] == best]
    return (chosen or list(history))[-1]


def ratio(entry: dict[str, Any]) -> float | None:
    """Return how many times better than PCA a network is on test images, else on validation images."""
    pairs = ((entry["test_mse"], entry["pca_mse"]), (entry.get("validation_mse"), entry.get("validation_pca_mse")))
    known = [(mse, floor) for mse, floor in pairs if mse is not None and floor is not None]
    if not known or min(known[0]) < ROUNDING:
        return None
    return float(known[0][1] / known[0][0])


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def colours(spec: ImageSpec) -> str:
    """Return the channels of images in words."""
    return {1: "in grey", 3: "in colour"}.get(spec.channels, f"of {spec.channels} channels")


def division(data: Dataset) -> str:
    """Return how many images are for training, with their shape (c, h, w), and how many are apart, and what for."""
    shape, tests = " x ".join(map(str, data.spec.shape)), len(data.test.labels)
    apart = f"{len(data.train.labels):,} images of {shape}, {tests:,} apart for testing"
    if data.validation:
        return f"{apart}, {data.validation_count:,} to choose the best network"
    return f"{apart}; they also choose the best network, as there are few images" if tests else apart


def classes(data: Dataset) -> str:
    """Return the classes with the numbers of their images, a long list cut."""
    counts = Counter(itertools.chain.from_iterable(split.labels.tolist() for split in data.splits))
    named = some(f"{name} {counts[i]:,}" for i, name in enumerate(data.classes))
    none = f"; {counts[-1]:,} images of none" if counts[-1] else ""
    return f"{len(data.classes):,} {'class' if len(data.classes) == 1 else 'classes'}: {named}{none}"
