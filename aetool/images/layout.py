"""Layouts: several pictures as one file, a sheet, a strip or an animation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from aetool.arrays import Pixels
from aetool.choices import ANIMATION_SUFFIXES
from aetool.errors import UsageError
from aetool.images.animation import encode_animation
from aetool.images.encode import encode_picture
from aetool.images.provenance import Provenance
from aetool.images.sheet import Grid, check_sheet, check_size, enlarge, sheet, tile_scale
from aetool.system.limits import LIMITS, Limits


@dataclass(frozen=True)
class Layout:
    """Rows and scale of a sheet, and the speed of an animation.

    columns   tiles a row, for several rows; None for a square
    strip     all tiles in a single row
    scale     whole factor of enlargement; None for tiles of at least 64 pixels a side
    fps       frames a second, from 0.1 to 100
    """

    columns: int | None = None
    strip: bool = False
    scale: int | None = None
    fps: float = 10.0

    def __post_init__(self) -> None:
        """Raise `UsageError` for a speed outside 0.1 to 100, or not a number."""
        if not 0.1 <= self.fps <= 100:
            raise UsageError("the frames a second are a number from 0.1 to 100")

    def columns_for(self, count: int) -> int:
        """Return the tiles a row of a sheet of `count` tiles."""
        if self.columns and self.columns < count:
            return self.columns
        return count if self.strip else math.ceil(math.sqrt(count))

    def scale_for(self, count: int, height: int, width: int, suffix: str) -> int:
        """Return the factor of enlargement of each of `count` pictures; 1 for a single still picture."""
        single = count == 1 and suffix not in ANIMATION_SUFFIXES
        return self.scale or (1 if single else tile_scale(height, width))


def check_layout(count: int, shape: tuple[int, int, int], suffix: str, layout: Layout) -> None:
    """Raise `LimitExceeded` where `count` pictures of `shape` (c, h, w) make a file too large for memory."""
    c, height, width = shape
    scale = layout.scale_for(count, height, width, suffix)
    check_size(count * c * height * width)
    if suffix in ANIMATION_SUFFIXES:
        check_size(count * height * width * scale**2)
    elif count > 1:
        check_sheet(count, height, width, layout.columns_for(count), scale)


def sheet_of(pixels: Pixels, layout: Layout) -> Pixels:
    """Return pictures (n, c, h, w) as one picture (c, H, W); a single picture only enlarged."""
    n, _, height, width = pixels.shape
    scale = layout.scale_for(n, height, width, ".png")
    return enlarge(pixels, scale)[0] if n == 1 else sheet(pixels, layout.columns_for(n), scale)


def grid_of(count: int, height: int, width: int, layout: Layout) -> Grid | None:
    """Return the grid of a sheet of `count` pictures; None for a single picture at its own size."""
    scale = layout.scale_for(count, height, width, ".png")
    if count == 1:
        return Grid(1, 1, 1, height, width, scale, gap=0) if scale > 1 else None
    columns = layout.columns_for(count)
    return Grid(count, columns, math.ceil(count / columns), height, width, scale)


def encode_pictures(
    pixels: Pixels, suffix: str, layout: Layout, provenance: Provenance | None = None, limits: Limits = LIMITS
) -> bytes:
    """Return pictures (n, c, h, w) as the bytes of a file with `suffix`, of a picture or of an animation.

    Raises `LimitExceeded`.
    """
    n, _, height, width = pixels.shape
    if suffix not in ANIMATION_SUFFIXES:
        made = replace(provenance, grid=grid_of(n, height, width, layout)) if provenance else None
        return encode_picture(sheet_of(pixels, layout), suffix, made)
    scale = layout.scale_for(n, height, width, suffix)
    check_size(n * height * width * scale**2)
    return encode_animation(enlarge(pixels, scale), suffix, layout.fps, provenance, limits)
