"""Outputs and inputs that are no regular files: pipes and devices, and open descriptors by name, as /dev/stdout."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path

STDOUT, STDERR = 1, 2
_STREAMS = {"/dev/stdin": 0, "/dev/stdout": STDOUT, "/dev/stderr": STDERR}
_NUMBERED = re.compile(r"/(?:dev|proc/(self|thread-self|[0-9]+))/fd/([0-9]{1,9})")
_LINKS = 40
"""Links followed from a name to a descriptor, as many as Linux follows."""


def descriptor_of(path: Path | str) -> int | None:
    """Return the descriptor of this process that a path names (/dev/stdout, /dev/fd/3, a link there), else None."""
    name = os.fspath(path)
    for _ in range(_LINKS):
        if name in _STREAMS:
            return _STREAMS[name]
        match = _NUMBERED.fullmatch(name)
        if match and match[1] in (None, "self", "thread-self", str(os.getpid())):
            return int(match[2])
        try:
            name = os.path.join(os.path.dirname(name), os.readlink(name))  # noqa: PTH115, PTH118, PTH120
        except (OSError, ValueError):
            return None
    return None


def is_special(path: Path | str) -> bool:
    """Return whether a path exists and is to be written as it is named: no folder, and no file to be replaced."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or descriptor_of(path) is not None)


def open_special(path: Path | str) -> int:
    """Return a descriptor to write to what `is_special`; of a name of an open one, its duplicate. Raises `OSError`."""
    number = descriptor_of(path)
    if number is None:
        return os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    return os.dup(sys.stderr.fileno() if number == STDERR and sys.stderr is not None else number)


def open_named(path: Path | str, flags: int) -> int:
    """Return a descriptor to read a path; of a socket named as /dev/stdin, a duplicate. Raises `OSError`."""
    try:
        return os.open(path, flags)
    except OSError as error:
        number = descriptor_of(path) if error.errno == errno.ENXIO else None
        if number is None:
            raise
        return os.dup(number)


def spool_folder(path: Path) -> Path:
    """Return the folder for unfinished data of a file: that of the file, or the temporary folder for devices."""
    import tempfile

    return Path(tempfile.gettempdir()) if is_special(path) else Path(os.path.realpath(path)).parent


def is_terminal(path: Path | str) -> bool:
    """Return whether a path names a terminal."""
    number = descriptor_of(path)
    if number is not None:
        return os.isatty(number)
    try:
        if not stat.S_ISCHR(os.stat(path).st_mode):  # noqa: PTH116
            return False
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)
