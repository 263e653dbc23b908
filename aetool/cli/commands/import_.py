"""`aetool import`; the file has the name of no word of Python."""

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
    from aetool.bundle.bundle import Bundle
    from aetool.training.foreign.imported import Ends

Encoder = Annotated[str, typer.Argument(metavar="ENCODER", help="The encoder, as an ONNX file.")]
Decoder = Annotated[str, typer.Argument(metavar="DECODER", help="The decoder, as an ONNX file.")]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="PLACE",
        help="Images like those that the model was made for: a data set, folder or file, as train takes it.",
        autocompletion=completion.data_sets,
    ),
]
Folder = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FOLDER", help="Where to write. Default: the first free models/NAME."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the bundle at -o.")]
NoBank = Annotated[bool, typer.Option("--no-bank", help="Leave the latents of the images out of the bundle.")]


@dataclass(frozen=True, eq=False, repr=False)
class EndOptions:
    """The images at the two ends of the pair, as the encoder takes and the decoder gives them."""

    value_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="RANGE",
            help=f"Numbers of the images: {', '.join(choices.RANGES)}; two, as -1..1,0..1, where the decoder's differ. "
            "Default: what reconstructs best.",
            autocompletion=completion.of(choices.RANGES),
        ),
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="NAME",
            help="nchw (channels first) or nhwc. Default: by the sizes, else what reconstructs best.",
            autocompletion=completion.of(choices.LAYOUTS),
        ),
    ] = None
    mean: Annotated[
        str | None, typer.Option("--mean", metavar="X or X,X,X", help="Subtracted from images in [0, 1]; with --std.")
    ] = None
    std: Annotated[
        str | None, typer.Option("--std", metavar="X or X,X,X", help="What the images are divided by then.")
    ] = None

    def ends(self) -> Ends:
        """Return what the options say; raises `UsageError`."""
        from aetool.training.foreign.imported import Ends

        ranges = tuple(self.value_range.split(",")) if self.value_range is not None else None
        return Ends(ranges, self.layout, _numbers("--mean", self.mean), _numbers("--std", self.std))


def _numbers(flag: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f'{flag} takes numbers, as 0.5 or 0.485,0.456,0.406, not "{text}"') from None


def import_(
    encoder: Encoder,
    decoder: Decoder,
    data: Data,
    options: EndOptions,
    output: Folder = None,
    force: Force = False,
    no_bank: NoBank = False,
    quiet: Quiet = False,
) -> None:
    """Make a bundle of an encoder and a decoder of another tool, two ONNX files.

    Proves first that the bundle computes the same. Prints the folder of the bundle."""
    from aetool.system.processes import all_cores

    limit_blas(all_cores())
    from aetool.bundle.bundle import Bundle
    from aetool.training.foreign.imported import write_import

    console = Console(quiet)
    if force and output is None:
        raise UsageError("--force replaces the bundle at -o; name the bundle with -o, or leave --force out")
    with console.stages() as report:
        written = write_import((encoder, decoder), data, output, options.ends(), not no_bank, force, report)
    _tell(console, Bundle.read(written.path), written.notes, options)
    write_stdout(f"{written.path}\n")


def _tell(console: Console, bundle: Bundle, notes: tuple[str, ...], options: EndOptions) -> None:
    """Print the guess and what else is to be known, the proof, and the distortion."""
    from aetool.bundle.card import figure

    for note in notes:
        console.warn(note)
    if options.value_range is None and options.mean is None:
        console.note("--range and --layout say how the images are, in place of a guess")
    found, distortion = bundle.manifest.parity["found"], bundle.manifest.distortion
    agreement = f"latents to {found['latents']:.1e} of their scale, images to {found['images']:.1e}"
    console.note(f"the imported graphs and the bundle agree: {agreement}")
    console.note(f"held-out mse {figure(distortion['test'])}, PCA {figure(distortion['pca'])}")
