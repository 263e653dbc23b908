"""`aetool export`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.options import Quiet
from aetool.cli.target import write_stdout
from aetool.errors import UsageError

Run = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Training run to export. Default: the newest.")]
Folder = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FOLDER", help="Where to write. Default: the first free models/NAME."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the bundle at -o.")]
NoBank = Annotated[bool, typer.Option("--no-bank", help="Leave the latents of training images out of the bundle.")]


def export(
    run: Run = None,
    output: Folder = None,
    force: Force = False,
    no_bank: NoBank = False,
    quiet: Quiet = False,
) -> None:
    """Write a trained model as a bundle of two ONNX graphs.

    Proves first that the graphs compute the same as torch. Prints the folder of the bundle."""
    from aetool.bundle.bundle import Bundle
    from aetool.training.export.write import export as write_bundle

    console = Console(quiet)
    if force and output is None:
        raise UsageError("--force replaces the bundle at -o; name the bundle with -o, or leave --force out")
    with console.stages() as report:
        path = write_bundle(run, output, bank=not no_bank, force=force, progress=report)
    manifest = Bundle.read(path).manifest
    found, distortion = manifest.parity["found"], manifest.distortion
    agreement = f"latents to {found['latents']:.1e} of their spread, images to {found['images']:.1e}"
    console.note(f"torch and ONNX Runtime agree: {agreement}")
    console.note(f"test mse {distortion['test']:.5f}, PCA {distortion['pca']:.5f}")
    write_stdout(f"{path}\n")
