"""Lists of file names, as --files-from takes them: a name a line, or names that end with NUL; from any system."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from typing import IO

CHUNK = 1 << 16
LOOK = 1 << 12
"""Bytes in which UTF-16 shows."""
UTF8, UTF16 = codecs.BOM_UTF8, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks, which editors and shells of Windows write before a text."""


def listed_names(stream: IO[bytes], null: bool = False) -> Iterator[str]:
    """Yield the names in a list as they come; `null` for names that end with NUL instead of a newline.

    Byte order marks, UTF-16 and carriage returns of Windows are understood; a file whose name really has them is found
    first. A line with NUL bytes, as of names that end with NUL, stays a name, of which there can be no file.
    """
    end, rest = b"\0" if null else b"\n", b""
    for chunk in _utf8(stream):
        *whole, rest = (rest + chunk).split(end)
        yield from (_name(name, null) for name in whole if name.strip(b"\r"))
    if rest.strip(b"\r"):
        yield _name(rest, null)


def _name(line: bytes, null: bool) -> str:
    """Return a name of the list, without the marks of Windows unless such a file exists."""
    plain = line.removeprefix(UTF8)
    if not null and b"\0" not in line:
        plain = plain.removesuffix(b"\r")
    return os.fsdecode(line if plain != line and os.path.lexists(line) else plain)


def _utf8(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a stream as they come, UTF-16 with a byte order mark as UTF-8."""
    head = b""
    while len(head) < LOOK and any(mark.startswith(head[:2]) for mark in UTF16) and (more := _next(stream)):
        head += more
        if b"\0" in head[2:]:  # which no name holds, and every end of a line in UTF-16
            break
    if head[:2] in UTF16 and b"\0" in head[2:]:
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(head).encode("utf-8", "surrogateescape")
        while more := _next(stream):
            yield decoder.decode(more).encode("utf-8", "surrogateescape")
        return
    yield head
    while more := _next(stream):
        yield more


def _next(stream: IO[bytes]) -> bytes:
    chunk: bytes = stream.read1(CHUNK)  # type: ignore[attr-defined]
    return chunk
