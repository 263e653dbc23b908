"""Sentences about a training run: what is to be done, and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aetool.training.loop import Trainer

LITTLE = 1.05
"""A network that is not this many times better than PCA comes with a warning."""


def plan(trainer: Trainer) -> str:
    """Return images, latent size, expected time and the distortion of PCA, before training."""
    from aetool.bundle.card import figure
    from aetool.training.summary import colours, duration

    data, spec = trainer.dataset, trainer.dataset.spec
    first = trainer.progress.history[0]
    floor = first["pca_mse"] if first["pca_mse"] is not None else first.get("validation_pca_mse")
    images = (
        f"{sum(len(split.labels) for split in data.splits):,} images of {spec.height} x {spec.width} {colours(spec)}"
    )
    size = f"{trainer.config.k} {'number' if trainer.config.k == 1 else 'numbers'} a latent"
    begin = beginning(trainer, first)
    return f"{images}, {size}, about {duration(trainer.expected)} here; PCA reaches {figure(floor)}{begin}"


def beginning(trainer: Trainer, first: dict[str, Any]) -> str:
    """Return how far above PCA a network begins that starts as PCA, of smaller images, or with the weights of a run."""
    from aetool.training.summary import ratio

    better = ratio(first)
    if not trainer.network.starts_from_pca or better is None or better > 0.995:
        return ""
    why = "of a run" if trainer.config.start else "of PCA of images averaged down, as these are large,"
    return f", the start {why} {1 / better:.2f} times that"


def result(trainer: Trainer) -> str:
    """Return the distortions of the best network beside those of PCA, how many times better it is, and the time."""
    from aetool.bundle.card import figure
    from aetool.training.summary import best_entry, ratio

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
    from aetool.training.summary import best_entry, ratio

    better = ratio(best_entry(trainer))
    if better and better < LITTLE:
        more = f"aetool train --more-epochs {trainer.epochs} {shlex.quote(str(trainer.run))}"
        yield f"this is {better:.2f} times as good as PCA: more images help most, then more steps, as with {more}"
