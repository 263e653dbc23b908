"""`aetool export`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli import params

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
    quiet: params.Quiet = False,
) -> None:
    """Write a trained model as a bundle of two ONNX graphs.

    Proves first that they compute what torch computes. Prints the folder of the bundle."""
    from pathlib import Path

    from aetool.bundle.card import card
    from aetool.bundle.folder import check_free, write
    from aetool.cli.loading import show_loading
    from aetool.cli.report import Talk
    from aetool.cli.sinks import write_stdout
    from aetool.system.paths import first_free, safe_name
    from aetool.training import run_folder
    from aetool.training.export.run import export as make

    talk = Talk(quiet)
    found = run_folder.find(run, trained=True)
    path = Path(output) if output else None
    if path is not None:
        check_free(path, force)
    with show_loading(talk) as report:
        made = make(found, not no_bank, report)
    path = path or first_free(Path("models"), safe_name(made.manifest.dataset["name"]))
    text = card(path.name, made.identity, made.manifest, not no_bank)
    write(path, made.files, text, force)
    parity = made.manifest.parity["found"]
    talk.note(f"torch and ONNX Runtime agree: latents to {parity['latents']:.1e} of their spread, "
              f"images to {parity['images']:.1e}")  # fmt: skip
    talk.note(f"test mse {made.manifest.distortion['test']:.5f}, PCA {made.manifest.distortion['pca']:.5f}")
    write_stdout(f"{path}\n")
