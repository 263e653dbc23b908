"""Previews: pictures as half blocks in a terminal, on one page of it, in the colours that it has."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aetool.arrays import Pixels
    from aetool.cli.console import Console
    from aetool.images.layout import Layout

LEAST = 11
"""Least width of each of several pictures, in characters."""
TINY = 16
"""Pixels of width below which a terminal shows pictures twice as large."""
KEPT_FREE = 2
"""Lines of a page for a note and for the prompt."""
GAP = 2
"""Characters, and half lines, between pictures."""
LONGEST = 16
"""Characters of the longest label of a row."""
FULL = ("truecolor", "24bit")
"""Values of $COLORTERM of a terminal with 24 bits of colour."""
NAMES_24 = ("-direct", "kitty", "alacritty", "ghostty", "foot", "wezterm", "iterm")
"""Parts of $TERM of such terminals."""
NAMES_256 = ("256color", "xterm", "screen", "tmux", "rxvt")
"""Parts of $TERM of terminals with 256 colours."""


@dataclass(frozen=True)
class Page:
    """The pictures on a page: their numbers, how many are in a row, and the size (height, width) of each in pixels."""

    shown: list[int]
    across: int
    size: tuple[int, int]


def preview(pixels: Pixels, layout: Layout, console: Console) -> str:
    """Return pictures (n, c, h, w) as half blocks within the width and the lines of the terminal.

    Rows of the layout stay rows, with their labels: the first pictures of each, as many as fit. Originals are shown
    before the pictures that are compared with them.
    """
    from aetool.images.encode import half_blocks

    columns, lines = _terminal()
    tiles = _with_originals(pixels, layout)
    row = layout.columns if layout.columns is not None and layout.columns < len(tiles) else None
    rows = layout.labels.rows if layout.labels is not None else ()
    margin = min(LONGEST, max(map(len, rows))) + 1 if rows else 0
    together = len(tiles) // len(pixels)
    page = _page(tiles.shape, row, together, columns - margin, 2 * max(4, lines - KEPT_FREE))
    if len(page.shown) < len(tiles):
        console.note(f"showing {len(page.shown)} of {len(tiles)}; write them with -o")
    drawn = _drawn(tiles[page.shown], page)
    text = half_blocks(drawn, *colours())
    if not rows:
        return text
    names = rows if row is None else [rows[number // row] for number in page.shown[:: page.across]]
    return _labelled(text, names, (page.size[0] + GAP) // 2, margin)


def colours() -> tuple[bool, bool]:
    """Return whether the terminal has colours, and whether it has 256 alone, as its environment says."""
    name = os.environ.get("TERM", "").lower()
    if "NO_COLOR" in os.environ or name == "dumb":
        return False, False
    full = os.environ.get("COLORTERM", "").lower() in FULL or any(part in name for part in NAMES_24)
    if full or "WT_SESSION" in os.environ or (not name and sys.platform == "win32"):
        return True, False
    return any(part in name for part in NAMES_256), True


def _terminal() -> tuple[int, int]:
    """Return the columns and lines of the terminal: of stderr where stdout is none, as before a pager."""
    fallback = 80, 24
    with contextlib.suppress(OSError, ValueError):
        columns, lines = os.get_terminal_size(2)
        fallback = columns or 80, lines or 24
    columns, lines = shutil.get_terminal_size(fallback)
    return max(8, columns), lines


def _with_originals(pixels: Pixels, layout: Layout) -> Pixels:
    """Return the tiles in the order of their showing: originals before the pictures that are compared with them."""
    if layout.originals is None or len(pixels) == 1:
        return pixels
    import numpy as np

    return np.stack([layout.originals, pixels], axis=1).reshape(-1, *pixels.shape[1:])


def _page(shape: tuple[int, ...], row: int | None, together: int, width: int, height: int) -> Page:
    """Return the page for tiles of `shape` (n, c, h, w), as large as all of them can be, else as small as can be seen.

    `width` and `height` are pixels of the page. Rows of `row` tiles stay rows: whole rows, and the first of each;
    `together` tiles stay side by side.
    """
    count, _, high, wide = shape
    largest = min(wide * 2 if wide < TINY else wide, width)
    if count == 1:
        tile = next(tile for tile in range(largest, 0, -1) if _even(high * tile / wide) <= height or tile == 1)
        return Page([0], 1, (_even(high * tile / wide), tile))
    for tile in range(largest, 0, -1):
        size = _even(high * tile / wide), tile
        across, down = max(1, (width - GAP) // (tile + GAP)), max(1, (height - GAP) // (size[0] + GAP))
        across = max(together, across - across % together)
        whole = across * down >= count if row is None else across >= row and down * row >= count
        fits = size[0] + 2 * GAP <= height and tile + 2 * GAP <= width
        if tile > 1 and not (fits and (whole or tile <= LEAST)):
            continue
        if row is None:
            return Page(list(range(min(count, across * down))), min(across, count), size)
        across = min(across, row)
        return Page([i for i in range(count) if i % row < across and i // row < down], across, size)
    raise AssertionError


def _even(height: float) -> int:
    return max(2, 2 * round(height / 2))


def _drawn(tiles: Pixels, page: Page) -> Pixels:
    """Return the tiles of a page as one picture, each scaled to its size."""
    import numpy as np

    from aetool.images.sheet import PAPER, resized

    height, width = page.size
    small = resized(tiles, height, width)
    if len(small) == 1:
        alone: Pixels = small[0]
        return alone
    rows = -(-len(small) // page.across)
    sides = rows * (height + GAP) + GAP, page.across * (width + GAP) + GAP
    paper = np.zeros((tiles.shape[1], *sides), np.uint8)
    for i, tile in enumerate(small):
        y, x = GAP + i // page.across * (height + GAP), GAP + i % page.across * (width + GAP)
        paper[:, y - GAP : y + height + GAP, x - GAP : x + width + GAP] = PAPER
        paper[:, y : y + height, x : x + width] = tile
    return paper


def _labelled(text: str, names: Sequence[str], step: int, margin: int) -> str:
    """Return lines of text with the name of each row, of `step` lines, at its middle."""
    from aetool.errors import printable

    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        row, at = divmod(number - 1, step)
        name = printable(names[row])[:LONGEST] if at == step // 2 - 1 and 0 <= row < len(names) else ""
        lines[number] = name.rjust(margin - 1) + " " + line
    return "".join(lines)
