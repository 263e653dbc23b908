"""Tiles: a sheet that aetool made, cut into its pictures again, each as it was before it was enlarged.

The modules of provenance are imported for a sheet alone: every command that reads pictures imports this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from aetool.errors import InvalidInput
from aetool.images.decode import open_image
from aetool.images.orientation import orientation
from aetool.system.limits import LIMITS, Limits

if TYPE_CHECKING:
    from aetool.images.sheet import Grid

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
"""How the files of sheets begin."""

MARK = b'"grid": {'
"""The grid in the metadata of a sheet, which lies before the pixels."""
EXIF = 1 << 17
"""Bytes at the start of a JPEG that hold its EXIF data, of at most 64 KB."""
MOST = 1_000_000
"""Tiles of the largest sheet: as many as `aetool sample` draws."""
MODES = {"1": "L", "P": "RGB", "L": "L", "RGB": "RGB", "RGBA": "RGBA"}
"""Modes of a sheet, as its tiles are cut."""


class Sheet(NamedTuple):
    """A picture file that calls itself a sheet, and the number of its tiles, 0 where its grid does not fit."""

    path: str
    tiles: int


def says_sheet(data: bytes) -> bool:
    """Return whether a picture file may hold a grid, without opening the file: for other files this costs nothing."""
    if data.startswith(PNG):
        return data.find(MARK, 0, data.find(b"IDAT")) >= 0
    return data.startswith(JPEG) and data.find(MARK, 0, EXIF) >= 0


def tiles_of(data: bytes, limits: Limits = LIMITS) -> tuple[int, Iterator[Image.Image]]:
    """Return the number of tiles of a sheet, and the tiles; 0 and nothing where the grid does not fit the picture.

    Raises `InvalidInput` for a damaged picture, `LimitExceeded`.
    """
    image = open_image(data, limits)
    try:
        grid = _grid(image)
        if grid is None:
            return 0, iter(())
        image.load()
        return grid.count, _tiles(image.convert(MODES[image.mode]), grid)
    except Exception as error:  # of whatever kind Pillow raises
        raise InvalidInput("the image is damaged") from error


def _grid(image: Image.Image) -> Grid | None:
    """Return the grid in the metadata of a picture; None where the picture cannot have been made by it."""
    from aetool.images.provenance import said_by
    from aetool.images.sheet import OPTIONAL, Grid

    said, known = (said_by(image) or {}).get("grid"), Grid.__dataclass_fields__.keys()
    if not isinstance(said, dict) or not known - set(OPTIONAL) <= said.keys() <= known:
        return None
    if not all(type(value) is int and 0 <= value <= MOST for value in said.values()):
        return None
    grid = Grid(**said)
    filled = grid.columns * (grid.rows - 1) < grid.count <= grid.columns * grid.rows
    possible = filled and min(grid.count, grid.height, grid.width, grid.scale) > 0
    upright = orientation(image) == 1
    return grid if possible and upright and grid.size == image.size and image.mode in MODES else None


def _tiles(image: Image.Image, grid: Grid) -> Iterator[Image.Image]:
    """Yield the tiles: each block of scale x scale pixels becomes its mean, of a smooth sheet the pixel in its middle.

    Of a PNG that is exact.
    """
    high, wide, half = grid.height * grid.scale, grid.width * grid.scale, grid.scale // 2
    for number in range(grid.count):
        y, x = grid.place(number)
        tile = image.crop((x, y, x + wide, y + high))
        if grid.smooth:
            import numpy as np

            yield Image.fromarray(np.ascontiguousarray(np.asarray(tile)[half :: grid.scale, half :: grid.scale]))
        else:
            yield tile.reduce(grid.scale) if grid.scale > 1 else tile
