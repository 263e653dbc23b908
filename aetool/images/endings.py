"""The ends of pictures in a stream: where the bytes of a picture end, by the rules of its format.

PNG (third edition, 5.3): the chunk IEND. JPEG (ITU-T T.81, B.1): the marker EOI, and that of its further images in the
MP index (CIPA DC-007, 5.2.3). GIF89a: the trailer. WebP (RFC 9649), BMP and PNM (netpbm): sizes in the header. AVIF and
HEIF (ISO 14496-12, 4.2): the box before the next `ftyp`. A TIFF may hold its parts anywhere: it takes all that follows.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import BinaryIO

from aetool.errors import LimitExceeded

HEAD = 32
"""Bytes by which the formats are told apart."""
BLOCK = 1 << 16
"""Bytes read at a time."""


class Short(Exception):
    """The stream ends before the picture does, or the picture does not follow its format."""


class Window:
    """The bytes of a stream from the start of a picture, read as far as asked for, at most `most`."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream, self.most, self.data = stream, most, bytearray()

    def upto(self, size: int) -> int:
        """Read on to `size` bytes, fewer at the end of the stream; return how many there are."""
        while len(self.data) < size:
            part = self.stream.read1(BLOCK)  # type: ignore[attr-defined]
            if not part:
                break
            self.data += part
            if len(self.data) > self.most + BLOCK:
                raise LimitExceeded(f"a picture on stdin is larger than the {self.most >> 20} MiB accepted")
        return len(self.data)

    def get(self, start: int, size: int) -> bytes:
        """Return `size` bytes from `start`; raises `Short` where the stream ends before."""
        if self.upto(start + size) < start + size:
            raise Short
        return bytes(self.data[start : start + size])

    def take(self, end: int | None) -> bytes:
        """Return the bytes up to `end`, or all that are left, and forget them; raises `LimitExceeded`."""
        there = self.upto(self.most + 1 if end is None else end)
        size = there if end is None else min(end, there)
        if size > self.most:
            raise LimitExceeded(f"a picture on stdin is larger than the {self.most >> 20} MiB accepted")
        taken = bytes(self.data) if size == there else bytes(self.data[:size])
        self.drop(size)
        return taken

    def drop(self, size: int) -> None:
        """Forget the first `size` bytes."""
        del self.data[:size]

    def drain(self) -> int:
        """Read the stream to its end, and return how many bytes were left, less blank ones."""
        count = len(self.data.strip(b"\0\t\n\r "))
        self.data.clear()
        while part := self.stream.read1(BLOCK):  # type: ignore[attr-defined]
            count += len(part)
        return count


def _png(window: Window) -> int:
    at = 8
    while True:
        size, kind = _sized(window, at)
        if not kind.isalpha():
            raise Short
        at += 12 + size
        if kind == b"IEND":
            return at


def _sized(window: Window, at: int) -> tuple[int, bytes]:
    """Return the size and the name of a chunk or box."""
    return int.from_bytes(window.get(at, 4), "big"), window.get(at + 4, 4)


MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker within the data of a scan; FF00 is a byte of data, and D0 to D7 are restarts."""
ALONE = frozenset([0x01, *range(0xD0, 0xD8)])
"""Markers without a length."""


def _jpeg(window: Window) -> int:
    end, further = _jpeg_image(window, 0)
    for start in sorted(further):
        if start >= end and window.upto(start + 3) >= start + 3 and window.data.startswith(b"\xff\xd8\xff", start):
            end, _ = _jpeg_image(window, start)
    return end


def _jpeg_image(window: Window, start: int) -> tuple[int, list[int]]:
    """Return the end of the JPEG image at `start`, and the starts of its further images by its MP index."""
    at = start + 2
    further: list[int] = []
    while True:
        first, kind = window.get(at, 2)
        if first != 0xFF or kind == 0xD8:
            raise Short
        if kind == 0xD9:
            return at + 2, further
        if kind == 0xFF or kind in ALONE:
            at += 1 if kind == 0xFF else 2
            continue
        (size,) = struct.unpack(">H", window.get(at + 2, 2))
        if kind == 0xE2 and window.get(at, 2 + size)[4:8] == b"MPF\0":
            further = [at + 8 + offset for offset in _further(window.get(at, 2 + size)[8:])]
        at += 2 + size
        if kind == 0xDA:
            at = _scan_end(window, at)
            if window.data[at + 1] == 0xD8:  # no end, and the next picture begins
                return at, further


def _scan_end(window: Window, at: int) -> int:
    """Return the position of the first marker from `at` on."""
    while True:
        there = window.upto(at + 2)
        if match := MARKER.search(window.data, at):
            return match.start()
        if there < at + 2:
            raise Short
        at = there - 1


def _further(index: bytes) -> list[int]:
    """Return the offsets of further images in an MP index, from the start of the index; none for a damaged one."""
    order = "<" if index.startswith(b"II*\0") else ">"
    try:
        (at,) = struct.unpack_from(order + "I", index, 4)
        (count,) = struct.unpack_from(order + "H", index, at)
        tags = [struct.unpack_from(order + "HHII", index, at + 2 + 12 * i) for i in range(count)]
        entries = next(((size, value) for tag, _, size, value in tags if tag == 0xB002), (0, 0))
        offsets = [struct.unpack_from(order + "I", index, entries[1] + i + 8)[0] for i in range(0, entries[0], 16)]
    except struct.error:
        return []
    return [offset for offset in offsets if offset]


def _gif(window: Window) -> int:
    at = 13 + _table(window.get(10, 1)[0])
    while True:
        kind = window.get(at, 1)[0]
        if kind == 0x3B:
            return at + 1
        if kind == 0x21:
            at = _blocks_end(window, at + 2)
        elif kind == 0x2C:
            at = _blocks_end(window, at + 11 + _table(window.get(at + 9, 1)[0]))
        elif kind == 0:
            at += 1
        else:  # no trailer
            return at


def _table(flags: int) -> int:
    """Return the bytes of the colour table that the flags of a GIF declare."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks_end(window: Window, at: int) -> int:
    while size := window.get(at, 1)[0]:
        at += 1 + size
    return at + 1


