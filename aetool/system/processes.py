"""Work in other processes, results in order: reading small pictures is mostly Python, which one core does per process.

A worker has a second task at hand while it works on the first, so that it never waits to be woken; it takes tasks in a
thread of their own, so that neither side can wait for the other for ever. What is ahead of the result that is due is
bounded, so that memory is too.
"""

from __future__ import annotations

import contextlib
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

from aetool.errors import AetoolError

Kept = TypeVar("Kept")
Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task], Result]

MOST = 16
"""Workers unless more are asked for: the process that gives out names and writes results feeds no more of them."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
AT_HAND = 2
"""Tasks that a worker has."""
AHEAD = 4
"""Tasks a worker that may be given out from the result that is due."""


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    line: Connection
    numbers: deque[int] = field(default_factory=deque)


def ordered(
    make: Callable[[], Work[Task, Result]], tasks: Iterable[tuple[Kept, Task]], count: int
) -> Iterator[tuple[Kept, Result]]:
    """Yield the result of each task, in their order, from `count` processes, with what was kept here beside the task.

    Each worker calls `make` once and what it returns with every task. An `AetoolError` of a worker is raised here, and
    one that dies is told. On Linux workers are forked: the caller must have no threads that hold locks.
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
                    crew.give(number, task)
            if len(done) < len(kept):
                done.update(crew.collect())
    finally:
        crew.dismiss()


class _Crew:
    """The workers of one stream of tasks, started as they are needed."""

    def __init__(self, make: Callable[[], Work[Any, Any]], count: int) -> None:
        self.make, self.count, self.given = make, count, 0
        self.context = get_context("fork" if sys.platform == "linux" else "spawn")
        self.workers: list[_Worker] = []

    def has_room(self) -> bool:
        """Whether one more task can be given."""
        return len(self.workers) < self.count or any(len(worker.numbers) < AT_HAND for worker in self.workers)

    def give(self, number: int, task: Any) -> None:
        """Give a task to a new worker, or to the one that has the least to do."""
        if len(self.workers) < self.count:
            self._start()
            worker = self.workers[-1]
        else:
            worker = min(self.workers, key=lambda worker: len(worker.numbers))
        worker.numbers.append(number)
        self.given += 1
        try:
            worker.line.send(task)
        except OSError:
            raise _died(worker) from None

    def collect(self) -> Iterator[tuple[int, Any]]:
        """Wait until something is done and yield (number, result); raises what a worker raised."""
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
        """End all workers, whatever they are doing."""
        for worker in self.workers:
            worker.line.close()
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait while a worker starts: what Python calls after a fork loses exceptions, and then the worker."""
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
    how = f"by signal {-code}" if code < 0 else f"with {code}"
    return AetoolError(f"a worker process was ended {how} (out of memory?)", fix="workers")


def _serve(make: Callable[[], Work[Any, Any]], line: Connection, inherited: list[Connection]) -> None:
    """Do tasks until the other end is closed. Interrupts are for the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for other in inherited:  # or this worker would keep lines of dead processes open
        other.close()
    tasks: SimpleQueue[tuple[Any, bool]] = SimpleQueue()
    Thread(target=_take, args=(line, tasks), daemon=True).start()
    work: Work[Any, Any] | None = None
    while True:
        task, ended = tasks.get()
        if ended:
            return
        try:
            work = work or make()
            answer: tuple[Any, Exception | None] = (work(task), None)
        except Exception as error:
            answer = (None, error)
        try:
            line.send(answer)
        except OSError:
            return


def _take(line: Connection, tasks: SimpleQueue[tuple[Any, bool]]) -> None:
    """Put tasks into a queue as they come, and at last that there are no more."""
    try:
        while True:
            tasks.put((line.recv(), False))
    except (EOFError, OSError):
        tasks.put((None, True))
