"""`aetool train`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.cli import params
from aetool.cli.report import Talk
from aetool.cli.sinks import write_stdout

if TYPE_CHECKING:
    from pathlib import Path

    from aetool.training.config import TrainConfig
    from aetool.training.loop import Trainer


Dataset = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATASET]",
        help="digits (built in), mnist, fashion-mnist, a folder of images (sub-folders are classes), or an idx or .npz "
        "file; with --resume a run. Default: digits.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of a run. Default: the newest.")]
Architecture = Annotated[str | None, typer.Option("--arch", metavar="NAME", help="Architecture. Default: conv.")]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Option of the architecture, as widths=32,64 or depth=1; may be repeated."
    ),
]
LatentSize = Annotated[int | None, typer.Option("--latent-dim", metavar="K", help="Numbers in a latent. Default: 16.")]
Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", help="Default: 2,500 steps, at least 10 epochs.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Images a step. Default: 128.")]
LearningRate = Annotated[float | None, typer.Option("--lr", metavar="X", help="Peak learning rate. Default: 0.01.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="For weights, order and split. Default: 0.")]
TrainDevice = Annotated[str | None, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda. Default: auto.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="Default: one a core. The last bits of the weights depend on it."),
]
Shift = Annotated[
    int | None,
    typer.Option(
        "--shift", metavar="N", help="Move images at random by up to N pixels: against overfitting. Default: 0."
    ),
]
Channels = Annotated[
    int | None, typer.Option("--channels", metavar="N", help="1 grey, 3 colour. Default: grey if all files are.")
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="N or HxW",
        help="Pixels a side of a folder's images. Default: as they are, if all agree and are at most 128, else 64.",
    ),
]
Background = Annotated[
    int | None,
    typer.Option("--background", metavar="N", help="Grey level behind transparent pixels. Default: 0, black."),
]
DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where named data sets lie. Default: $AETOOL_DATA, then the cache, then a download.",
    ),
]


def train(
    dataset: Dataset = None,
    resume: Resume = False,
    architecture: Architecture = None,
    settings: Options = None,
    latent_size: LatentSize = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    shift: Shift = None,
    channels: Channels = None,
    size: Size = None,
    background: Background = None,
    seed: Seed = None,
    device: TrainDevice = None,
    threads: Threads = None,
    data_dir: DataDir = None,
    quiet: params.Quiet = False,
) -> None:
    """Train an autoencoder.

    Prints the run folder. Ctrl-C saves a checkpoint first; --resume goes on to the same weights.
    """
    talk = Talk(quiet)
    given: dict[str, Any] = {
        "architecture": architecture, "latent_size": latent_size, "epochs": epochs, "batch_size": batch_size, "lr": lr,
        "shift": shift, "channels": channels, "size": _sides(size), "background": background, "seed": seed,
        "device": device, "threads": threads, "data_dir": data_dir,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    if resume:
        _refuse_settings(given, settings)
        run = _resume(dataset, talk)
    else:
        run = _start(_config(dataset, settings or [], given), talk)
    write_stdout(f"{run}\n")


def _sides(size: str | None) -> tuple[int, int] | None:
    """Return (height, width) of «64» or «48x64»."""
    from aetool.errors import UsageError

    if size is None:
        return None
    sides = size.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise UsageError(f"--size takes pixels a side, as 64, or height and width, as 48x64, not «{size}»")
    return int(sides[0]), int(sides[-1])


def _refuse_settings(given: dict[str, Any], settings: list[str] | None) -> None:
    from aetool.errors import UsageError

    if given or settings:
        raise UsageError("a resumed run keeps its settings; leave the other options out, or start a new run")


def _config(dataset: str | None, settings: list[str], given: dict[str, Any]) -> TrainConfig:
    """Return the configuration that the command line asks for; files and folders as absolute paths."""
    from pathlib import Path

    from aetool.datasets import DATASETS
    from aetool.errors import lookup
    from aetool.options import configure
    from aetool.training.config import ARCHITECTURES, TrainConfig

    default = TrainConfig()
    options = lookup(ARCHITECTURES, given.get("architecture", default.architecture), "architecture")
    name = dataset or default.dataset
    if name not in DATASETS and Path(name).exists():
        name = str(Path(name).resolve())
    if "data_dir" in given:
        given["data_dir"] = str(Path(given["data_dir"]).resolve())
    return TrainConfig(**{"threads": cores(), **given, "dataset": name, "options": configure(options, settings)})


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(config: TrainConfig, talk: Talk) -> Path:
    from aetool.cli.loading import show_loading
    from aetool.files import run_lock
    from aetool.training import runs
    from aetool.training.loop import Trainer, torch_device

    torch_device(config.device)  # before anything is read or made
    with show_loading(talk) as report:
        data = runs.load_dataset(config, report)
    for failure in data.skipped:
        talk.warn(f"{failure.path} is skipped: {failure.error}")
    run = runs.create(config, data.name, data.sha256)
    with run_lock(run):
        talk.note(f"{run}: {len(data.train.pixels)} images of {' x '.join(map(str, data.spec.shape))}, "
                  f"{len(data.test.pixels)} apart for testing")  # fmt: skip
        _train(Trainer(config, data, run), talk)
    return run


def _resume(name: str | None, talk: Talk) -> Path:
    """Go on with the run `name`, or the newest, to its end; returns its folder."""
    from aetool.files import run_lock
    from aetool.training import runs

    run = runs.find(name)
    with run_lock(run):
        _train(_resumed(run, talk), talk)
    return run


def _resumed(run: Path, talk: Talk) -> Trainer:
    """Return the trainer of a run, as far as its newest good checkpoint; says what was damaged."""
    from aetool.cli.loading import show_loading
    from aetool.errors import InvalidInput, UsageError
    from aetool.training import runs
    from aetool.training.loop import Trainer

    config, sha256 = runs.read_config(run)
    with show_loading(talk) as report:
        data = runs.load_dataset(config, report)
    if data.sha256 != sha256:
        raise InvalidInput(f"the data set {config.dataset} is no longer what {run} began with; start a new run")
    trainer = Trainer(config, data, run)
    for damage in trainer.resume():
        talk.warn(f"{damage}; the one before is used")
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
