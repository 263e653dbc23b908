"""Sentences about a training run: what is to be done, and what came out."""

from __future__ import annotations

import itertools
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aetool.errors import some

if TYPE_CHECKING:
    from aetool.training.data.dataset import Dataset
    from aetool.training.loop import Trainer

ROUNDING = 1.3e-6
"""The mse of rounding to 8 bits, about 1 / (12 * 255^2): no ratio to a smaller distortion is meaningful."""
LITTLE = 1.05
"""A network that is not this many times better than PCA comes with a warning."""


def plan(trainer: Trainer) -> str:
    """Return images, latent size, expected time and the distortion of PCA, before training."""
    from aetool.bundle.card import figure

    data, spec = trainer.dataset, trainer.dataset.spec
    kind = {1: "in grey", 3: "in colour"}.get(spec.channels, f"of {spec.channels} channels")
    first = trainer.progress.history[0]
    floor = first["pca_mse"] if first["pca_mse"] is not None else first.get("validation_pca_mse")
    images = f"{sum(len(split.labels) for split in data.splits):,} images of {spec.height} x {spec.width} {kind}"
    size = f"{trainer.config.k} {'number' if trainer.config.k == 1 else 'numbers'} a latent"
    begin = beginning(trainer, first)
    return f"{images}, {size}, about {duration(trainer.expected)} here; PCA reaches {figure(floor)}{begin}"


def beginning(trainer: Trainer, first: dict[str, Any]) -> str:
    """Return how far above PCA a network begins that starts as PCA, of smaller images, or with the weights of a run."""
    better = ratio(first)
    if not trainer.network.starts_from_pca or better is None or better > 0.995:
        return ""
    why = "of a run" if trainer.config.start else "of PCA of images averaged down, as these are large,"
    return f", the start {why} {1 / better:.2f} times that"


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


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


def result(trainer: Trainer) -> str:
    """Return the distortions of the best network beside those of PCA, how many times better it is, and the time."""
    from aetool.bundle.card import figure

    entry = best_entry(trainer)
    pairs = [f"test mse {figure(entry['test_mse'])}, PCA {figure(entry['pca_mse'])}"]
    if "validation_mse" in entry:
        pairs.append(f"validation {figure(entry['validation_mse'])}, PCA {figure(entry['validation_pca_mse'])}")
    better = ratio(entry)
    times = f": {better:.2f} times better than PCA" if better and better >= 1 else ""
    early = f", ended early at step {trainer.progress.step:,} of {trainer.steps:,}"
    ended = early if trainer.progress.step < trainer.steps else ""
    return f"{'; '.join(pairs)}{times}, {trainer.progress.seconds:.0f} s{ended}"


def weakness(trainer: Trainer) -> Iterator[str]:
    """Yield a warning with a next step where the network is hardly better than PCA."""
    better = ratio(best_entry(trainer))
    if better and better < LITTLE:
        more = f"aetool train --more-epochs {trainer.epochs} {shlex.quote(str(trainer.run))}"
        yield f"this is {better:.2f} times as good as PCA: more images help most, then more steps, as with {more}"


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
