"""`aetool export`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.console import Console
from aetool.cli.options import Quiet
from aetool.cli.process import limit_blas
from aetool.cli.target import write_stdout
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.bundle.about import About
    from aetool.bundle.manifest import Manifest

Run = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Training run to export. Default: the newest.")]
Folder = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FOLDER", help="Where to write. Default: the first free models/NAME."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the bundle at -o.")]
NoBank = Annotated[bool, typer.Option("--no-bank", help="Leave the latents of training images out of the bundle.")]


PlacedMap = Annotated[
    bool, typer.Option("--map", help="Make the map of aetool explore also of more than 2,000 latents: 20 seconds.")
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="PLACE", help="Where the images of the run are now. Default: where they were."),
]


Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="TYPE",
        help=f"How weights are stored: {choices.listed(choices.WEIGHTS)}.",
        autocompletion=completion.of(choices.WEIGHTS),
    ),
]


@dataclass(frozen=True, eq=False, repr=False)
class AboutOptions:
    """What the author says of the model, for its card."""

    license: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="Licence for the model card, as mit, apache-2.0 or cc-by-4.0."),
    ] = None
    author: Annotated[str | None, typer.Option("--author", metavar="NAME", help="Author for the model card.")] = None
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="Description for the model card.")
    ] = None

    def said(self) -> About | None:
        """Return what the options say; raises `UsageError`."""
        from aetool.bundle.about import about

        return about(self.license, self.author, self.description)


def export(
    run: Run = None,
    output: Folder = None,
    data: Data = None,
    force: Force = False,
    no_bank: NoBank = False,
    weights: Weights = "float32",
    placed: PlacedMap = False,
    quiet: Quiet = False,
    *,
    about: AboutOptions,
) -> None:
    """Write a trained model as a bundle of two ONNX graphs.

    Proves first that the graphs compute the same as torch. Pictures that were added or renamed since the training, or
    are gone, do no harm: the run knows its images by their pixels. Prints the folder of the bundle."""
    from aetool.system.processes import all_cores

    limit_blas(all_cores())
    from aetool.bundle.bundle import Bundle
    from aetool.training.export.write import write_bundle

    console = Console(quiet)
    if force and output is None:
        raise UsageError("--force replaces the bundle at -o; name the bundle with -o, or leave --force out")
    said = about.said()
    with console.stages() as report:
        written = write_bundle(run, output, not no_bank, force, data, report, weights, said, placed)
    for note in written.notes:
        console.warn(note)
    _tell(Bundle.read(written.path).manifest, console)
    write_stdout(f"{written.path}\n")


def _tell(manifest: Manifest, console: Console) -> None:
    """Tell what was proven and measured."""
    from aetool.bundle.card import figure

    found, distortion = manifest.parity["found"], manifest.distortion
    agreement = f"latents to {found['latents']:.1e} of their scale, images to {found['images']:.1e}"
    console.note(f"torch and ONNX Runtime agree: {agreement}")
    if manifest.stored:
        console.note(f"weights in {manifest.stored}")
    console.note(f"test mse {figure(distortion['test'])}, PCA {figure(distortion['pca'])}")
