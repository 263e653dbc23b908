"""Reading of whole files, bounded in size, without waiting for devices, sockets or FIFOs."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from aetool.errors import LimitExceeded, ReadWriteError, printable, reason
from aetool.system.special import open_named

MAX_FILE = 1 << 30
"""Bytes of the largest file to read into memory, by default."""
CHUNK = 1 << 20
READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags to open a file to read, without waiting for a writer of a FIFO."""


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` into a `ReadWriteError` with the name of `path`."""
    try:
        yield
    except ReadWriteError:
        raise
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(str(path))}: {reason(error)}") from error


def read_file(path: Path | str, most: int = MAX_FILE, fifo: bool = False) -> bytes:
    """Return the bytes of the regular file `path`; with `fifo` also the bytes of a FIFO with a writer, or a socket.

    Raises `ReadWriteError`, `LimitExceeded` beyond `most` bytes.
    """
    with reading(path):
        try:
            descriptor = open_named(path, READ_ONLY)
        except ValueError:
            fix = "null" if "\0" in str(path) else None
            raise ReadWriteError(f"could not read {printable(str(path))}: no file has such a name", fix) from None
        try:
            data = _bounded(descriptor, path, most, fifo)
        finally:
            os.close(descriptor)
    if data is None:
        kind = "it is a folder" if Path(path).is_dir() else "it is not a regular file"
        raise ReadWriteError(f"could not read {printable(str(path))}: {kind}")
    return data


def read_own(path: Path, most: int) -> bytes | None:
    """Return the bytes of a regular file of at most `most`; None for a link or anything else. Raises `OSError`."""
    try:
        descriptor = os.open(path, READ_ONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            return None
        raise
    try:
        return _bounded(descriptor, path, most, False)
    except LimitExceeded:
        return None
    finally:
        os.close(descriptor)


def _bounded(descriptor: int, path: Path | str, most: int, fifo: bool) -> bytes | None:
    """Return the bytes of an open file, None for anything but a file; raises `LimitExceeded` beyond `most` bytes."""
    status = os.fstat(descriptor)
    is_fifo = fifo and (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode))
    if not stat.S_ISREG(status.st_mode) and not is_fifo:
        return None
    parts, left = [], most if status.st_size <= most else -1
    asked = CHUNK if is_fifo else status.st_size + 1  # a whole file at once; less is its end
    while left >= 0 and (part := _read(descriptor, min(left + 1, asked))):
        parts.append(part)
        left -= len(part)
        if len(part) < asked and not is_fifo:
            break
    if left < 0:
        raise LimitExceeded(f"{printable(str(path))} is larger than the {most >> 20} MiB accepted")
    return b"".join(parts) if parts or not is_fifo else None


def _read(descriptor: int, size: int) -> bytes:
    """Return the next bytes; empty at the end of a file, and for a FIFO without a writer."""
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            import select

            select.select([descriptor], [], [])
