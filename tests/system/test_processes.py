"""Work in other processes: order, errors, death, and nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from multiprocessing import active_children

import pytest

from aetool.errors import AetoolError, InvalidInput
from aetool.system.processes import AHEAD, ordered


class Doubler:
    """Doubles numbers; the odd ones take longer, and some do not end well."""

    def __init__(self, bad: int = -1, deadly: int = -1) -> None:
        self.bad, self.deadly = bad, deadly

    def __call__(self, number: int) -> int:
        if number == self.bad:
            raise InvalidInput(f"{number} cannot be used")
        if number == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002 * (number % 2))
        return 2 * number


def numbered(count):
    return ((f"kept {i}", i) for i in range(count))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("tasks", [0, 1, 2, 50])
def test_results_come_in_the_order_of_the_tasks(count, tasks):
    assert list(ordered(Doubler, numbered(tasks), count)) == [(f"kept {i}", 2 * i) for i in range(tasks)]
    assert not active_children()


def test_tasks_are_taken_as_they_are_needed():
    taken = []
    results = ordered(Doubler, ((taken.append(i), i) for i in range(1000)), 2)
    for _ in range(10):
        next(results)
    assert 10 <= len(taken) <= 10 + AHEAD * 2
    results.close()
    assert not active_children()


def test_the_error_of_a_worker_is_raised_here():
    with pytest.raises(InvalidInput, match="7 cannot be used"):
        list(ordered(partial(Doubler, bad=7), numbered(20), 2))
    assert not active_children()


def test_a_worker_that_cannot_start_says_why():
    def refuse():
        raise InvalidInput("no such bundle")

    with pytest.raises(InvalidInput, match="no such bundle"):
        list(ordered(refuse, numbered(3), 2))


def test_a_worker_that_dies_is_told():
    with pytest.raises(AetoolError, match="worker process was ended by signal 9"):
        list(ordered(partial(Doubler, deadly=7), numbered(200), 2))
    assert not active_children()


def test_an_error_in_the_tasks_ends_the_workers():
    def tasks():
        yield from numbered(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(ordered(Doubler, tasks(), 2))
    assert not active_children()


def test_large_tasks_and_results_block_nobody():
    tasks = (("", bytes(1 << 20)) for _ in range(20))
    assert [len(result) for _, result in ordered(lambda: bytes.upper, tasks, 2)] == [1 << 20] * 20
