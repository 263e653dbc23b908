"""`aetool train`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.configuration import configured
from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import listed_inputs, refuse_errors
from aetool.cli.options import Inputs, Quiet
from aetool.cli.process import limit_blas
from aetool.cli.target import write_stdout
from aetool.cli.train_on import conclude, introduce, train_on
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.training.config import TrainConfig
    from aetool.training.loop import Trainer
    from aetool.training.ranks import Ranks

Dataset = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATASET]",
        help="digits (built in), mnist, fashion-mnist, a folder of images (sub-folders are classes), or an idx, .npz "
        "or .npy file; with --resume or --more-epochs a run. Default: digits.",
        autocompletion=completion.data_sets,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="PLACE", help="Of a run that goes on: where its images are now. Default: where they were."
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name of the run folder in ./runs. Default: that of the data set."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of a run. Default: the newest.")]
MoreEpochs = Annotated[
    int | None,
    typer.Option(
        "--more-epochs",
        metavar="N",
        help="Go on with a finished run for N epochs, from its best network.",
    ),
]


@dataclass(frozen=True, eq=False, repr=False)
class TrainOptions:
    """The settings of a training run; None leaves a setting at its default."""

    architecture: Annotated[
        str | None,
        typer.Option(
            "--arch", metavar="NAME", help="Architecture. Default: blend.",
            autocompletion=completion.of(choices.ARCHITECTURES),
        ),
    ] = None  # fmt: skip
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Option of the architecture, as widths=32,64 or depth=1; may be repeated.",
        ),
    ] = None
    latent_size: Annotated[
        int | None,
        typer.Option("--latent-dim", metavar="K", help="Numbers in a latent. Default: 16; by the data for own images."),
    ] = None
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", help="Default: 2,500 steps, at least 10 epochs; own images 3,000 steps."),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", help="Images a step. Default: 128; 8 to 64 for own images."),
    ] = None
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="X", help="Peak learning rate. Default: 0.01; by the batch for own images."),
    ] = None
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            metavar="STEPS",
            help="End early after so many steps past the peak of the rate without a better network; 0: never. Default: "
            "a quarter of the steps for own images, else 0.",
        ),
    ] = None
    shift: Annotated[
        int | None,
        typer.Option(
            "--shift",
            metavar="N",
            help="Move images at random by up to N pixels: against overfitting. Default: a sixteenth of the side for "
            "own images, else 0.",
        ),
    ] = None
    elastic: Annotated[
        float | None,
        typer.Option(
            "--elastic", metavar="X", help="Bend at random by about X pixels, until the last fifth. Default: 0."
        ),
    ] = None
    affine: Annotated[
        float | None,
        typer.Option("--affine", metavar="X", help="Turn by up to X degrees and scale by up to X %. Default: 0."),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="float32, or bfloat16: faster where the processor has it. Default: float32.",
            autocompletion=completion.of(choices.PRECISIONS),
        ),
    ] = None
    channels: Annotated[
        int | None,
        typer.Option("--channels", metavar="N", help="1 grey, 3 colour, else those of TIFFs. Default: by the files."),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="N or HxW",
            help="Pixels a side of a folder's images, 8 to 512. Default: as they are, if all agree, to 128; else 64.",
        ),
    ] = None
    background: Annotated[
        int | None,
        typer.Option(
            "--background",
            metavar="N",
            help="Grey level 0 to 255 behind transparent pixels. Default: against the drawing.",
        ),
    ] = None
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="For weights, order and split. Default: 0.")
    ] = None
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="NAME", help="auto, cpu, cuda or mps. Default: auto, cuda or cpu.",
            autocompletion=completion.of(choices.TRAINING_DEVICES),
        ),
    ] = None  # fmt: skip
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Default: one a core. The last bits of the weights depend on it."),
    ] = None
    data_dir: Annotated[
        str | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Where named data sets lie. Default: $AETOOL_DATA, then the cache, then a download.",
        ),
    ] = None
    start: Annotated[
        str | None,
        typer.Option(
            "--start", metavar="RUN",
            help="Begin with the weights of a run, and with its architecture, latent size, size and channels.",
        ),
    ] = None  # fmt: skip

    def given(self) -> dict[str, Any]:
        """Return the given settings."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}


def train(
    options: TrainOptions,
    inputs: Inputs,
    dataset: Dataset = None,
    name: Name = None,
    resume: Resume = False,
    more_epochs: MoreEpochs = None,
    data: Data = None,
    quiet: Quiet = False,
) -> None:
    """Train an autoencoder.

    Prints the run folder. Ctrl-C saves a checkpoint first; --resume goes on to the same weights.

    In several processes: torchrun --nproc-per-node N -m aetool train ...
    """
    from aetool.system.processes import all_cores

    limit_blas(options.threads or all_cores())
    from aetool.training.ranks import joined
    from aetool.training.session import join_run

    console = Console(quiet)
    with joined() as ranks:
        if not ranks.leads:
            with join_run(ranks, inputs.limits, data) as trainer:
                train_on(trainer, Console(quiet=True))
            return
        going_on = _check(options, inputs, dataset, resume, more_epochs, data, name)
        config = None if going_on else configured(dataset, options.given(), inputs, console)
        with _begun(config, dataset, name, more_epochs, data, inputs, console, ranks) as trainer:
            train_on(trainer, console)
            conclude(trainer, console)
    write_stdout(f"{trainer.run}\n")


@contextlib.contextmanager
def _begun(
    config: TrainConfig | None,
    dataset: str | None,
    name: str | None,
    more_epochs: int | None,
    data: str | None,
    inputs: Inputs,
    console: Console,
    ranks: Ranks,
) -> Iterator[Trainer]:
    """Give the trainer of a new run, or of one that goes on where `config` is None, and say what it has."""
    from aetool.training.session import open_run, resume_run

    failures, limits = Failures(console, inputs.errors), inputs.limits
    files = listed_inputs(inputs) if inputs.files_from else None
    with contextlib.ExitStack() as stack:
        with failures.of_data(), console.stages() as report:
            begun = (
                resume_run(dataset, report, limits, data, more_epochs, ranks)
                if config is None
                else open_run(config, report, limits, files, name, ranks)
            )
            trainer, warnings = stack.enter_context(begun)
        failures.add_data(trainer.dataset.skipped, trainer.dataset.listing)
        introduce(trainer, warnings, console)
        yield trainer


def _check(
    options: TrainOptions,
    inputs: Inputs,
    dataset: str | None,
    resume: bool,
    more_epochs: int | None,
    data: str | None,
    name: str | None,
) -> bool:
    """Return whether a run goes on; raises `UsageError` for options that exclude each other."""
    going_on = resume or more_epochs is not None
    if going_on and (options.given() or inputs.files_from or inputs.layout or name):
        raise UsageError("a resumed run keeps its settings; leave the other options out, or start a new run")
    for source in (dataset, inputs.files_from):
        refuse_errors(inputs.errors, source)
    if data is not None and not going_on:
        raise UsageError("--data belongs to --resume and --more-epochs; name the data set of a new run without it")
    return going_on
