"""Timing: warm-up, repeated trials, median and spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of several trials: their median, 95th percentile, and spread (from the first quartile to the third)."""

    median: float
    p95: float
    spread: float
    trials: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Return the statistics of trials in seconds, at least one."""
        ordered = sorted(seconds)
        low, _, high = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        return cls(statistics.median(ordered), p95, high - low, len(ordered))


def measure(function: Callable[[], object], warmup: int = 1, trials: int = 5) -> Timing:
    """Return the time of `function`, after `warmup` uncounted calls."""
    return Timing.of(alternate([function], warmup, trials)[0])


def alternate(functions: Sequence[Callable[[], object]], warmup: int, trials: int) -> list[list[float]]:
    """Return the seconds of each trial of each function, alternately (A B A B ...), so all share every disturbance."""
    seconds: list[list[float]] = [[] for _ in functions]
    for trial in range(-warmup, trials):
        for taken, function in zip(seconds, functions, strict=True):
            start = time.perf_counter()
            function()
            if trial >= 0:
                taken.append(time.perf_counter() - start)
    return seconds


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Timing:
    """Return how many times as long as ours theirs took, pair by pair: above 1 we are faster."""
    return Timing.of([b / a for a, b in zip(ours, theirs, strict=True)])
