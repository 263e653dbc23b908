"""Layout of a command's pictures: rows, labels, and provenance."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aetool import __version__
from aetool.cli.target import Target, target_of
from aetool.errors import UsageError, printable

if TYPE_CHECKING:
    from aetool.bundle.bundle import Bundle
    from aetool.cli.options import LayoutOptions, Output
    from aetool.images.labels import Words
    from aetool.images.layout import Layout
    from aetool.images.provenance import Provenance
    from aetool.model.model import Model


def layout_of(
    options: LayoutOptions, columns: int | None = None, strip: bool = False, labels: Words | None = None
) -> Layout:
    """Return the layout of a command with its options."""
    from aetool.images.layout import Layout

    made = Layout(columns, strip, options.scale, labels=labels)
    return made if options.fps is None else replace(made, fps=options.fps)


def suited(target: Target, options: LayoutOptions, report: bool = False) -> Target:
    """Return the target; raises `UsageError` for options that do nothing there.

    `report` says that figures are printed, and that pictures are made only for a named target.
    """
    none = target.kind in ("latents", "array") or (report and target.path is None)
    given = {"--scale": options.scale, "--fps": options.fps, "--show": options.show,
             "--no-metadata": options.no_metadata or None, "--no-labels": options.no_labels or None}  # fmt: skip
    if none and (names := [name for name, value in given.items() if value is not None]):
        raise UsageError(f"no picture is written, so {' and '.join(names)} would do nothing; leave that out")
    if options.fps is not None and target.kind == "frames":
        raise UsageError("the reader of --frames says how fast they are, as ffmpeg -framerate 20; leave --fps out")
    if options.fps is not None and target.kind != "animation":
        raise UsageError("--fps is the speed of an animation; end -o with .gif, .webp or .apng")
    if options.no_labels and target.kind in ("folder", "animation", "frames"):
        raise UsageError("--no-labels is for sheets; there are no words on frames and on pictures in a folder/")
    if options.scale is not None and target.kind == "folder":
        raise UsageError("--scale is for sheets and animations; pictures in a folder/ keep their size")
    if options.scale is not None and target.kind == "terminal":
        raise UsageError("--scale enlarges picture files, not this preview; name a file with -o")
    return target


def target_for(output: Output, options: LayoutOptions, report: bool = False) -> Target:
    """Return the target of -o and --latents; raises `UsageError`, also for options that do nothing there."""
    return suited(target_of(output.output, output.as_latents), options, report)


def frames_target(options: LayoutOptions) -> Target:
    """Return the target of frames, PNG files one behind the other on stdout; raises `UsageError` for a terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("--frames are PNG files; pipe them, as in: --frames | ffmpeg -f image2pipe -i - walk.mp4")
    return suited(Target("frames", None, ".png"), options)


def check_size(count: int, model: Model, target: Target, layout: Layout) -> None:
    """Raise `LimitExceeded` where `count` pictures of the model are too many for one file."""
    from aetool.images.layout import check_layout
    from aetool.images.sheet import check_size as check_values

    shape = model.bundle.manifest.image.shape
    if target.kind in ("picture", "animation"):
        check_layout(count, shape, target.suffix, layout)
    elif target.kind == "terminal":
        check_values(count * shape[0] * shape[1] * shape[2])


def provenance(bundle: Bundle, seed: int | None, options: LayoutOptions) -> Provenance | None:
    """Return the provenance of a picture, None with --no-metadata: names without folders, the seed drawn or given."""
    from aetool.images.provenance import Provenance

    if options.no_metadata:
        return None
    words = [_base_name(word) for word in sys.argv[1:]]
    drawn = seed is not None and not any(word.partition("=")[0] == "--seed" for word in words)
    command = shlex.join(["aetool", *words, *(["--seed", str(seed)] if drawn else [])])
    return Provenance(f"aetool {__version__}", f"{bundle.name} {bundle.identity}", printable(command), seed)


def _base_name(word: str) -> str:
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={_base_name(value)}"
    if word.startswith(("hf:", "-mhf:")):  # an address, no path
        return word
    slash = os.sep if word.endswith(os.sep) else ""
    return Path(word).name + slash if os.sep in word else word
