"""Layouts: several pictures as one file, a sheet, a strip or an animation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aetool.arrays import Pixels
from aetool.choices import ANIMATION_SUFFIXES
from aetool.errors import UsageError
from aetool.images.animation import encode_animation
from aetool.images.encode import encode_picture
from aetool.images.provenance import Provenance
from aetool.images.sheet import APART, GAP, SMOOTH, Grid, check_size, enlarge, laid_out, tile_scale
from aetool.system.limits import LIMITS, Limits

if TYPE_CHECKING:
    from aetool.images.labels import Words

WIDER = 1.6
"""Most columns of a sheet over those of a square, for full rows."""


@dataclass(frozen=True)
class Layout:
    """Rows, scale and labels of a sheet, and the speed of an animation.

    columns   tiles a row, for several rows; None for about a square
    strip     all tiles in a single row
    scale     whole factor of enlargement; None for tiles of at least 64 pixels a side, smooth where they are small
    fps       frames a second, from 0.1 to 100
    labels    words beside and below the tiles of a sheet
    originals   (n, c, h, w) pictures that those of a sheet are compared with, shown before them
    """

    columns: int | None = None
    strip: bool = False
    scale: int | None = None
    fps: float = 10.0
    labels: Words | None = None
    originals: Pixels | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise `UsageError` for a speed outside 0.1 to 100, or not a number."""
        if not 0.1 <= self.fps <= 100:
            raise UsageError("the frames a second are a number from 0.1 to 100")

    def columns_for(self, count: int) -> int:
        """Return the tiles a row of a sheet of `count` tiles: about a square, of full rows if a few more columns do."""
        if self.columns and self.columns < count:
            return self.columns
        if self.strip:
            return count
        pairs = 1 if self.originals is None else 2
        least = math.ceil(math.sqrt(count / pairs))
        return next((n for n in range(least, int(WIDER * least) + 1) if count % n == 0), least)

    def scale_for(self, count: int, height: int, width: int, suffix: str) -> int:
        """Return the factor of enlargement of each of `count` pictures; 1 for a single still picture."""
        single = count == 1 and suffix not in ANIMATION_SUFFIXES
        return self.scale or (1 if single else tile_scale(height, width))

    def smooths(self, height: int, width: int) -> bool:
        """Return whether pictures are enlarged smoothly: small ones, unless a scale asks for exact pixels."""
        return self.scale is None and min(height, width) < SMOOTH


def check_layout(count: int, shape: tuple[int, int, int], suffix: str, layout: Layout) -> None:
    """Raise `LimitExceeded` where `count` pictures of `shape` (c, h, w) make a file too large for memory."""
    c, height, width = shape
    check_size(count * c * height * width)
    if suffix in ANIMATION_SUFFIXES:
        check_size(count * height * width * layout.scale_for(count, height, width, suffix) ** 2)
    elif grid := grid_of(count, height, width, layout):
        check_size(grid.size[0] * grid.size[1])


def sheet_of(pixels: Pixels, layout: Layout) -> Pixels:
    """Return pictures (n, c, h, w) as one picture (c, H, W); a single picture only enlarged."""
    n, _, height, width = pixels.shape
    if n == 1:
        alone: Pixels = enlarge(pixels, layout.scale_for(n, height, width, ".png"))[0]
        return alone
    grid = grid_of(n, height, width, layout)
    assert grid is not None
    page = laid_out(pixels, grid, layout.originals)
    if layout.labels is None:
        return page
    from aetool.images.labels import draw

    return draw(page, grid, layout.labels)


def grid_of(count: int, height: int, width: int, layout: Layout) -> Grid | None:
    """Return the grid of a sheet of `count` pictures; None for a single picture at its own size."""
    scale = layout.scale_for(count, height, width, ".png")
    if count == 1:
        return Grid(1, 1, 1, height, width, scale, gap=0) if scale > 1 else None
    columns = layout.columns_for(count)
    before = 0 if layout.originals is None else width * scale + GAP + APART
    smooth = int(scale > 1 and layout.smooths(height, width))
    grid = Grid(count, columns, math.ceil(count / columns), height, width, scale, before=before, smooth=smooth)
    if layout.labels is None:
        return grid
    from aetool.images.labels import labelled

    return labelled(grid, layout.labels)


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
    frames = enlarge(pixels, scale, layout.smooths(height, width))
    return encode_animation(frames, suffix, layout.fps, provenance, limits)


def encode_frame(pixels: Pixels, layout: Layout, provenance: Provenance | None = None) -> bytes:
    """Return a picture (c, h, w) as the bytes of a PNG, enlarged as a frame of an animation."""
    _, height, width = pixels.shape
    scale, smooth = layout.scale_for(1, height, width, ANIMATION_SUFFIXES[0]), layout.smooths(height, width)
    grid = Grid(1, 1, 1, height, width, scale, gap=0, smooth=int(smooth)) if scale > 1 else None
    made = replace(provenance, grid=grid) if provenance else None
    return encode_picture(enlarge(pixels[None], scale, smooth)[0], ".png", made)
