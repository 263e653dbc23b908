"""The process of the program: its signals, its three streams, and its end."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from aetool.cli.console import say
from aetool.errors import LevelsGuessed, PipeClosed, ReadWriteError


class Terminated(BaseException):
    """SIGTERM as an exception: unwinds like KeyboardInterrupt, so temporary files are removed."""


_signals: list[int] = []
"""Numbers of the received signals."""


SOON = 0.02
"""Seconds until a signal is raised again after a place where exceptions are lost."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the command, later where exceptions are lost: during the import of extension modules, and after a fork."""
    _signals.append(number)
    if hasattr(signal, "setitimer") and _losing(frame):
        signal.signal(signal.SIGALRM, lambda _, frame: _interrupt(number, frame))
        signal.setitimer(signal.ITIMER_REAL, SOON)
        return
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _losing(frame: FrameType | None) -> bool:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or name.endswith("popen_fork.py"):
            return True
        frame = frame.f_back
    return False


def _silence_libraries() -> None:
    """Keep the output of C libraries on file descriptor 2 (libtiff, ONNX Runtime) out of stderr."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: or the next file opened would take its place, and what libraries print
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None or os.environ.get("AETOOL_DEBUG") == "1":
        return
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


GC_THRESHOLD = 50_000
"""Objects between two collections: at Python's 700 (2,000 since 3.13), imports alone cause a hundred of them."""


def signals() -> list[int]:
    """Return the numbers of the received signals."""
    return _signals


def main(run: Callable[[list[str]], int]) -> NoReturn:
    """Run the command line of this process with `run`, and leave with its exit code."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    _silence_libraries()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn of damaged files in lines that are not ours
        warnings.filterwarnings("default", category=LevelsGuessed)
        warnings.showwarning = lambda message, *_, **__: say(f"aetool: warning: {message}")
    code = run(sys.argv[1:])
    if code == PipeClosed.exit_code and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains at exit that it cannot flush
    if os.environ.get("AETOOL_DEBUG") == "1":
        sys.exit(code)
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process at once: all output is written, and the regular shutdown of ONNX Runtime costs tens of ms."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        code = code or ReadWriteError.exit_code
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def first_signal() -> Iterator[list[int]]:
    """Give a list for the first SIGINT or SIGTERM; a second signal ends the process at once."""
    seen: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
