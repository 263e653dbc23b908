"""A training at work, for the command line: beginning, progress, end by a signal or another process, result."""

from __future__ import annotations

import shlex
import signal
from typing import TYPE_CHECKING

from aetool.cli.console import Console
from aetool.cli.process import error_of, first_signal
from aetool.cli.training import plan, result, weakness
from aetool.errors import ProcessEnded

if TYPE_CHECKING:
    from aetool.training.config import TrainConfig
    from aetool.training.data.dataset import Dataset
    from aetool.training.loop import Report, Trainer


def introduce(trainer: Trainer, warnings: list[str], console: Console) -> None:
    """Print the warnings, and where training stands."""
    from aetool.training.summary import classes, division

    for warning in warnings:
        console.warn(warning)
    if trainer.progress.step:
        console.note(f"{trainer.run}: going on at step {trainer.progress.step} of {trainer.steps}")
        return
    data = trainer.dataset
    console.note(plan(trainer))
    console.note(f"{trainer.run}: {division(data)}")
    console.note(f"see how it goes in a browser: {trainer.run / 'report.html'}")
    if not len(data.test.labels):
        console.warn("every class has a single image, and none is held out: there is no test mse, and no score")
    if data.classes:
        console.note(classes(data))
    _warn_of_blank(data, trainer.config, console)


def _warn_of_blank(data: Dataset, config: TrainConfig, console: Console) -> None:
    """Warn where all images are equal once prepared, or at least half of them blank."""
    from aetool.training.data.alike import all_equal, count_blank
    from aetool.training.data.settings import of_pictures

    n, blank = len(data.train.pixels) + len(data.test.pixels), count_blank(data)
    fix = f"; dark drawings on transparency need a --background other than {data.spec.background}, as 255"
    fix = fix if of_pictures(config.dataset) and config.background is not None and data.spec.background < 255 else ""
    if all_equal(data):
        console.warn(f"all {n:,} images are equal once prepared, so there is nothing to learn{fix}")
    elif blank * 2 >= n:
        console.warn(f"{blank:,} of {n:,} images have one colour everywhere once prepared{fix}")


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
    from aetool.training.report.following import followed

    with console.progress("training", trainer.steps) as advance:
        for report in followed(trainer, console.warn):
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
