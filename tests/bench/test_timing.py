"""Trials in turns, and their spread."""

from __future__ import annotations

import pytest

from aetool.bench.timing import Timing, alternate, measure, ratio


def test_functions_are_called_in_turns_and_warmed_up():
    called = []
    seconds = alternate([lambda: called.append("a"), lambda: called.append("b")], warmup=1, trials=2)
    assert called == ["a", "b"] * 3
    assert [len(taken) for taken in seconds] == [2, 2] and all(s >= 0 for taken in seconds for s in taken)


def test_a_timing_is_median_and_spread():
    assert Timing.of([4, 1, 2, 3, 5]) == Timing(3, 5, 2, 5)
    assert Timing.of([7.0]) == Timing(7.0, 7.0, 0.0, 1)
    assert measure(lambda: None, trials=3).trials == 3


def test_a_ratio_goes_pair_by_pair():
    found = ratio([1, 2, 4], [2, 4, 8])
    assert (found.median, found.spread) == (2, 0)
    with pytest.raises(ValueError, match="argument 2"):
        ratio([1], [1, 2])
