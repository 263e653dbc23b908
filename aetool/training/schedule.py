"""The schedule of a training run: one cycle, ended early by patience, always with a rate that falls to zero."""

from __future__ import annotations

import math

WARM_UP = 0.25
"""Share of the steps in which the learning rate rises."""
ENDING = 0.2
"""Steps of the ending after patience ran out, as a share of the steps done."""


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a step: cosine from peak / 25 up to the peak, then down to peak / 10,000.

    Smith and Topin, "Super-convergence", 2018, with cosine instead of linear flanks.
    """
    done = step / steps
    low, share = (0.04, 1 - done / WARM_UP) if done < WARM_UP else (1e-4, (done - WARM_UP) / (1 - WARM_UP))
    return peak * (low + (1 - low) * (1 + math.cos(math.pi * share)) / 2)


def last_step(steps: int, ending: int | None) -> int:
    """Return the step after which training ends: `steps`, or earlier where patience ran out at the step `ending`."""
    return steps if ending is None else min(steps, ending + math.ceil(ending * ENDING))


def rate(step: int, steps: int, peak: float, ending: int | None) -> float:
    """Return the learning rate of a step: of one cycle until the step `ending`, if any, then cosine down to zero."""
    if ending is None or step < ending:
        return one_cycle(step, steps, peak)
    share = (step - ending) / max(1, last_step(steps, ending) - ending)
    return min(one_cycle(ending, steps, peak) * (1 + math.cos(math.pi * share)) / 2, one_cycle(step, steps, peak))
