"""Sheets: many pictures laid out as a single picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aetool.arrays import Pixels
from aetool.errors import LimitExceeded
from aetool.images.spec import PICTURED, not_pictured

SMALL = 64
"""Tiles of sheets and animations are enlarged by whole factors to at least this many pixels."""
MAX_SHEET = 100_000_000
"""Pixels of the largest sheet or animation in memory."""
GAP = 2
PAPER = 128
"""Grey level between the tiles of a sheet: seen beside black and beside white."""


@dataclass(frozen=True)
class Grid:
    """The layout of a sheet, in its metadata: `count` tiles, row by row, the last cells empty.

    columns, rows   of tiles
    height, width   of a tile before enlargement, in pixels
    scale           whole factor of enlargement
    gap             pixels between and around the tiles
    """

    count: int
    columns: int
    rows: int
    height: int
    width: int
    scale: int
    gap: int = GAP

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of the sheet."""
        return (
            self.columns * (self.width * self.scale + self.gap) + self.gap,
            self.rows * (self.height * self.scale + self.gap) + self.gap,
        )


def tile_scale(height: int, width: int) -> int:
    """Return the whole factor of enlargement to at least `SMALL` pixels on the shorter side of a tile."""
    return max(1, math.ceil(SMALL / min(height, width)))


def enlarge(pixels: Pixels, scale: int) -> Pixels:
    """Repeat every pixel of (n, c, h, w) `scale` times in both directions."""
    return pixels.repeat(scale, axis=2).repeat(scale, axis=3)


def sheet(pixels: Pixels, columns: int, scale: int) -> Pixels:
    """Lay out pictures (n, c, h, w) as one picture (c, H, W), row by row, with gaps between and around the tiles."""
    n, c, h, w = pixels.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    step_y, step_x = h * scale + GAP, w * scale + GAP
    check_sheet(n, h, w, columns, scale)
    paper = np.full((c, rows * step_y + GAP, columns * step_x + GAP), PAPER, np.uint8)
    for i, tile in enumerate(pixels):
        y, x = GAP + i // columns * step_y, GAP + i % columns * step_x
        paper[:, y : y + h * scale, x : x + w * scale] = enlarge(tile[None], scale)[0]
    return paper


def check_sheet(n: int, h: int, w: int, columns: int, scale: int) -> None:
    """Raise `LimitExceeded` for a sheet of n tiles too large for memory."""
    check_size(math.ceil(n / columns) * (h * scale + GAP) * columns * (w * scale + GAP))


def check_size(pixels: int) -> None:
    """Raise `LimitExceeded` for a sheet or animation too large to make in memory."""
    if pixels > MAX_SHEET:
        raise LimitExceeded(f"one picture of {pixels:,} pixels is over {MAX_SHEET:,}", fix="folder")


def to_pil(pixels: Pixels) -> Image.Image:
    """Return uint8 (c, h, w) as a grey or RGB picture; raises `UsageError` for another c."""
    if len(pixels) not in PICTURED:
        raise not_pictured(len(pixels))
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def shrink(pixels: Pixels, width: int) -> Pixels:
    """Return (n, c, h, w) scaled down to at most `width` columns, proportions kept."""
    _, _, h, w = pixels.shape
    if w <= width:
        return pixels
    size = (width, max(1, round(h * width / w)))
    small = [np.asarray(to_pil(tile).resize(size, Image.Resampling.LANCZOS)) for tile in pixels]
    stacked = np.stack(small)
    return stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)
