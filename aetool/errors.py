"""Errors of aetool, each kind with the exit code of a command.

Every error of a user is an `AetoolError`, raised where the cause is known and caught once, in `cli.app`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeVar

T = TypeVar("T")

MOST_NAMES, MOST_LETTERS = 20, 400
"""Names, and letters of names, that a message lists at most."""


class AetoolError(Exception):
    """Base of all errors of aetool.

    `exit_code` is the exit code of a command. The message states a fact in one sentence; `fix` names the next step,
    which the command line words with its own flags (`aetool.cli.fixes`).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", fix: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix


class UsageError(AetoolError, ValueError):
    """An unknown name, or options that exclude each other."""

    exit_code = 2


class SomeInputsFailed(AetoolError):
    """Some inputs failed, each named at its failure; the others were processed."""

    exit_code = 3


class InvalidInput(AetoolError, ValueError):
    """An input cannot be used: no image, no latents, or latents of another model."""

    exit_code = 4


class BundleError(AetoolError, ValueError):
    """A bundle or checkpoint is missing, damaged or refused, or does not compute what it should."""

    exit_code = 5


class LimitExceeded(AetoolError):
    """A size beyond an accepted limit."""

    exit_code = 6


class ReadWriteError(AetoolError, OSError):
    """A file or stream could not be read or written."""

    exit_code = 7


class DeviceUnavailable(AetoolError, RuntimeError):
    """The named device is unavailable."""

    exit_code = 8


class ThresholdPassed(AetoolError):
    """A figure is beyond the user's threshold."""

    exit_code = 9


class RunInUse(AetoolError):
    """Another process works in this run folder."""

    exit_code = 11


class ProcessEnded(AetoolError):
    """Another process of a training ended, so this one does; without a message where another process says why."""

    exit_code = 10


class PipeClosed(AetoolError):
    """The reader of stdout went away, as `head` does: no message, and the code a shell gives for SIGPIPE."""

    exit_code = 141


class LevelsGuessed(UserWarning):
    """Nothing in a picture says which number is white, so the numbers of the picture or of its folder decide."""


class LastKnown(UserWarning):
    """A hub could not be reached, and the last known commit of a model is used."""


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return `table[name]`; raises `UsageError` with all names and the nearest one."""
    if name in table:
        return table[name]
    raise UsageError(f'no {kind} "{name}"{did_you_mean(name, list(table))}; there is {some(table)}')


def some(names: Iterable[str]) -> str:
    """Return names with commas between them, a long list cut: "a, b, c and 1,197 more"."""
    whole = list(names)
    shown, length = 0, 0
    while shown < min(len(whole), MOST_NAMES) and (not shown or length + len(whole[shown]) <= MOST_LETTERS):
        length += len(whole[shown])
        shown += 1
    rest = f" and {len(whole) - shown:,} more" if shown < len(whole) else ""
    return ", ".join(whole[:shown]) + rest


def did_you_mean(name: str, names: list[str]) -> str:
    """Return ' (did you mean "X"?)' for the nearest of `names`, empty without a near name."""
    from difflib import get_close_matches

    nearest = get_close_matches(name, names, n=1)
    return f' (did you mean "{nearest[0]}"?)' if nearest else ""


def reason(error: OSError) -> str:
    """Return the system's text of an error ("No such file or directory"), without number and path."""
    return error.strerror or str(error) or type(error).__name__


def printable(text: str) -> str:
    """Return `text` fit for a terminal: control characters and undecodable bytes as backslash escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
