"""Causes outside the program: too little memory, too few processes or files, a working folder that is gone."""

from __future__ import annotations

import errno
import os

from aetool.errors import LimitExceeded, ReadWriteError

MEMORY = "there is not enough memory; free some, raise its limit (ulimit -v), or ask for less (--threads 1)"
PROCESSES = "no more processes or threads can be started; end some, raise their limit (ulimit -u), or use --threads 1"
FILES = "too many files are open; raise their limit (ulimit -n)"
FOLDER = "the working folder is gone; cd to one that is there"
TIME = "the limit of processor time is reached (ulimit -t)"

_NUMBERS = {errno.ENOMEM: MEMORY, errno.EAGAIN: PROCESSES, errno.EMFILE: FILES, errno.ENFILE: FILES}
_TEXTS = {
    "bad_alloc": MEMORY,
    "bad allocation": MEMORY,
    "failed to map segment": MEMORY,
    "allocate memory": MEMORY,
    "out of memory": MEMORY,
    "can't start new thread": PROCESSES,
    "Resource temporarily unavailable": PROCESSES,
    "Too many open files": FILES,
}
"""Words of libraries, which raise errors of any kind."""


def cause(error: BaseException) -> tuple[str, int] | None:
    """Return what the machine lacked, with the next step and the exit code, or None for another error."""
    found = _found(error)
    if found is None:
        return None
    return found, (ReadWriteError if found in (FILES, FOLDER) else LimitExceeded).exit_code


def _found(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return _NUMBERS[error.errno]
    if isinstance(error, FileNotFoundError) and _homeless():
        return FOLDER
    text = str(error)
    return next((meaning for words, meaning in _TEXTS.items() if words in text), None)


def _homeless() -> bool:
    """Return whether the working folder is gone."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False
