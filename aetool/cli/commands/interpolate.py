"""`aetool interpolate`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.console import Console, as_json
from aetool.cli.keys import key_latents, open_keys
from aetool.cli.labels import told, wanted
from aetool.cli.layout import check_size, frames_target, layout_of, target_for
from aetool.cli.options import KeyLimits, Keys, LayoutOptions, ModelOptions, Output, Quiet, Whole
from aetool.cli.target import write_stdout
from aetool.cli.write import write_generated
from aetool.errors import UsageError, lookup

if TYPE_CHECKING:
    from aetool.cli.target import Target
    from aetool.images.layout import Layout
    from aetool.latents.files import LatentBatch
    from aetool.model.model import Model
    from aetool.model.walks import Walk


@dataclass(frozen=True, eq=False, repr=False)
class Path:
    """The path from key to key."""

    steps: Annotated[
        int,
        typer.Option(
            "--steps", metavar="N", min=2, max=100_000, help="Pictures from each key to the next, both counted."
        ),
    ] = 10
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="NAME",
            help=f"{choices.listed(choices.METHODS)}.",
            autocompletion=completion.of(choices.METHODS),
        ),
    ] = "lerp"
    even: Annotated[
        bool, typer.Option("--even", help="Make each step between two keys change the picture by as much.")
    ] = False
    loop: Annotated[
        bool, typer.Option("--loop", help="Go on from the last key to the first, which is not shown again.")
    ] = False
    frames: Annotated[
        bool,
        typer.Option("--frames", help="PNGs one behind the other on stdout, as ffmpeg -f image2pipe -i - takes them."),
    ] = False

    def __post_init__(self) -> None:
        """Raise `UsageError` for an unknown method."""
        lookup(choices.METHODS, self.method, "method")


Report = Annotated[bool, typer.Option("--json", help="Print figures of the path; pictures then need -o.")]


def interpolate(
    keys: Keys,
    output: Output,
    path: Path,
    options: ModelOptions,
    layout: LayoutOptions,
    limits: KeyLimits,
    whole: Whole = False,
    report: Report = False,
    quiet: Quiet = False,
) -> None:
    """Walk from one image to the next through their latents.

    The first and last pictures are the reconstructions of A and B. class:8 stands for the mean latent of class 8.
    """
    from aetool.generation.interpolation import count

    console = Console(quiet)
    target = _target(output, path, layout, report)
    model, parts = open_keys(keys, options, limits.limits, console, target, whole=whole)
    given = key_latents(parts, model, console)
    shown, latents = _strip(given, path, layout, target, console), given.latents
    check_size(count(len(latents), path.steps, path.loop), model, target, shown)
    walk = model.walked(latents, path.steps, path.method, path.even, path.loop)
    _warn_of(walk.unevenness, console)
    if report:
        write_stdout(as_json(_figures(path, len(latents), walk, model)))
    if not report or output.output:
        write_generated([walk.pictures], model, target, shown, layout, console, cores=options.threads)


def _target(output: Output, path: Path, options: LayoutOptions, report: bool) -> Target:
    """Return the target; raises `UsageError` where stdout is asked for twice."""
    if path.frames:
        if report or output.as_latents or output.output not in (None, "-"):
            raise UsageError("--frames go to stdout, and nothing else is made; leave --json, --latents and -o out")
        return frames_target(options)
    target = target_for(output, options, report)
    if report and target.path is None and (output.output or output.as_latents):
        raise UsageError("--json and what is made cannot both go to stdout; give -o a file or folder/")
    return target


def _strip(given: LatentBatch, path: Path, options: LayoutOptions, target: Target, console: Console) -> Layout:
    """Return the layout of a strip, with the names of its keys below."""
    if not wanted(target, options):
        return layout_of(options, strip=True)
    from aetool.generation.interpolation import count
    from aetool.model.labels import of_keys

    pictures = count(len(given.latents), path.steps, path.loop)
    return layout_of(options, strip=True, labels=told(of_keys(given.titles, path.steps, pictures), console))


def _warn_of(unevenness: float, console: Console) -> None:
    from aetool.generation.paths import EVEN

    if unevenness > EVEN:
        console.warn(
            f"no steps were found that change the picture evenly; they differ from their mean by up to {unevenness:.0%}"
        )


def _figures(path: Path, keys: int, walk: Walk, model: Model) -> dict[str, object]:
    asked = {"method": path.method, "even": path.even, "loop": path.loop, "keys": keys, "steps": path.steps}
    return asked | {"pictures": len(walk.pictures.latents)} | asdict(model.figures(walk.latents))
