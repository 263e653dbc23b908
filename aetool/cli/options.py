"""Shared options of commands, in groups; `flattened` makes a command line of the groups.

A group is a frozen dataclass whose fields are options. A command takes whole groups as parameters, and Typer sees the
fields. Every option is written once, and a command with input files cannot forget the limits of the group.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from aetool import choices
from aetool.cli import completion
from aetool.errors import UsageError, lookup
from aetool.system.limits import LIMITS, Limits


def flattened(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function for Typer, with the fields of the groups of `command` as its parameters."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def call(**values: Any) -> Any:
        made = {name: group(**{f.name: values.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        return command(**made, **values)

    parameters = [
        one for parameter in inspect.signature(command).parameters.values() for one in _flat(parameter, hints)
    ]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _flat(parameter: inspect.Parameter, hints: dict[str, Any]) -> Iterator[inspect.Parameter]:
    """Yield a parameter with its evaluated type, or the fields of a group."""
    hint = hints[parameter.name]
    if not is_dataclass(hint):
        yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint)
        return
    inner = get_type_hints(hint, include_extras=True)
    for field in fields(hint):
        kind = inspect.Parameter.KEYWORD_ONLY
        yield inspect.Parameter(field.name, kind, default=field.default, annotation=inner[field.name])


MaxPixels = Annotated[
    int, typer.Option("--max-pixels", metavar="N", min=1, help="Refuse images of more pixels than this.")
]
MaxFrames = Annotated[int, typer.Option("--max-frames", metavar="N", min=1, help="Refuse to write longer animations.")]
MaxBytes = Annotated[
    int, typer.Option("--max-bytes", metavar="N", min=1, help="Refuse .npz and .npy files that unpack to more.")
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help=f"{', '.join(choices.DEVICES)}; see: aetool devices.",
        autocompletion=completion.of(choices.DEVICES),
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", min=1, max=1024, help="Threads that one run of a graph may use.")
]
Cores = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, max=1024, help="Cores to use. Default: one for few images, else all."
    ),
]
ModelName = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        help="Bundle: a folder, a name in ./models or shipped, or hf:OWNER/NAME[@REVISION].",
        autocompletion=completion.models,
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes and no progress on stderr.")]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Files = Annotated[
    list[str] | None, typer.Argument(metavar="FILES…", help="Images, folders, arrays (.npz, .npy), or - for stdin.")
]
Whole = Annotated[
    bool,
    typer.Option("--whole", help="Take a sheet that aetool made as one picture, not as its tiles."),
]
Keys = Annotated[
    list[str],
    typer.Argument(
        metavar="A B [C…]", help=f"Images, latent files, {', '.join(choices.KEYS)}, or - for stdin.",
        autocompletion=completion.keys,
    ),
]  # fmt: skip
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="The same seed gives the same pictures. Default: a new one, told on stderr.",
    ),
]
PictureOutput = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="PATH",
        help="Where to write, by suffix: .png .jpg .gif .webp .apng, folder/, arrays .npz .npy; or term: a preview.",
    ),
]  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ModelOptions:
    """The model, its device, and the cores."""

    model: Annotated[
        str | None,
        typer.Option(
            "-m", "--model", metavar="MODEL",
            help="Bundle to use: a folder, a name in ./models or shipped, or hf:OWNER/NAME[@REVISION].",
            autocompletion=completion.models,
        ),
    ] = None  # fmt: skip
    device: Device = "auto"
    threads: Cores = None


@dataclass(frozen=True, eq=False, repr=False)
class Inputs:
    """Pictures to read: lists of their names, the account of failures, the layout of arrays, and the limits."""

    files_from: Annotated[
        str | None,
        typer.Option(
            "--files-from", metavar="FILE", help="Read names of inputs from FILE, or - for stdin, one a line."
        ),
    ] = None
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Names in --files-from end with NUL instead of a newline.")
    ] = False
    errors: Annotated[
        str | None,
        typer.Option(
            "--errors", metavar="FILE", help="List inputs that failed in FILE: JSON Lines of path and reason."
        ),
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="NAME",
            help="Order of an array of images where its shape leaves it open: nchw (channels first) or nhwc.",
            autocompletion=completion.of(choices.LAYOUTS),
        ),
    ] = None
    max_pixels: MaxPixels = LIMITS.pixels
    max_bytes: MaxBytes = LIMITS.bytes

    def __post_init__(self) -> None:
        """Raise `UsageError` for an option without its list, and for a file without a name."""
        if self.errors == "-":
            raise UsageError("--errors takes the name of a file; /dev/stderr is one")
        if self.layout is not None:
            lookup(choices.LAYOUTS, self.layout, "layout")
        if self.null and not self.files_from:
            raise UsageError("-0 is for the names of --files-from; name a list, or leave -0 out")

    @property
    def limits(self) -> Limits:
        """The limits of input pictures."""
        return Limits(pixels=self.max_pixels, bytes=self.max_bytes)


@dataclass(frozen=True, eq=False, repr=False)
class KeyLimits:
    """The limits of keys: pictures and files of latents."""

    max_pixels: MaxPixels = LIMITS.pixels
    max_bytes: MaxBytes = LIMITS.bytes

    @property
    def limits(self) -> Limits:
        """The limits of keys."""
        return Limits(pixels=self.max_pixels, bytes=self.max_bytes)


@dataclass(frozen=True, eq=False, repr=False)
class Output:
    """Where to write, pictures or latents."""

    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="PATH",
            help="Where to write, by suffix: .png .jpg .gif .webp .apng, folder/, .jsonl .npz .npy; term: a preview.",
        ),
    ] = None  # fmt: skip
    as_latents: Annotated[bool, typer.Option("--latents", help="Write latents instead of pictures.")] = False


@dataclass(frozen=True, eq=False, repr=False)
class LayoutOptions:
    """How pictures are written: scale, channels, speed and length of an animation, and provenance."""

    scale: Annotated[
        int | None,
        typer.Option(
            "--scale",
            metavar="N",
            min=1,
            max=64,
            help="Enlarge by this whole factor, exactly. Default: tiles get at least 64 pixels, small ones smoothly.",
        ),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="F", min=0.1, max=100, help="Pictures a second of an animation. Default: 10."),
    ] = None
    show: Annotated[
        str | None,
        typer.Option(
            "--show", metavar="C or C,C,C", help="Channels to show in pictures, numbered from 1, as 4 or 3,2,1."
        ),
    ] = None
    no_metadata: Annotated[
        bool, typer.Option("--no-metadata", help="Do not write model, command and seed into pictures.")
    ] = False
    no_labels: Annotated[bool, typer.Option("--no-labels", help="No words on sheets.")] = False
    max_frames: MaxFrames = LIMITS.frames

    def __post_init__(self) -> None:
        """Raise `UsageError` for impossible speeds; the parser accepts nan."""
        if self.fps is not None and not 0.1 <= self.fps <= 100:
            raise UsageError("--fps takes a number from 0.1 to 100")
        numbers = self.show.split(",") if self.show is not None else ["1"]
        if len(numbers) not in (1, 3) or not all(one.strip().isdecimal() and int(one) > 0 for one in numbers):
            raise UsageError(f'--show takes one channel or three, numbered from 1, as 4 or 3,2,1, not "{self.show}"')

    def shown(self, channels: int) -> tuple[int, ...] | None:
        """Return the numbers, from 0, of the channels to show of images with `channels`, None for all of a picture.

        Raises `UsageError` for channels that there are not, and without --show where it is needed.
        """
        if self.show is None:
            if channels not in (1, 3):
                raise UsageError(f"a picture has 1 channel or 3, and this model has {channels}", fix="show")
            return None
        chosen = tuple(int(one) - 1 for one in self.show.split(","))
        if max(chosen) >= channels:
            raise UsageError(f"--show {self.show} names channel {max(chosen) + 1}, and this model has {channels}")
        return chosen
