"""A training run on the command line: what is to be done, how it goes, and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aetool.cli.process import error_of, first_signal

if TYPE_CHECKING:
    from aetool.cli.console import Console
    from aetool.training.loop import Report, Trainer

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


def follow(trainer: Trainer, console: Console) -> None:
    """Train to the end, or until a signal: then save, and end as the signal asks."""
    from aetool.bundle.card import figure
    from aetool.training.report.following import followed

    with first_signal() as signals, console.progress("training", trainer.steps) as advance:
        for report in followed(trainer, console.warn):
            text = f"epoch {report.epoch} of {report.epochs}  mse {report.train_mse:.5f}"
            advance(report.step, f"{text}  PCA {figure(trainer.floors['pca_mse'])}")
            if report.entry and _due(report) and not console.shows_progress:
                test, floor = report.entry["test_mse"], report.entry["pca_mse"]
                console.note(f"{text}  test {figure(test)}  PCA {figure(floor)}")
            if signals and not trainer.finished:
                trainer.save()
                break
    if not trainer.finished:
        go_on = f"go on with: aetool train --resume {shlex.quote(str(trainer.run))}"
        console.note(f"stopped at step {trainer.progress.step}, saved; {go_on}")
        raise error_of(signals[0])
    for line in weakness(trainer):
        console.warn(line)
    console.note(f"{result(trainer)}; next: aetool export {shlex.quote(str(trainer.run))}")


def _due(report: Report) -> bool:
    """Return whether a report ends one of about twenty printed epochs."""
    return report.epoch % max(1, report.epochs // 20) == 0
