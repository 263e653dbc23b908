"""`aetool train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.cli import params, runs
from aetool.cli.report import Talk
from aetool.cli.sinks import write_stdout
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    from aetool.training.config import TrainConfig

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
Elastic = Annotated[
    float | None,
    typer.Option(
        "--elastic", metavar="X", help="Bend images at random, by about X pixels, until the last fifth. Default: 0."
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision", metavar="NAME", help="float32, or bfloat16: faster where the processor has it. Default: float32."
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
    elastic: Elastic = None,
    precision: Precision = None,
    channels: Channels = None,
    size: Size = None,
    background: Background = None,
    seed: Seed = None,
    device: TrainDevice = None,
    threads: Threads = None,
    data_dir: DataDir = None,
    max_pixels: params.MaxPixels = LIMITS["pixels"],
    max_bytes: params.MaxBytes = LIMITS["bytes"],
    quiet: params.Quiet = False,
) -> None:
    """Train an autoencoder.

    Prints the run folder. Ctrl-C saves a checkpoint first; --resume goes on to the same weights.
    """
    talk = Talk(quiet)
    given: dict[str, Any] = {
        "architecture": architecture, "latent_size": latent_size, "epochs": epochs, "batch_size": batch_size, "lr": lr,
        "shift": shift, "elastic": elastic, "precision": precision,
        "channels": channels, "size": _sides(size), "background": background, "seed": seed,
        "device": device, "threads": threads, "data_dir": data_dir,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    if resume:
        _refuse_settings(given, settings)
        run = runs.resume(dataset, talk)
    else:
        run = runs.start(_config(dataset, settings or [], given), talk)
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

    from aetool.cli.settings import configure
    from aetool.errors import lookup
    from aetool.system.processes import all_cores
    from aetool.training.architectures.options import ARCHITECTURES
    from aetool.training.config import TrainConfig
    from aetool.training.data.named import DATASETS

    default = TrainConfig()
    options = lookup(ARCHITECTURES, given.get("architecture", default.architecture), "architecture")
    name = dataset or default.dataset
    if name not in DATASETS and Path(name).exists():
        name = str(Path(name).resolve())
    if "data_dir" in given:
        given["data_dir"] = str(Path(given["data_dir"]).resolve())
    return TrainConfig(**{"threads": all_cores(), **given, "dataset": name, "options": configure(options, settings)})
