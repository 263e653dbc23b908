"""Orientation: which way a picture is stored, from its EXIF or XMP data as far as these can be read.

Pillow's own turning writes the EXIF data anew and fails where one entry is broken; here only the pixels turn.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from PIL import Image

ORIENTATION = 0x0112
"""Tag of EXIF and TIFF."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by orientation."""
TURNED = 5
"""From this orientation on, width and height are exchanged."""
FROM_RIGHT, FROM_BELOW = (2, 3, 6, 7), (3, 4, 7, 8)
"""Orientations whose first upright column, or row, is the last that is stored."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
NUMBERS = {3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}
"""Types of whole numbers in EXIF data, as `struct` calls them; a byte, a text or "undefined" is no orientation."""
XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def turned_by_pillow(image: Image.Image) -> bool:
    """Return whether Pillow turns the picture itself: a TIFF with the tag, which has its upright size when opened."""
    return ORIENTATION in getattr(image, "tag_v2", ())


def orientation(image: Image.Image) -> int:
    """Return the orientation of a picture, 1 for an upright one and for one that cannot be read.

    A PNG is loaded before: its metadata may lie behind the pixels.
    """
    try:
        found = Image.Image.getexif(image).get(ORIENTATION)  # of a PNG its own method loads the picture again
        if found is not None:
            return int(found) if found in TURNS else 1
    except Exception:
        found = None  # broken data of another entry, for which Pillow gives up the rest: that is read below
    info = image.info
    found = _in_exif(info["exif"]) if "exif" in info else None
    if found is None and ("xmp" in info or "XML:com.adobe.xmp" in info):
        found = _in_xmp(info.get("XML:com.adobe.xmp") or info["xmp"])
    return found if found in TURNS else 1


def upright_place(turn: int, size: tuple[int, int], part: tuple[float, float]) -> Box:
    """Return where the top left `part` (width, height) of a stored picture of `size` lies in the upright picture."""
    if turn >= TURNED:
        size, part = size[::-1], part[::-1]
    x = size[0] - part[0] if turn in FROM_RIGHT else 0
    y = size[1] - part[1] if turn in FROM_BELOW else 0
    return x, y, x + part[0], y + part[1]


def _in_exif(data: Any) -> int | None:
    """Return the orientation in EXIF data, whatever else is broken in them; None without a number there."""
    if not isinstance(data, bytes):
        return None
    data = re.sub(b"^(Exif\0\0){1,2}", b"", data)
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    try:
        (start,) = struct.unpack_from(order + "L", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12) if order else ():
            tag, kind, values = struct.unpack_from(order + "HHL", data, entry)
            if tag == ORIENTATION and kind in NUMBERS and values:
                place = entry + 8
                if values * struct.calcsize(order + NUMBERS[kind]) > 4:
                    (place,) = struct.unpack_from(order + "L", data, place)
                return int(struct.unpack_from(order + NUMBERS[kind], data, place)[0])
    except struct.error:
        pass  # cut short
    return None


def _in_xmp(text: Any) -> int | None:
    """Return the orientation in XMP data, None without one."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    found = XMP.search(data) if isinstance(data, bytes) else None
    return int(found[1]) if found else None
