"""Pictures on their way out: sheet, strip, animation, folder, or half blocks in a terminal."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aetool import __version__
from aetool.cli.picturefolders import decode_to_folder, write_folder
from aetool.cli.report import Talk
from aetool.cli.sinks import Target, write_stdout
from aetool.errors import UsageError, printable

if TYPE_CHECKING:
    from aetool.arrays import Latents, Pixels
    from aetool.bundle.bundle import Bundle
    from aetool.images.provenance import Provenance
    from aetool.runtime.codec import Codec


@dataclass(frozen=True)
class Look:
    """How pictures are laid out: rows of `columns` where that makes several, `strip` all in one row, else a square;
    scale, pictures a second, and whether they say how they were made.
    """

    strip: bool = False
    columns: int | None = None
    scale: int | None = None
    fps: float = 10.0
    metadata: bool = True

    def __post_init__(self) -> None:
        """Refuse speeds that no animation has; the parser lets nan pass."""
        if not 0.1 <= self.fps <= 100:
            raise UsageError("--fps takes a number from 0.1 to 100")


@dataclass(frozen=True, eq=False)
class Tiles:
    """Finished pictures (n, c, h, w) and what each is called: a class and number, or a source."""

    pixels: Pixels
    names: tuple[str, ...]


def provenance(bundle: Bundle, seed: int | None) -> Provenance:
    """Return what a picture says of its making: names without their folders, the seed even where it was drawn."""
    from aetool.images.provenance import Provenance

    words = [_base_name(word) for word in sys.argv[1:]]
    drawn = seed is not None and not any(word.partition("=")[0] == "--seed" for word in words)
    command = shlex.join(["aetool", *words, *(["--seed", str(seed)] if drawn else [])])
    return Provenance(f"aetool {__version__}", f"{bundle.name} {bundle.identity}", printable(command), seed)


def _base_name(word: str) -> str:
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={_base_name(value)}"
    slash = os.sep if word.endswith(os.sep) else ""
    return Path(word).name + slash if os.sep in word else word


def write_pictures(tiles: Iterable[Tiles], target: Target, look: Look, made: Provenance | None, talk: Talk) -> int:
    """Write pictures to where `target` says, as they come where it is a folder; returns how many."""
    made = made if look.metadata else None
    if target.kind == "folder":
        return write_folder(tiles, target, made)
    whole = _gathered(tiles)
    if whole is None:
        return 0
    if target.kind == "terminal":
        write_stdout(_preview(whole, talk))
    else:
        _write(target, _encode(whole, target, look, made))
    return len(whole)


def write_decoded(
    latents: Iterable[tuple[Latents, tuple[str, ...]]],
    codec: Codec,
    target: Target,
    look: Look,
    made: Provenance | None,
    talk: Talk,
    cores: int | None,
) -> int:
    """Decode latents with the names of their pictures, and write these as `write_pictures` does; returns how many."""
    from aetool.arrays import to_pixels
    from aetool.runtime.parallel import pieces

    if target.kind == "folder":
        return decode_to_folder(latents, codec, target, made if look.metadata else None, cores)
    tiles = (Tiles(to_pixels(codec.decode(part)), tuple(names)) for part, names in pieces(latents, codec.batch))
    return write_pictures(tiles, target, look, made, talk)


def _gathered(tiles: Iterable[Tiles]) -> Pixels | None:
    """Return all pictures as one array, or None where there are none; refuses more than one picture can hold."""
    import numpy as np

    from aetool.images.sheet import check_size

    parts: list[Pixels] = []
    values = 0
    for part in tiles:
        parts.append(part.pixels)
        values += part.pixels.size
        check_size(values)
    return np.concatenate(parts) if values else None


def refuse_too_large(count: int, shape: tuple[int, int, int], target: Target, look: Look) -> None:
    """Raise `LimitExceeded` where so many pictures of `shape` (c, h, w) are more than one file can hold."""

    from aetool.images.sheet import check_sheet, check_size

    if target.kind in ("folder", "latents"):
        return
    c, height, width = shape
    scale = _scale(count, height, width, target, look)
    check_size(count * c * height * width)
    if target.kind == "animation":
        check_size(count * height * width * scale**2)
    elif target.kind == "picture" and count > 1:
        check_sheet(count, height, width, _columns(count, look), scale)


def _scale(count: int, height: int, width: int, target: Target, look: Look) -> int:
    from aetool.images.sheet import tile_scale

    return look.scale or (1 if count == 1 and target.kind == "picture" else tile_scale(height, width))


def _columns(count: int, look: Look) -> int:
    if look.columns and look.columns < count:
        return look.columns
    return count if look.strip else math.ceil(math.sqrt(count))


def _encode(pixels: Pixels, target: Target, look: Look, made: Provenance | None) -> bytes:
    from aetool.images.animation import encode_animation
    from aetool.images.encode import encode_picture
    from aetool.images.sheet import check_size, enlarge, sheet

    n, _, height, width = pixels.shape
    scale = _scale(n, height, width, target, look)
    if target.kind == "animation":
        check_size(n * height * width * scale**2)
        return encode_animation(enlarge(pixels, scale), target.suffix, look.fps, made)
    if n == 1:
        return encode_picture(enlarge(pixels, scale)[0], target.suffix, made)
    return encode_picture(sheet(pixels, _columns(n, look), scale), target.suffix, made)


def _write(target: Target, data: bytes) -> None:
    from aetool.system.atomic import write_file

    if target.path is None:
        write_stdout(data)
    else:
        target.inputs.refuse(target.path)
        write_file(target.path, data)


PREVIEWED = 60
"""Pictures that a terminal shows; it scrolls."""
PREVIEW_TILE = 20
"""Characters that a picture among several gets at least."""

TINY = 16
"""Pixels of width below which a terminal shows pictures twice as large."""


def _preview(pixels: Pixels, talk: Talk) -> str:
    """Return pictures as half blocks that fit the width of the terminal."""
    from aetool.images.encode import half_blocks
    from aetool.images.sheet import enlarge, sheet, shrink

    columns = max(8, shutil.get_terminal_size().columns)
    colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    if len(pixels) > PREVIEWED:
        talk.note(f"showing {PREVIEWED} of {len(pixels)}; write them with -o")
    shown = pixels[:PREVIEWED]
    shown = enlarge(shown, 2) if shown.shape[3] < TINY else shown
    if len(shown) == 1:
        return half_blocks(shrink(shown, columns)[0], colour)
    across = max(1, min(len(shown), columns // PREVIEW_TILE))
    return half_blocks(sheet(shrink(shown, columns // across - 2), across, 1)[:, :, :columns], colour)
