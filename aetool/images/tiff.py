"""The extent of a TIFF: how far the directories and parts of the file reach; and its channels."""

from __future__ import annotations

import struct
from collections.abc import Iterator

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by its type."""
WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
PARTS = {273: 279, 324: 325, 513: 514}
"""Tags of the offsets of strips, tiles and thumbnails, and the tags of their sizes."""
INNER = (330, 34665, 34853, 40965)
"""Tags of the offsets of further directories."""
MOST = 1 << 20
"""Entries and values looked at, in all; a hostile file could name one list again and again."""


STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF, in both byte orders."""
SAMPLES_PER_PIXEL = 277
"""The tag of the number of channels."""


def samples_of(data: bytes) -> int | None:
    """Return the channels of the first page of a TIFF, by its tag; None for anything else, or a damaged one."""
    if data[:4] not in STARTS:
        return None
    order, big = "<" if data[0] == 0x49 else ">", b"+" in data[2:4]
    offset, number, row = ("Q", "Q", 20) if big else ("I", "H", 12)
    try:
        (start,) = struct.unpack_from(order + offset, data, 8 if big else 4)
        (count,) = struct.unpack_from(order + number, data, start)
        at = start + struct.calcsize(order + number)
        for place in range(at, at + row * min(count, MOST), row):
            tag, kind = struct.unpack_from(order + "HH", data, place)
            if tag == SAMPLES_PER_PIXEL and kind in WHOLE:
                (samples,) = struct.unpack_from(order + WHOLE[kind], data, place + row - (8 if big else 4))
                return int(samples)
    except struct.error:
        return None
    return 1


def tiff_extent(data: bytes) -> int:
    """Return the end of all parts of a TIFF (Adobe, 6.0; BigTIFF); the length of anything else, or of a damaged one."""
    if data[:4] not in STARTS:
        return len(data)
    try:
        return min(
            len(data), max(_ends(data, "<" if data[0] == 0x49 else ">", b"+" in data[2:4]), default=0) or len(data)
        )
    except (struct.error, MemoryError, OverflowError):
        return len(data)


def _ends(data: bytes, order: str, big: bool) -> Iterator[int]:
    """Yield the ends of the directories and parts of a TIFF; raises `struct.error` for a damaged one."""
    offset, number, row = ("Q", "Q", 20) if big else ("I", "H", 12)
    inline, length = struct.calcsize(order + offset), struct.calcsize(order + number)
    waiting = list(struct.unpack_from(order + offset, data, 8 if big else 4))
    seen: set[int] = set()
    looked = 0
    while waiting:
        start = waiting.pop()
        if start in seen or not start:
            continue
        seen.add(start)
        (count,) = struct.unpack_from(order + number, data, start)
        at = start + length
        values: dict[int, tuple[int, ...]] = {}
        for place in range(at, at + row * count, row):
            tag, kind, n = struct.unpack_from(order + "HH" + offset, data, place)
            size, where = SIZES.get(kind, 1) * n, place + row - inline
            if size > inline:
                (where,) = struct.unpack_from(order + offset, data, where)
            yield where + size
            looked += 1
            if kind in WHOLE and tag in (*PARTS, *PARTS.values(), *INNER):
                looked += n
                if looked > MOST:
                    raise struct.error
                values[tag] = struct.unpack_from(f"{order}{n}{WHOLE[kind]}", data, where)
        yield at + row * count + inline
        waiting += struct.unpack_from(order + offset, data, at + row * count)
        waiting += [start for tag in INNER for start in values.get(tag, ())]
        for tag, sizes in PARTS.items():
            yield from map(sum, zip(values.get(tag, ()), values.get(sizes, ()), strict=False))
