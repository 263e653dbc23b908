"""What a suite of faults came to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
HANG = 30
"""Seconds after which waiting is a failure."""


class Unavailable(Exception):
    """What a suite needs is not on this machine; says what."""


@dataclass
class Outcome:
    """How many faults were tried, by kind, and what went wrong."""

    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, kind: str, fault: str | None = None) -> None:
        """Count one trial; `fault` says what was wrong with what came of it."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if fault:
            self.failures.append(f"{kind}: {fault}")

    @property
    def total(self) -> int:
        """How many faults were tried."""
        return sum(self.counts.values())


def part_of(things: Sequence[T], share: float, rng: random.Random) -> list[T]:
    """Return `share` of the things, at least one where there is any, in their order."""
    count = max(min(len(things), 1), round(share * len(things)))
    return [things[i] for i in sorted(rng.sample(range(len(things)), count))]
