"""`aetool perturb`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.keys import open_keys
from aetool.cli.layout import layout_of, target_for
from aetool.cli.options import KeyLimits, LayoutOptions, ModelOptions, Output, Quiet, Seed, Whole
from aetool.cli.write import write_generated
from aetool.errors import UsageError

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES…", help=f"Images, folders, latent files, {', '.join(choices.KEYS)}, or - for stdin.",
        autocompletion=completion.keys,
    ),
]  # fmt: skip
Sigma = Annotated[
    float, typer.Option("--sigma", metavar="S", help="Strength of the noise; 1 is the spread of the whole bank.")
]
Count = Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=100_000, help="Variations of each input.")]


def perturb(
    files: Files,
    output: Output,
    options: ModelOptions,
    layout: LayoutOptions,
    limits: KeyLimits,
    whole: Whole = False,
    sigma: Sigma = 0.5,
    count: Count = 8,
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """Make variations of images: add noise to their latents, and decode.

    The noise has the covariance of the bank, times sigma squared. --sigma 0 gives reconstructions.
    """
    from aetool.generation.arithmetic import MAX_SIGMA

    if not 0 <= sigma <= MAX_SIGMA:
        raise UsageError(f"--sigma goes from 0 (no noise) to {MAX_SIGMA:g}")
    console = Console(quiet)
    target = target_for(output, layout)
    failures = Failures(console, nothing="nothing to vary came; expected images, latents, or class:NAME")
    model, parts = open_keys(files, options, limits.limits, console, target, whole=whole)
    seed = console.seed(seed)
    batches = model.batches(parts, 1 if target.kind == "folder" else None)  # for a folder the cores decode
    varied = model.perturbed(failures.values(batches), sigma, count, seed)
    shown = layout_of(layout, columns=count)
    write_generated(varied, model, target, shown, layout, console, seed, options.threads, failures)
    failures.end()
