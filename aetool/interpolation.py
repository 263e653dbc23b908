"""Paths between latents: `path(keys, steps, method)` over any number of keys."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from aetool.errors import UsageError
from aetool.types import Latents

Times = npt.NDArray[np.float64]
"""Positions along one stretch: float64 (t, 1), 0 at its start and 1 at its end."""

Method = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64], Times], npt.NDArray[np.float64]]
"""Start (k,), end (k,), times (t, 1) -> latents (t, k)."""


def lerp(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], t: Times) -> npt.NDArray[np.float64]:
    """Straight line: (1 - t) a + t b."""
    return (1 - t) * a + t * b


def slerp(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], t: Times) -> npt.NDArray[np.float64]:
    """Along the arc that turns a into b: (sin((1 - t) o) a + sin(t o) b) / sin o, o the angle between them.

    Shoemake, «Animating rotation with quaternion curves», SIGGRAPH 1985. Keeps the length where lerp would dip. Keys
    that are (nearly) parallel or opposite have no one arc and go in a straight line.
    """
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    cosine = np.clip(a @ b / lengths, -1, 1) if lengths > 0 else 1.0
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:
        return lerp(a, b, t)
    along: npt.NDArray[np.float64] = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    return along


def path(keys: Latents, steps: int, method: Method = lerp) -> Latents:
    """Return latents from the first key (m, k) to the last, each stretch in `steps` steps, both its ends counted.

    Every key is met exactly and shared by its two stretches: (m - 1)(steps - 1) + 1 latents.
    """
    if len(keys) < 2 or steps < 2:
        raise UsageError("a path needs at least two keys and two steps")
    wide = keys.astype(np.float64)
    times = np.linspace(0, 1, steps)[:-1, None]
    stretches = [method(a, b, times) for a, b in pairwise(wide)]
    return np.concatenate([*stretches, wide[-1:]]).astype(np.float32)


METHODS: dict[str, Method] = {"lerp": lerp, "slerp": slerp}
