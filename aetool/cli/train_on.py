"""A training at work, for the command line: its progress, its end by a signal or by another process, its result."""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING

from aetool.cli.console import Console
from aetool.cli.process import error_of, first_signal
from aetool.cli.training import result, weakness
from aetool.errors import ProcessEnded

if TYPE_CHECKING:
    from aetool.training.loop import Report, Trainer


def train_on(trainer: Trainer, console: Console) -> None:
    """Train to the end, or until a signal or the end of another process: then save, and end as the signal asks."""
    saved = "saved; " if trainer.ranks.leads else ""
    go_on = f"{saved}go on with: aetool train --resume {shlex.quote(str(trainer.run))}"
    with first_signal() as signals:
        try:
            _follow(trainer, console, signals)
        except ProcessEnded as error:
            if signal.SIGINT not in signals:  # torchrun sends SIGTERM where a process ended
                raise ProcessEnded(f"{error}; stopped at step {trainer.progress.step}, {go_on}") from error
    if signals and not trainer.finished:
        console.note(f"stopped at step {trainer.progress.step}, {go_on}")
        raise error_of(signals[0])


def _follow(trainer: Trainer, console: Console, signals: list[int]) -> None:
    """Train and tell how far it is, to the end or until there is a signal: then save."""
    from aetool.bundle.card import figure

    with console.progress("training", trainer.steps) as advance:
        for report in trainer.reports():
            text = f"epoch {report.epoch} of {report.epochs}  mse {report.train_mse:.5f}"
            advance(report.step, f"{text}  PCA {figure(trainer.floors['pca_mse'])}")
            if report.entry and _due(report) and not console.shows_progress:
                test, floor = report.entry["test_mse"], report.entry["pca_mse"]
                console.note(f"{text}  test {figure(test)}  PCA {figure(floor)}")
            if signals and not trainer.finished:
                trainer.save()
                break


def conclude(trainer: Trainer, console: Console) -> None:
    """Say what came out, and what to do next."""
    for line in weakness(trainer):
        console.warn(line)
    console.note(f"{result(trainer)}; next: aetool export {shlex.quote(str(trainer.run))}")


def _due(report: Report) -> bool:
    """Return whether a report ends one of about twenty printed epochs."""
    return report.epoch % max(1, report.epochs // 20) == 0
