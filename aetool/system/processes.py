"""Worker processes: tasks go to several processes and the results come back in the order of the tasks.

Reading small pictures is mostly Python code, which keeps one core busy per process. Each worker has a second task
queued while the first one runs, so the worker never waits for the parent process. The number of tasks ahead of the next
result is bounded, and so is the memory.

`concurrent.futures.ProcessPoolExecutor` was tried in place of this module: as fast (0.99 and 1.01 times the time on
6,000 pictures), but without three things that shell scripts rely on. A worker that cannot start reports its error; a
worker that is killed ends the command with one line that gives its exit code; the workers end when their parent process
is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from aetool.errors import AetoolError, LimitExceeded
from aetool.system.cores import openmp_threads, quota
from aetool.system.quiet import own_stderr

Kept = TypeVar("Kept")
Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task], Result]

MOST = 16
"""Most workers by default: the parent process, which hands out tasks and writes results, keeps no more of them busy."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
OUT_OF_TIME: int = getattr(signal, "SIGXCPU", 0)
"""Signal at the limit of processor time, 0 where there is none."""
AT_HAND = 2
"""Tasks per worker: one running, one queued."""
AHEAD = 4
"""Tasks per worker that may be ahead of the next result to yield; bounds the memory."""


def all_cores() -> int:
    """Return the number of cores of the current process: of its affinity, quota (whole cores) and OMP_NUM_THREADS."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = quota()
    return max(1, min(there, there if allowed is None else int(allowed), openmp_threads() or there))


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    line: Connection
    numbers: deque[int] = field(default_factory=deque)


def ordered(
    make: Callable[[], Work[Task, Result]], tasks: Iterable[tuple[Kept, Task]], count: int
) -> Iterator[tuple[Kept, Result]]:
    """Yield the results of tasks in order, computed by `count` processes, each with the value beside its task.

    A task comes as (value, task); the value stays in the parent process. Each worker calls `make` once, and the
    returned function with every task. An `AetoolError` of a worker is raised here; a worker that dies raises an
    `AetoolError` with its exit code. On Linux workers are forked: the caller must have no threads that hold locks.
    """
    crew = _Crew(make, count)
    numbered = enumerate(tasks)
    due, ended = 0, False
    kept: dict[int, Kept] = {}
    done: dict[int, Result] = {}
    try:
        while kept or not ended:
            while due in done:  # before more tasks are waited for
                yield kept.pop(due), done.pop(due)
                due += 1
            while not ended and crew.has_room() and crew.given < due + AHEAD * count:
                entry = next(numbered, None)
                if entry is None:
                    ended = True
                else:
                    number, (kept[number], task) = entry
                    if not crew.give(number, task):
                        yield from _alone(make, itertools.chain([entry], numbered))
                        return
            if len(done) < len(kept):
                done.update(crew.collect())
    finally:
        crew.dismiss()


def _alone(
    make: Callable[[], Work[Task, Result]], entries: Iterable[tuple[int, tuple[Kept, Task]]]
) -> Iterator[tuple[Kept, Result]]:
    """Yield the results of numbered tasks, computed here."""
    work = make()
    for _, (value, task) in entries:
        yield value, work(task)


class _Crew:
    """The workers of one stream of tasks, started on demand."""

    def __init__(self, make: Callable[[], Work[Any, Any]], count: int) -> None:
        self.make, self.count, self.given = make, count, 0
        self.context = get_context("fork" if sys.platform == "linux" else "spawn")
        self.workers: list[_Worker] = []

    def has_room(self) -> bool:
        """Return whether another task can be queued."""
        return len(self.workers) < self.count or any(len(worker.numbers) < AT_HAND for worker in self.workers)

    def give(self, number: int, task: Any) -> bool:
        """Give a task to a new worker, or to the worker with the shortest queue; False where no worker can be started.

        Where the system starts no more workers (its limits of processes, files or memory), those there are go on.
        """
        if len(self.workers) < self.count:
            try:
                self._start()
            except OSError:
                self.count = len(self.workers)
        if not self.workers:
            return False
        worker = min(self.workers, key=lambda worker: len(worker.numbers))
        worker.numbers.append(number)
        self.given += 1
        try:
            worker.line.send(task)
        except OSError:
            raise _died(worker) from None
        return True

    def collect(self) -> Iterator[tuple[int, Any]]:
        """Wait for results and yield (number, result); raises the error of a worker."""
        busy = {worker.line: worker for worker in self.workers if worker.numbers}
        for line in connection.wait(list(busy)):
            worker = busy[line]  # type: ignore[index]
            try:
                result, error = worker.line.recv()
            except (EOFError, OSError):
                raise _died(worker) from None
            if error is not None:
                raise error
            yield worker.numbers.popleft(), result

    def _start(self) -> None:
        here, there = self.context.Pipe()
        forked = self.context.get_start_method() == "fork"
        inherited = [worker.line for worker in self.workers] + [here] if forked else []
        process = self.context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(self.make, there, inherited), daemon=True
        )
        with _signals_held():
            process.start()
            there.close()
            self.workers.append(_Worker(process, here))

    def dismiss(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            worker.line.close()
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Block signals while a worker starts: Python's hooks after a fork would lose the exception of a signal handler."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _died(worker: _Worker) -> AetoolError:
    worker.process.join(1)
    code = worker.process.exitcode or 0
    if OUT_OF_TIME and code == -OUT_OF_TIME:
        return LimitExceeded("a worker process reached the limit of processor time (ulimit -t)")
    how = f"by signal {-code}" if code < 0 else f"with {code}"
    return AetoolError(f"a worker process was ended {how} (out of memory?)", fix="workers")


def _serve(make: Callable[[], Work[Any, Any]], line: Connection, inherited: list[Connection]) -> None:
    """Work on tasks until the connection is closed. Interrupts are handled by the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if OUT_OF_TIME:
        signal.signal(OUT_OF_TIME, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for other in inherited:  # or this worker would keep lines of dead processes open
        other.close()
    own_stderr()
    work: Work[Any, Any] | None = None
    for task in _incoming(line):
        try:
            work = work or make()
            answer: tuple[Any, Exception | None] = (work(task), None)
        except Exception as error:
            answer = (None, error)
        try:
            line.send(answer)
        except OSError:
            return


def _incoming(line: Connection) -> Iterator[Any]:
    """Yield the tasks of a connection until it is closed, each received in a thread while the one before is worked on.

    Where no thread can be started, each is received when it is wanted.
    """
    tasks: SimpleQueue[tuple[Any, bool]] = SimpleQueue()
    try:
        Thread(target=_take, args=(line, tasks), daemon=True).start()
    except RuntimeError:
        yield from _received(line)
        return
    while True:
        task, ended = tasks.get()
        if ended:
            return
        yield task


def _take(line: Connection, tasks: SimpleQueue[tuple[Any, bool]]) -> None:
    """Put received tasks into a queue, and an end mark behind the last task."""
    for task in _received(line):
        tasks.put((task, False))
    tasks.put((None, True))


def _received(line: Connection) -> Iterator[Any]:
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield line.recv()
