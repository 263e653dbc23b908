"""The standard error of libraries: file descriptor 2, apart from the stream of the program.

What a C library prints while it dies reaches the user; what it prints about a foreign file does not.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from threading import Lock

_lock = Lock()
_users = 0
_real = -1


def own_stderr() -> None:
    """Give the program a stream of its own for stderr, beside file descriptor 2 of the libraries."""
    if sys.stderr is not None and _fileno() == 2:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _fileno() -> int:
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return -1


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what libraries print on file descriptor 2 from the user; without effect before `own_stderr`.

    Threads share a single redirection.
    """
    global _users, _real
    if _fileno() <= 2:
        yield
        return
    with _lock:
        if not _users:
            _real = os.dup(2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                os.dup2(_real, 2)
                os.close(_real)


@contextlib.contextmanager
def silenced(*descriptors: int) -> Iterator[None]:
    """Point open file descriptors, as 1 and 2, at nowhere, in a process that has no words of its own meanwhile."""
    nowhere, kept = os.open(os.devnull, os.O_WRONLY), {}
    for one in descriptors:
        with contextlib.suppress(OSError):
            kept[one] = os.dup(one)
            os.dup2(nowhere, one)
    os.close(nowhere)
    try:
        yield
    finally:
        for one, copy in kept.items():
            os.dup2(copy, one)
            os.close(copy)
