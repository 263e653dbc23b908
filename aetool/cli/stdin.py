"""Stdin as bytes, handed out once a command."""

from __future__ import annotations

import sys
from typing import BinaryIO

from aetool.errors import ReadWriteError, UsageError

TWICE = "stdin (-) can be read once, and is named more than once; name a file instead"

_handed_out: list[BinaryIO] = []
"""Stdin, once a command has taken it."""


def stdin() -> BinaryIO:
    """Return stdin as bytes, once a command.

    Raises `UsageError` the second time and where a person sits at a terminal, `ReadWriteError` where stdin is closed.
    """
    if sys.stdin is None:
        raise ReadWriteError("stdin is closed; name a file instead")
    if sys.stdin.isatty():
        raise UsageError("nothing is piped into stdin; name a file, or pipe something in")
    if _handed_out:
        raise UsageError(TWICE)
    _handed_out.append(sys.stdin.buffer)
    return sys.stdin.buffer


def take_stdin_back() -> None:
    """Let the next command of this process have stdin."""
    _handed_out.clear()


def check_stdin(*names: str | None) -> None:
    """Raise `UsageError` where more than one of the inputs of a command is stdin, before anything is read."""
    if names.count("-") > 1:
        raise UsageError(TWICE)
