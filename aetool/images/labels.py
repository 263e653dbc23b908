"""Labels: short texts in the margins of a sheet, in the font that Pillow has built in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from aetool.arrays import Pixels
from aetool.images.sheet import PAGE, Grid

SIZES = 11, 18
"""Smallest and largest font, in pixels."""
INK = 40
"""Grey level of text."""
AROUND = 4
"""Pixels around a text."""
WIDEST = 160
"""Pixels of the widest label of a row."""
NO_GLYPH = "\ue000"
"""A character for private use, of which no font knows the shape."""


@dataclass(frozen=True)
class Words:
    """The words on a sheet: of each row, and of each tile, "" for none.

    `spread` lets the words of a tile reach over tiles beside it that have none.
    """

    rows: tuple[str, ...] = ()
    tiles: tuple[str, ...] = ()
    spread: bool = False


def can_draw() -> bool:
    """Return whether Pillow draws its font here: it was built with FreeType, as all its wheels are."""
    return bool(features.check_module("freetype2"))


def legible(texts: Sequence[str], instead: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return texts, for those with characters that the font lacks what is `instead`, and the texts left out."""
    font = _font(SIZES[0])
    lacking = {text for text in texts if not _known(text, font)}
    shown = tuple(other if text in lacking else text for text, other in zip(texts, instead, strict=True))
    return shown, tuple(text for text in dict.fromkeys(texts) if text in lacking)


def labelled(grid: Grid, labels: Words) -> Grid:
    """Return the grid with room for labels."""
    font = _font(_size(grid))
    widest = max((font.getlength(text) for text in labels.rows), default=0)
    left = round(min(widest, WIDEST)) + 2 * AROUND if labels.rows else 0
    below = _height(font) + AROUND if any(labels.tiles) else 0
    return replace(grid, left=left, below=below)


def draw(page: Pixels, grid: Grid, labels: Words) -> Pixels:
    """Return a sheet (c, H, W) of a grid made by `labelled`, with the words in its margins."""
    width, height = grid.size
    paper = Image.new("L", (width, height), PAGE)
    drawing, font = ImageDraw.Draw(paper), _font(_size(grid))
    for row, text in enumerate(labels.rows[: grid.rows]):
        y = grid.place(row * grid.columns)[0] + grid.height * grid.scale / 2
        place = grid.left - AROUND, y
        drawing.text(place, _cut(text, font, grid.left - AROUND), INK, font, "rm")
    for number, text in enumerate(labels.tiles):
        if text:
            _under(drawing, font, grid, labels, number)
    inked: Pixels = np.minimum(page, np.asarray(paper))
    return inked


def _under(drawing: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, grid: Grid, labels: Words, number: int) -> None:
    """Write the label of a tile in the middle below it, and of a pair below both, as far as there is room."""
    y, end = grid.place(number)
    wide, high = grid.width * grid.scale, grid.height * grid.scale
    start, end = end - (wide + grid.gap if grid.before else 0), end + wide
    shown = _cut(labels.tiles[number], font, _spread(grid, labels, number) if labels.spread else end - start)
    half = font.getlength(shown) / 2
    middle = min(max((start + end) / 2, half + grid.gap), grid.size[0] - half - grid.gap)
    drawing.text((middle, y + high + grid.gap + AROUND // 2), shown, INK, font, "ma")


def _spread(grid: Grid, labels: Words, number: int) -> int:
    """Return the pixels of a label that reaches half way to the nearest other one; tiles are in one row."""
    others = [abs(number - i) for i, text in enumerate(labels.tiles) if text and i != number]
    return min(others, default=grid.columns) * grid.step[1] - 2 * AROUND


def _known(text: str, font: ImageFont.FreeTypeFont) -> bool:
    missing = bytes(font.getmask(NO_GLYPH))
    return all(character == " " or bytes(font.getmask(character)) != missing for character in set(text))


def _cut(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """Return a text, its end left out where it is too long for the room in pixels."""
    if font.getlength(text) <= room:
        return text
    kept = next((n for n in range(len(text) - 1, 0, -1) if font.getlength(text[:n] + "\u2026") <= room), 0)
    return text[:kept] + "\u2026" if kept else ""


def _size(grid: Grid) -> int:
    """Return the size of the font beside tiles of a size."""
    return min(max(SIZES[0], min(grid.height, grid.width) * grid.scale // 6), SIZES[1])


def _height(font: ImageFont.FreeTypeFont) -> int:
    ascent, descent = font.getmetrics()
    return ascent + descent


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
