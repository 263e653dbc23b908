"""Starting, resuming and watching training runs: progress, signals, and what is said at the end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aetool.cli.report import Talk

if TYPE_CHECKING:
    from pathlib import Path

    from aetool.training.config import TrainConfig
    from aetool.training.loop import Trainer


def start(config: TrainConfig, talk: Talk) -> Path:
    """Train a new run to its end; returns its folder."""
    from aetool.cli.loading import show_loading
    from aetool.system.atomic import run_lock
    from aetool.training import run_folder
    from aetool.training.loop import Trainer, torch_device

    torch_device(config.device)  # before anything is read or made
    with show_loading(talk) as report:
        data = run_folder.load_dataset(config, report)
    for failure in data.skipped:
        talk.warn(f"{failure.path} is skipped: {failure.error}")
    run = run_folder.create(config, data.name, data.sha256)
    with run_lock(run):
        talk.note(f"{run}: {len(data.train.pixels)} images of {' x '.join(map(str, data.spec.shape))}, "
                  f"{len(data.test.pixels)} apart for testing")  # fmt: skip
        try:
            _train(Trainer(config, data, run), talk)
        except BaseException:
            run_folder.remove_unbegun(run)
            raise
    return run


def resume(name: str | None, talk: Talk) -> Path:
    """Go on with the run `name`, or the newest, to its end; returns its folder."""
    from aetool.system.atomic import run_lock
    from aetool.training import run_folder

    run = run_folder.find(name)
    with run_lock(run):
        _train(_resumed(run, talk), talk)
    return run


def _resumed(run: Path, talk: Talk) -> Trainer:
    """Return the trainer of a run, as far as its newest good checkpoint; says what was damaged."""
    from aetool.cli.loading import show_loading
    from aetool.errors import InvalidInput, UsageError
    from aetool.training import run_folder
    from aetool.training.loop import Trainer

    config, sha256 = run_folder.read_config(run)
    with show_loading(talk) as report:
        data = run_folder.load_dataset(config, report)
    if data.sha256 != sha256:
        raise InvalidInput(f"the data set {config.dataset} is no longer what {run} began with; start a new run")
    trainer = Trainer(config, data, run)
    for warning in trainer.resume():
        talk.warn(warning)
    if trainer.finished:
        raise UsageError(f"{run} is finished; next: aetool export {run}")
    talk.note(f"{run}: going on at step {trainer.progress.step} of {trainer.steps}")
    return trainer


def _train(trainer: Trainer, talk: Talk) -> None:
    """Train to the end, or until a signal: then save, and end as the signal asks."""
    from aetool.cli.app import Terminated

    with _first_signal() as signals, talk.progress("training", trainer.steps) as advance:
        for report in trainer.reports():
            text = f"epoch {report.epoch} of {report.epochs}  mse {report.train_mse:.5f}"
            advance(report.step, f"{text}  PCA {trainer.floor:.5f}")
            due = report.test_mse is not None and report.epoch % max(1, report.epochs // 20) == 0
            if due and not talk.shows_progress:
                talk.note(f"{text}  test {report.test_mse:.5f}  PCA {trainer.floor:.5f}")
            if signals and not trainer.finished:
                trainer.save()
                break
    if not trainer.finished:
        talk.note(f"stopped at step {trainer.progress.step}, saved; go on with: aetool train --resume {trainer.run}")
        raise KeyboardInterrupt if signals[0] == signal.SIGINT else Terminated
    last = trainer.progress.history[-1]
    talk.note(f"test mse {last['test_mse']:.5f}, PCA with as many numbers {last['pca_mse']:.5f}, "
              f"{last['seconds']:.0f} s; next: aetool export {trainer.run}")  # fmt: skip


@contextlib.contextmanager
def _first_signal() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM instead of ending, so that a step is never torn; a second one ends at once."""
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
