"""Sessions: training runs started, resumed and brought to their end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aetool.errors import InvalidInput, UsageError
from aetool.system.atomic import run_lock
from aetool.system.limits import LIMITS, Limits
from aetool.system.processes import all_cores
from aetool.system.progress import Report
from aetool.training import run_folder
from aetool.training.config import TrainConfig
from aetool.training.data.named import DATASETS
from aetool.training.data.settings import check_config
from aetool.training.loop import Trainer, torch_device

Session = Iterator[tuple[Trainer, list[str]]]
"""A trainer with its locked run folder, and warnings: skipped files, or damage."""


def train(
    data: str | Path = "digits",
    config: TrainConfig | None = None,
    *,
    resume: str | Path | None = None,
    progress: Report = lambda *_: None,
) -> Path:
    """Train an autoencoder to the end and return its run folder.

    `data` is the name of a data set, a folder of images, or an idx or .npz file; `config` holds the settings, by
    default those of `aetool train`. `resume` goes on with a run instead. `progress` is called with the stage, the
    amount done, the whole amount or None, and a text. An interrupted run can be resumed from its last checkpoint.
    Raises `UsageError`, `InvalidInput`, `ReadWriteError`, `RunInUse`.
    """
    if resume is not None:
        session = resume_run(str(resume), progress)
    else:
        session = open_run(replace(config or TrainConfig(threads=all_cores()), dataset=str(data)), progress)
    with session as (trainer, _):
        for report in trainer.reports():
            text = f"epoch {report.epoch} of {report.epochs}  mse {report.train_mse:.5f}  PCA {trainer.floor:.5f}"
            progress("training", report.step, report.steps, text)
    return trainer.run


@contextlib.contextmanager
def open_run(config: TrainConfig, report: Report, limits: Limits = LIMITS) -> Session:
    """Give the trainer of a new run; the run folder is removed if nothing was trained."""
    torch_device(config.device)  # before anything is read or made
    check_config(config)
    config = _located(config)
    data = run_folder.load_dataset(config, report, limits)
    run = run_folder.create(config, data.name, data.sha256)
    with run_lock(run):
        try:
            yield Trainer(config, data, run), [f"{skip.path} is skipped: {skip.error}" for skip in data.skipped]
        except BaseException:
            run_folder.remove_unbegun(run)
            raise


@contextlib.contextmanager
def resume_run(name: str | None, report: Report, limits: Limits = LIMITS) -> Session:
    """Give the trainer of the run `name`, or the newest, at its newest good checkpoint."""
    run = run_folder.find(name)
    with run_lock(run):
        config, sha256 = run_folder.read_config(run)
        data = run_folder.load_dataset(config, report, limits)
        if data.sha256 != sha256:
            raise InvalidInput(f"the data set {config.dataset} is no longer what {run} began with; start a new run")
        trainer = Trainer(config, data, run)
        warnings = trainer.resume()
        if trainer.finished:
            raise UsageError(f"{run} is finished; next: aetool export {run}")
        yield trainer, warnings


def _located(config: TrainConfig) -> TrainConfig:
    """Return the configuration with absolute paths of files and folders."""
    name, folder = config.dataset, config.data_dir
    if name not in DATASETS and Path(name).exists():
        name = str(Path(name).resolve())
    return replace(config, dataset=name, data_dir=folder and str(Path(folder).resolve()))
