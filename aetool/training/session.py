"""Sessions: training runs started, resumed and brought to their end."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from aetool.bundle.card import figure
from aetool.errors import InvalidInput, UsageError
from aetool.system.atomic import run_lock
from aetool.system.limits import LIMITS, Limits
from aetool.system.processes import all_cores
from aetool.system.progress import Report
from aetool.training import pca, record, run_folder
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, load
from aetool.training.data.folder import FolderOptions
from aetool.training.data.listed import common_folder
from aetool.training.data.named import DATASETS
from aetool.training.data.settings import check_config, of_pictures
from aetool.training.defaults import COMPONENTS, settled
from aetool.training.loop import Trainer
from aetool.training.pca import Pca
from aetool.training.ranks import ALONE, Ranks, joined
from aetool.training.recovery import Recovered, Rows, recover
from aetool.training.report.following import followed
from aetool.training.shifting import followed_shift
from aetool.training.start import first_weights, started

Session = Iterator[tuple[Trainer, list[str]]]
"""A trainer with its locked run folder, and warnings, on damage."""


def train(
    data: str | Path | Iterable[str | Path] | None = None,
    config: TrainConfig | None = None,
    *,
    resume: str | Path | None = None,
    more_epochs: int | None = None,
    name: str | None = None,
    progress: Report = lambda *_: None,
) -> Path:
    """Train an autoencoder to the end and return its run folder.

    `data` is the name of a data set, by default digits, a folder of images, an idx or .npz file, or several pictures
    and folders; `config` holds the settings, by default those of `aetool train`. `resume` goes on with a run instead,
    with its images at `data` if these were moved; with `more_epochs` it goes on with a finished run for so many epochs.
    `name` is that of the run folder in ./runs, by default the name of the data set, with a number if need be.
    `progress` is called with the stage, the amount done, the whole amount or None, and a text. An interrupted run can
    be resumed from its last checkpoint. Of the processes that torchrun starts one reports, and all return the folder.
    Raises `UsageError`, `InvalidInput`, `ReadWriteError`, `RunInUse`, `ProcessEnded`.
    """
    if more_epochs is not None and resume is None:
        raise UsageError("more epochs are those of a finished run; name it with resume")
    if resume is not None and (config is not None or name is not None):
        raise UsageError("a resumed run keeps its settings and its name; leave the configuration and the name out")
    with joined() as ranks:
        place = None if data is None or resume is None else str(data)
        if not ranks.leads:
            return follow(ranks, place=place)
        if resume is not None:
            session = resume_run(str(resume), progress, place=place, more_epochs=more_epochs, ranks=ranks)
        else:
            config, files = config or TrainConfig(threads=all_cores()), None
            if data is None or isinstance(data, str | Path):
                config = replace(config, dataset=str(data or "digits"))
            else:
                files = [str(name) for name in data]
            session = open_run(config, progress, files=files, name=name, ranks=ranks)
        with session as (trainer, notes):
            _warn(trainer, notes)
            _report(trainer, progress)
    return trainer.run


def _report(trainer: Trainer, progress: Report) -> None:
    """Train to the end, and report each step that is told."""
    for report in followed(trainer, lambda text: warnings.warn(text, stacklevel=4)):
        floor = figure(trainer.floors["pca_mse"])
        text = f"epoch {report.epoch} of {report.epochs}  mse {report.train_mse:.5f}  PCA {floor}"
        progress("training", report.step, report.steps, text)


def _warn(trainer: Trainer, notes: list[str]) -> None:
    """Warn of what the command line says on stderr: notes, and files that were left out."""
    left_out = trainer.dataset.left_out
    files = [f"{left_out:,} {'file' if left_out == 1 else 'files'} left out"] if left_out else []
    for note in (*notes, *files):
        warnings.warn(note, stacklevel=3)


@contextlib.contextmanager
def open_run(
    config: TrainConfig,
    report: Report,
    limits: Limits = LIMITS,
    files: Iterable[str] | None = None,
    name: str | None = None,
    ranks: Ranks = ALONE,
) -> Session:
    """Give the trainer of a new run, on the data set of the configuration or on the pictures named by `files`.

    The run folder is called `name`, by default as the data set, and is removed if nothing was trained. Unusable files
    are those of the trainer's data set.
    """
    ranks.device(config.device)  # before anything is read or made
    config = replace(config, ranks=None if ranks.alone else ranks.world)
    if name is not None:
        run_folder.check_name(name)
    listed = None
    if files is not None:
        folder, listed = common_folder(files)
        config = replace(config, dataset=folder, files_from=config.files_from or "-")
    config = started(config, of_pictures(config.dataset))
    check_config(config)
    config = _located(config)
    options = FolderOptions(config.channels, config.size, config.background, layout=config.layout)
    data = load(
        config.dataset, config.seed, config.data_dir, report, options, config.threads, limits, listed, choosing=True
    )
    first = first_weights(config, data)
    config, found = _settled(config, data, report)
    run = run_folder.create(config, data, listed, limits, name, first)
    with run_lock(run):
        try:
            trainer = Trainer(config, data, run, found, ranks)
            _gather(trainer, np.arange(len(data.train.labels)))
            trainer.begin()
            yield trainer, []
        except BaseException:
            run_folder.remove_unbegun(run)
            raise


def _settled(config: TrainConfig, data: Dataset, report: Report) -> tuple[TrainConfig, Pca]:
    """Return the configuration with all settings chosen, and the PCA that these choices and the start need."""
    report("finding the principal components", 0, None, "")
    torch.set_num_threads(config.threads)
    found = pca.fit(data.train.pixels, max(config.latent_size or 0, COMPONENTS), config.seed)
    own = config.dataset not in DATASETS or config.files_from is not None
    chosen = settled(config, len(data.train.labels), data.spec.shape[1:], found, own)
    if own and config.shift is None:
        shift = followed_shift(data, found.first(chosen.k), chosen.shift or 0, config.seed)
        chosen = replace(chosen, shift=shift)
    return chosen, found


@contextlib.contextmanager
def resume_run(
    name: str | None,
    report: Report,
    limits: Limits = LIMITS,
    place: str | None = None,
    more_epochs: int | None = None,
    ranks: Ranks = ALONE,
) -> Session:
    """Give the trainer of the run `name`, or the newest, at its newest good checkpoint.

    Its images are looked for at `place`, by default where they were, as `recover` does. A finished run goes on for
    `more_epochs`, and only a finished one. Other processes than before have the threads of a new run.
    """
    if more_epochs is not None and more_epochs < 1:
        raise UsageError(f"a run goes on for at least 1 epoch, not {more_epochs}")
    run = run_folder.find(name)
    with run_lock(run):
        known = record.read_record(run)
        recovered = recover(run, known, place, report, limits)
        data = recovered.filled()
        trainer = Trainer(_regrouped(known.config, ranks), data, run, ranks=ranks)
        warnings = [*recovered.notes, *_changes(recovered), *trainer.resume()]
        if more_epochs is not None:
            _extend(trainer, more_epochs)
        elif trainer.finished:
            raise UsageError(f"{run} is finished; next: aetool export {shlex.quote(str(run))}", fix="more-epochs")
        _gather(trainer, recovered.rows)
        trainer.begin()
        yield trainer, warnings


def _regrouped(config: TrainConfig, ranks: Ranks) -> TrainConfig:
    """Return the configuration of a run for these ranks: where they are others than before, with threads as here."""
    if ranks.world == (config.ranks or 1):
        return config
    return replace(config, ranks=None if ranks.alone else ranks.world, threads=all_cores())


def _gather(trainer: Trainer, rows: Rows) -> None:
    """Let the other ranks of a training come to the run, where `rows` are the training images that were found."""
    trainer.ranks.told([str(trainer.run), _mark(rows), trainer.progress.step])
    trainer.ranks.meet()


def _mark(rows: Rows) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


@contextlib.contextmanager
def join_run(ranks: Ranks, limits: Limits = LIMITS, place: str | None = None) -> Iterator[Trainer]:
    """Give the trainer of a rank that follows: of the run that rank 0 has made or found, with the same images.

    The images are read from the cache that rank 0 has filled. Raises `InvalidInput` for other images or another
    checkpoint, and the errors of `recover`.
    """
    folder, rows, step = ranks.told(None)
    run = Path(folder)
    known = record.read_record(run)
    recovered = recover(run, known, place, lambda *_: None, limits)
    trainer = Trainer(_regrouped(known.config, ranks), recovered.filled(), run, ranks=ranks)
    trainer.resume()
    if (_mark(recovered.rows), trainer.progress.step) != (rows, step):
        raise InvalidInput(f"the images or checkpoints of {run} are not those of process 1", fix="same-folders")
    ranks.meet()
    trainer.begin()
    yield trainer


def follow(ranks: Ranks, limits: Limits = LIMITS, place: str | None = None) -> Path:
    """Train to the end as a rank that follows, and return the run folder."""
    with join_run(ranks, limits, place) as trainer:
        for _ in trainer.reports():
            pass
    return trainer.run


def _extend(trainer: Trainer, epochs: int) -> None:
    """Let a finished run go on for another cycle of `epochs` epochs; raises `UsageError` for an unfinished one."""
    if not trainer.finished:
        done = f"stopped at step {trainer.progress.step} of {trainer.last_step}"
        raise UsageError(f"{trainer.run} is unfinished, {done}", fix="unfinished")
    record.extend(trainer.run, epochs)
    trainer.config = replace(trainer.config, more=(*trainer.config.more, epochs))


def _changes(recovered: Recovered) -> Iterator[str]:
    """Yield what missing images change for a resumed run."""
    if recovered.dataset.validation_count < recovered.planned[2]:
        yield "fewer validation images choose: the chosen network may not be that of an uninterrupted run"
    if len(recovered.rows) < recovered.planned[0]:
        yield "others take the places of the missing images: the weights will not be those of an uninterrupted run"


def _located(config: TrainConfig) -> TrainConfig:
    """Return the configuration with absolute paths of files and folders."""
    name, folder = config.dataset, config.data_dir
    if name not in DATASETS and Path(name).exists():
        name = str(Path(name).resolve())
    return replace(config, dataset=name, data_dir=folder and str(Path(folder).resolve()))
