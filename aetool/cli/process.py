"""The process of the program: its signals, its three streams, and its end."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from threading import Event, Thread
from types import FrameType
from typing import Any, NoReturn

from aetool.cli.causes import PROCESSES, TIME
from aetool.cli.console import say
from aetool.errors import LastKnown, LevelsGuessed, PipeClosed, ReadWriteError
from aetool.system.quiet import own_stderr


class Terminated(BaseException):
    """SIGTERM as an exception: unwinds like KeyboardInterrupt, so temporary files are removed."""


class Starved(BaseException):
    """The end of a command that the machine gives no more threads or time; the text says what."""


_signals: list[int] = []
"""Numbers of the received signals."""


OUT_OF_TIME: int = getattr(signal, "SIGXCPU", 0)
"""Signal at the limit of processor time, 0 where there is none."""
LAST_SECONDS = 10
"""Processor time before a hard limit that is left to end the evaluation of an epoch, and to save the run."""
MANY_THREADS = (["train"], ["export"], ["import"], ["evaluate"])
"""Commands that compute with all cores, and say with how many."""
POOLS = 3
"""Pools of threads in a process that trains: NumPy, SciPy and torch bring one each."""
SOON = 0.02
"""Seconds until a signal is raised again after a place where exceptions are lost."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the command by a signal; a SIGINT that OpenBLAS raises where it gets no threads is told as what it is."""
    if number == signal.SIGINT and _losing(frame) and not can_start(1):
        _end(Starved(PROCESSES), frame)
    else:
        if number != OUT_OF_TIME:
            _signals.append(number)
        _end(error_of(number), frame)


def error_of(number: int) -> BaseException:
    """Return the exception that ends a command for the signal `number`."""
    if number == OUT_OF_TIME:
        return Starved(TIME)
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


def _end(error: BaseException, frame: FrameType | None) -> None:
    """Raise, later where exceptions are lost: during the import of extension modules, and after a fork."""
    if hasattr(signal, "setitimer") and _losing(frame):
        signal.signal(signal.SIGALRM, lambda _, frame: _end(error, frame))
        signal.setitimer(signal.ITIMER_REAL, SOON)
        return
    raise error


def can_start(count: int) -> bool:
    """Return whether `count` more threads can be started, all at a time."""
    ended = Event()
    threads = [Thread(target=ended.wait) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:
        return False
    finally:
        ended.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return True


def _losing(frame: FrameType | None) -> bool:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib") or name.endswith("popen_fork.py"):
            return True
        frame = frame.f_back
    return False


def _prepare_streams() -> None:
    """Keep the three streams from other files, and stderr from what libraries print; crashes are told there."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: or the next file opened would take its place, and what libraries print
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        return
    if os.environ.get("AETOOL_DEBUG") != "1":
        own_stderr()
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        faulthandler.enable(sys.stderr, all_threads=False)


def _prepare_signals() -> None:
    """Handle signals; a signal that the parent process ignores stays ignored, as in the background of a script."""
    for number in (signal.SIGINT, signal.SIGTERM, *((OUT_OF_TIME,) if OUT_OF_TIME else ())):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if soft == hard > 1 and hard != resource.RLIM_INFINITY:  # or the process is killed before it can say so
            resource.setrlimit(resource.RLIMIT_CPU, (hard - max(1, min(hard // 3, LAST_SECONDS)), hard))


def limit_blas(threads: int) -> None:
    """Let OpenBLAS, once NumPy is imported, start no more than `threads`, unless the environment says how many.

    Where so many cannot be started, OpenBLAS would end the process: then one.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        os.environ["OPENBLAS_NUM_THREADS"] = str(threads if can_start(POOLS * (threads - 1)) else 1)


GC_THRESHOLD = 50_000
"""Objects between two collections: at Python's 700 (2,000 since 3.13), imports alone cause a hundred of them."""


def signals() -> list[int]:
    """Return the numbers of the received signals."""
    return _signals


def main(run: Callable[[list[str]], int]) -> NoReturn:
    """Run the command line of this process with `run`, and leave with its exit code."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    _prepare_signals()
    _prepare_streams()
    if sys.argv[1:2] not in MANY_THREADS:
        limit_blas(1)  # small products are as fast with one, and a thread may be more than a container allows
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn of damaged files in lines that are not ours
        for category in (LevelsGuessed, LastKnown):
            warnings.filterwarnings("default", category=category)
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
    """Give a list for the first signal that ends a command; a second signal ends the process at once.

    A signal that is ignored stays ignored.
    """
    seen: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if seen and number != OUT_OF_TIME:  # which comes every second
            os._exit(128 + number)
        seen.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, *((OUT_OF_TIME,) if OUT_OF_TIME else ()))
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in handled}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
