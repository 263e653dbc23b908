"""Pictures in a stream, one behind the other, each cut where its own format ends it (see `endings`)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from aetool.images.endings import ENDINGS, HEAD, Short, Window
from aetool.images.tiff import tiff_extent
from aetool.system.reading import MAX_FILE

JPEG = b"\xff\xd8\xff"
STARTS = re.compile(rb"\x89PNG\r\n\x1a\n|GIF8[79]a|\xff\xd8\xff[\xdb\xe0\xe1\xee]")
"""Beginnings of files that hardly occur inside others."""
BLANKS = b"\0\t\n\r "
BLANK = re.compile(rb"(?:(?!\0\0..ftyp)[\0\t\n\r ])+", re.DOTALL)
"""Bytes behind a picture that belong to no picture and are not worth a word."""


def pictures_in(stream: BinaryIO, tell: Callable[[int, int], None], most: int = MAX_FILE) -> Iterator[bytes]:
    """Yield the bytes of each picture of a stream, one at a time, each of at most `most` bytes.

    Bytes of an unknown format at the start are yielded as one picture, and so are the bytes of an empty stream. `tell`
    is called with the number of the last picture and the count of bytes behind it, where some were left out. Raises
    `LimitExceeded`.
    """
    window, number = Window(stream, most), 0
    while not number or _begins(window):
        number += 1
        data = window.take(_end(window))
        yield data
        extent = tiff_extent(data)
        if data[extent:].strip(BLANKS):
            tell(number, len(data) - extent)
    behind = window.drain()
    if behind:
        tell(number, behind)


def _begins(window: Window) -> bool:
    """Return whether a picture of a known format begins at the start of the window, or behind blank bytes there."""
    window.upto(HEAD)
    while not _ending(window) and (blank := BLANK.match(window.data)):
        window.drop(blank.end())
        window.upto(HEAD)
    return _ending(window) is not None


def _ending(window: Window) -> Callable[[Window], int] | None:
    """Return the function that finds the end of the picture at the start of the window, None for an unknown format."""
    return next((ending for begins, ending in ENDINGS if begins.match(window.data)), None)


def _next_start(window: Window) -> int | None:
    """Return where the picture behind a damaged one begins, None where no other begins as certainly."""
    if window.data.startswith((b"II", b"MM")):  # a TIFF, whose parts may lie anywhere
        return None
    window.upto(window.most)
    jpeg = window.data.startswith(JPEG)  # which may hold a preview
    found = STARTS.search(window.data, 1)
    while found and jpeg and found[0].startswith(JPEG):
        found = STARTS.search(window.data, found.end())
    return found.start() if found else None


def _end(window: Window) -> int | None:
    """Return the end of the picture at the start of the window; None for the end of the stream."""
    window.upto(HEAD)
    ending = _ending(window)
    try:
        end = ending(window) if ending else None
    except (Short, struct.error):  # the stream ends within the picture, or the picture is damaged
        return _next_start(window)
    return end if end and end > 0 else None
