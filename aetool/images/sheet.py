"""Sheets: many pictures laid out as a single picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool.arrays import Pixels
from aetool.errors import LimitExceeded
from aetool.images.spec import PICTURED, not_pictured

SMALL = 64
"""Tiles of sheets and animations are enlarged by whole factors to at least this many pixels."""
MAX_SHEET = 100_000_000
"""Pixels of the largest sheet or animation in memory."""
SMOOTH = 16
"""Pixels of a side below which tiles are enlarged smoothly, unless a scale is asked for."""
GAP = 2
PAPER = 128
"""Grey level between the tiles of a sheet: seen beside black and beside white."""
PAGE = 255
"""Grey level of a sheet where there is no tile: behind the last one, and under labels."""
APART = 8
"""Pixels of the page between two pairs of pictures."""


@dataclass(frozen=True)
class Grid:
    """The layout of a sheet, in its metadata: `count` tiles, row by row, the last cells empty.

    columns, rows   of tiles
    height, width   of a tile before enlargement, in pixels
    scale           whole factor of enlargement
    gap             pixels between and around the tiles
    left            pixels left of all tiles, of the labels of rows
    below           pixels below each row, of the labels of tiles
    before          pixels before each tile, of the picture that the tile is compared with
    smooth          1 where tiles are enlarged smoothly: a pixel is in the middle of its block
    """

    count: int
    columns: int
    rows: int
    height: int
    width: int
    scale: int
    gap: int = GAP
    left: int = 0
    below: int = 0
    before: int = 0
    smooth: int = 0

    @property
    def step(self) -> tuple[int, int]:
        """The pixels (y, x) from tile to tile."""
        labelled = self.below + self.gap if self.below else 0
        return self.height * self.scale + self.gap + labelled, self.before + self.width * self.scale + self.gap

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of the sheet."""
        apart, end = APART if self.before else 0, 0 if self.below else self.gap
        return self.left + self.columns * self.step[1] + self.gap + apart, self.rows * self.step[0] + end

    def place(self, number: int) -> tuple[int, int]:
        """Return the upper left pixel (y, x) of a tile."""
        row, column = divmod(number, self.columns)
        return self.gap + row * self.step[0], self.left + self.before + self.gap + column * self.step[1]


OPTIONAL = ("left", "below", "before", "smooth")
"""Fields of a grid that older sheets do not have; 0 is left out of the metadata."""


def tile_scale(height: int, width: int) -> int:
    """Return the whole factor of enlargement to at least `SMALL` pixels on the shorter side of a tile."""
    return max(1, math.ceil(SMALL / min(height, width)))


def enlarge(pixels: Pixels, scale: int, smooth: bool = False) -> Pixels:
    """Return (n, c, h, w) with each pixel `scale` times in both directions, or smooth in between.

    Smooth pictures have each pixel unchanged in the middle of its block, at `scale // 2` in both directions.
    """
    if not smooth:
        return pixels.repeat(scale, axis=2).repeat(scale, axis=3)
    down, across = (_weights(side, scale) for side in pixels.shape[2:])
    larger: Pixels = np.rint(down @ pixels.astype(np.float32) @ across.T).clip(0, 255).astype(np.uint8)
    return larger


@lru_cache(8)
def _weights(side: int, scale: int) -> npt.NDArray[np.float32]:
    """Return the weights (side * scale, side) of cubic convolution, mirrored at the ends.

    Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981, a = -1/2: it goes
    through the given values.
    """
    places = (np.arange(side * scale) - scale // 2) / scale
    weights = np.zeros((side * scale, side), np.float32)
    for near in range(-1, 3):
        known = np.floor(places).astype(int) + near
        t = abs(places - known)
        inner, outer = (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
        value = np.where(t <= 1, inner, np.where(t < 2, outer, 0))
        inside = np.where(known < 0, -1 - known, np.where(known >= side, 2 * side - 1 - known, known)).clip(0, side - 1)
        np.add.at(weights, (np.arange(len(places)), inside), value.astype(np.float32))
    return weights


def sheet(pixels: Pixels, columns: int, scale: int) -> Pixels:
    """Lay out pictures (n, c, h, w) as one picture (c, H, W), row by row, with gaps between and around the tiles."""
    n, _, h, w = pixels.shape
    columns = min(columns, n)
    return laid_out(pixels, Grid(n, columns, math.ceil(n / columns), h, w, scale))


def laid_out(pixels: Pixels, grid: Grid, originals: Pixels | None = None) -> Pixels:
    """Return pictures (n, c, h, w) as one picture (c, H, W), with the `originals` (n, c, h, w) before them."""
    width, height = grid.size
    check_size(width * height)
    page = np.full((pixels.shape[1], height, width), PAGE, np.uint8)
    tile_width = grid.width * grid.scale + grid.gap
    for number in range(grid.count):
        y, x = grid.place(number)
        _put(page, pixels[number], y, x, grid)
        if originals is not None:
            _put(page, originals[number], y, x - tile_width, grid)
    return page


def _put(page: Pixels, tile: Pixels, y: int, x: int, grid: Grid) -> None:
    larger = enlarge(tile[None], grid.scale, bool(grid.smooth))[0]
    _, h, w = larger.shape
    page[:, y - grid.gap : y + h + grid.gap, x - grid.gap : x + w + grid.gap] = PAPER
    page[:, y : y + h, x : x + w] = larger


def check_size(pixels: int) -> None:
    """Raise `LimitExceeded` for a sheet or animation too large to make in memory."""
    if pixels > MAX_SHEET:
        raise LimitExceeded(f"one picture of {pixels:,} pixels is over {MAX_SHEET:,}", fix="folder")


def to_pil(pixels: Pixels) -> Image.Image:
    """Return uint8 (c, h, w) as a grey or RGB picture; raises `UsageError` for another c."""
    if len(pixels) not in PICTURED:
        raise not_pictured(len(pixels))
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return (n, c, h, w) scaled to another size, smoothly."""
    if pixels.shape[2:] == (height, width):
        return pixels
    scaled = [np.asarray(to_pil(tile).resize((width, height), Image.Resampling.LANCZOS)) for tile in pixels]
    stacked = np.stack(scaled)
    return stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)