def _webp(window: Window) -> int:
    (size,) = struct.unpack("<I", window.get(4, 4))
    return 8 + int(size)


def _bmp(window: Window) -> int:
    size, offset, header = struct.unpack("<I4xII", window.get(2, 16))
    if header == 12:
        width, height, bits = struct.unpack("<HH2xH", window.get(18, 8))
        packing = body = 0
    else:
        width, height, bits, packing, body = struct.unpack("<ii2xHII", window.get(18, 20))
    if packing in (0, 3, 6):  # no compression
        body = (width * bits + 31) // 32 * 4 * abs(height)
    end = int(offset + body)
    if size > end and window.upto(end + HEAD) > end > 0 and any(b.match(window.data, end) for b, _ in ENDINGS):
        return end
    return int(max(size, end))  # of size 0, as some write, the pixels; a colour profile may lie behind them


NUMBER = rb"(?:\s|#[^\r\n]*[\r\n])+(-?[0-9.]+)"
BITMAP = re.compile(rb"P[14]" + NUMBER * 2 + rb"\s")
LEVELS = re.compile(rb"P[2356f]" + NUMBER * 3 + rb"\s")
BIT = re.compile(rb"#[^\r\n]*|[01]")
SAMPLE = re.compile(rb"#[^\r\n]*|[0-9]+")
"""A bit or a number of a plain PNM, or a comment."""


def _pnm(window: Window) -> int:
    window.upto(1 << 12)
    kind = window.data[1:2]
    header = (BITMAP if kind in b"14" else LEVELS).match(window.data)
    try:
        if header is None:
            raise Short
        width, height = int(header[1]), int(header[2]) * (3 if kind in b"36" else 1)
        if kind in b"123":
            return _plain_end(window, header.end(), width * height, BIT if kind == b"1" else SAMPLE)
        row = -(-width // 8) if kind == b"4" else width * (4 if kind == b"f" else 1 if int(header[3]) < 256 else 2)
    except ValueError:
        raise Short from None
    return header.end() + row * height


def _plain_end(window: Window, at: int, count: int, sample: re.Pattern[bytes]) -> int:
    """Return the end of `count` samples written as text from `at` on."""
    size = BLOCK
    while True:
        ended = window.upto(at + size) < at + size
        for match in sample.finditer(window.data, at):
            if match.end() == len(window.data) and not ended:
                break  # it may go on
            at = match.end()
            count -= not match[0].startswith(b"#")
            if count <= 0:
                return at
        if ended:
            raise Short
        size *= 2


BOXES = frozenset(b"ftyp styp meta meco moov moof mdat mini free skip wide uuid pdin sidx mfra".split())
"""Boxes at the top of a file."""


def _boxes(window: Window) -> int:
    at = 0
    while window.upto(at + 8) >= at + 8:
        size, kind = _sized(window, at)
        if size == 1:
            (size,) = struct.unpack(">Q", window.get(at + 8, 8))
        if kind not in BOXES or (at and kind == b"ftyp") or 0 < size < 8:
            return at
        if not size:  # a last box, to the end of the stream
            raise Short
        at += size
    return at


def _rest(_window: Window) -> int:
    raise Short


ENDINGS: tuple[tuple[re.Pattern[bytes], Callable[[Window], int]], ...] = tuple(
    (re.compile(begins, re.DOTALL), ending)
    for begins, ending in (
        (rb"\x89PNG\r\n\x1a\n", _png),
        (rb"\xff\xd8\xff", _jpeg),
        (rb"GIF8[79]a", _gif),
        (rb"RIFF.{4}WEBP", _webp),
        (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", _bmp),
        (rb"P[1-6f][\s#]", _pnm),
        (rb".{4}ftyp(?:avi|hei|hev|mif|msf)", _boxes),
        (rb"II[*+]\0|MM\0[*+]", _rest),
    )
)
"""How the pictures of a format begin, and the function that finds their end."""
