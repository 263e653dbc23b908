"""Options and arguments that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from aetool.system.limits import set_limit

Model = Annotated[
    str | None,
    typer.Option("-m", "--model", metavar="MODEL", help="Bundle to use: a folder, or a name in ./models or shipped."),
]


def _limit(name: str) -> Callable[[int], int]:
    """Return what makes an option change a limit of this process."""

    def change(value: int) -> int:
        set_limit(name, value)
        return value

    return change


MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels", metavar="N", min=1, callback=_limit("pixels"), help="Refuse images of more pixels than this."
    ),
]
MaxFrames = Annotated[
    int,
    typer.Option(
        "--max-frames", metavar="N", min=1, callback=_limit("frames"), help="Refuse to write longer animations."
    ),
]
MaxBytes = Annotated[
    int,
    typer.Option(
        "--max-bytes",
        metavar="N",
        min=1,
        callback=_limit("bytes"),
        help="Refuse .npz and .npy files that unpack to more.",
    ),
]
Keys = Annotated[
    list[str], typer.Argument(metavar="A B [C…]", help="Images, latent files, class:NAME, or - for stdin.")
]
Files = Annotated[
    list[str] | None, typer.Argument(metavar="FILES…", help="Images, folders, or - for a picture on stdin.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or openvino; see: aetool devices.")
]
Threads = Annotated[
    int,
    typer.Option("--threads", metavar="N", min=1, max=1024, help="Threads that one run of a graph may use."),
]
Cores = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, max=1024, help="Cores to use. Default: one for few images, else all."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes and no progress on stderr.")]
Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="PATH",
        help="Where to write; the suffix says what: .png .jpg .gif .webp .apng, folder/, .jsonl .npz .npy.",
    ),
]  # fmt: skip
PictureOutput = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="PATH",
        help="Where to write; the suffix says what: .png .jpg .gif .webp .apng, or folder/.",
    ),
]  # fmt: skip
LatentOutput = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where to write the latents: .jsonl, .npz or .npy."),
]
AsLatents = Annotated[bool, typer.Option("--latents", help="Write latents instead of pictures.")]
Scale = Annotated[
    int | None,
    typer.Option(
        "--scale",
        metavar="N",
        min=1,
        max=64,
        help="Enlarge by this whole factor. Default: tiles get at least 64 pixels.",
    ),
]
Fps = Annotated[float, typer.Option("--fps", metavar="F", min=0.1, max=100, help="Pictures a second of an animation.")]
NoMetadata = Annotated[bool, typer.Option("--no-metadata", help="Do not write model, command and seed into pictures.")]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="The same seed gives the same pictures. Default: a new one, told on stderr.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
FilesFrom = Annotated[
    str | None,
    typer.Option("--files-from", metavar="FILE", help="Read names of inputs from FILE, or - for stdin, one a line."),
]
Errors = Annotated[
    str | None,
    typer.Option("--errors", metavar="FILE", help="List inputs that failed in FILE: JSON Lines of path and reason."),
]
Null = Annotated[bool, typer.Option("-0", "--null", help="Names in --files-from end with NUL instead of a newline.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set an option of the method; may be repeated."),
]
