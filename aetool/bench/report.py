"""Ratios of a report, and which of them have become worse."""

from __future__ import annotations

from typing import Any

from aetool.bench.timing import Timing, ratio

Report = dict[str, Any]


def comparison(than: str, ours: list[float], theirs: list[float]) -> Report:
    """Return how many times as fast ours is, with its spread; nothing for a thing against itself."""
    if ours is theirs:
        return {}
    found = ratio(ours, theirs)
    return {"times": round(found.median, 3), "spread": round(found.spread, 3), "than": than}


def milliseconds(timing: Timing) -> float:
    """Return the median in milliseconds, rounded to a tenth."""
    return round(timing.median * 1e3, 1)


def microseconds(timing: Timing, images: int) -> float:
    """Return the median in microseconds an image, rounded to a hundredth."""
    return round(timing.median / images * 1e6, 2)


def ratios(sections: dict[str, list[Report]]) -> dict[str, float]:
    """Return every ratio of a report by a name of its own."""
    return {
        f"{section}: {row['what']} / {row['than']}": row["times"]
        for section, rows in sections.items()
        for row in rows
        if "times" in row
    }


def regressions(old: dict[str, float], new: dict[str, float], share: float) -> list[str]:
    """Return a line for each common ratio with a loss of more than `share` of its old value."""
    return [
        f"{name} was {old[name]:g} and is {new[name]:g}"
        for name in old
        if name in new and new[name] < old[name] * (1 - share)
    ]
