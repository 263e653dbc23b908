"""`aetool combine`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.keys import key_latents, open_keys
from aetool.cli.layout import layout_of, target_for
from aetool.cli.options import KeyLimits, Keys, LayoutOptions, ModelOptions, Output, Quiet, Whole
from aetool.cli.write import write_generated
from aetool.errors import UsageError

Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="W,W,…", help="A number for each key, taken as it is, as 1,-1,1. Default: the mean."
    ),
]


def combine(
    keys: Keys,
    output: Output,
    options: ModelOptions,
    layout: LayoutOptions,
    limits: KeyLimits,
    whole: Whole = False,
    weights: Weights = None,
    quiet: Quiet = False,
) -> None:
    """Add latents up, each times its weight, and decode the sum.

    Weights are used unchanged; weights with sum 1 keep the scale of a latent. Each latent in a file of latents counts
    as a key. class:8 stands for the mean latent of class 8.
    """
    console = Console(quiet)
    given = None if weights is None else _numbers(weights)
    target = target_for(output, layout)
    model, parts = open_keys(keys, options, limits.limits, console, target, whole=whole)
    total = model.combined(key_latents(parts, model, console).latents, given)
    write_generated([total], model, target, layout_of(layout), layout, console)


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f'--weights takes numbers with commas between them, as 1,-1,1, not "{text}"') from None
