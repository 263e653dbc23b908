"""Paths between latents: a method makes a curve of every two keys, and `path` takes steps along the curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents
from aetool.errors import UsageError
from aetool.generation.neighbour_graph import neighbour_graph, shortest_path
from aetool.latents.bank import Bank

Wide = npt.NDArray[np.float64]
"""Latents during computations: float64 (..., k)."""

Times = npt.NDArray[np.float64]
"""Positions along a curve: float64 (t,), rising from 0 at its start to 1 at its end."""

Curve = Callable[[Times], Wide]
"""A curve from key to key: times (t,) -> latents (t, k), with the keys at 0 and 1."""

Method = Callable[[Latents, Bank], list[Curve]]
"""Keys (m, k), and the bank of their model -> the m - 1 curves between them."""


def lerp(keys: Latents, _bank: Bank) -> list[Curve]:
    """Straight lines: (1 - t) a + t b. The bank is not looked at."""
    return [_line(a, b) for a, b in pairwise(keys.astype(np.float64))]


def slerp(keys: Latents, _bank: Bank) -> list[Curve]:
    """Arcs that turn a into b: (sin((1 - t) o) a + sin(t o) b) / sin o, o the angle between them.

    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985. Keeps the length where lerp would dip. Nearly
    parallel or opposite keys, without a unique arc, are joined by a straight line. The bank is not used.
    """
    return [_arc(a, b) for a, b in pairwise(keys.astype(np.float64))]


def graph(keys: Latents, bank: Bank) -> list[Curve]:
    """From each key through real latents to the next: the shortest path of `graph.shortest_path`, hop by hop.

    Each hop is a straight line, and t counts the length of all hops. Raises `UsageError` for a bank without rows.
    """
    graph = neighbour_graph(bank)
    ways = [np.stack([a, *graph.latents[shortest_path(graph, a, b)], b]) for a, b in pairwise(keys)]
    return [_polyline(way.astype(np.float64)) for way in ways]


def _line(a: Wide, b: Wide) -> Curve:
    return lambda t: (1 - t[:, None]) * a + t[:, None] * b


def _arc(a: Wide, b: Wide) -> Curve:
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / lengths, -1, 1) if lengths > 0 else 1.0)
    if np.sin(angle) < 1e-4:
        return _line(a, b)
    return lambda t: (np.sin((1 - t[:, None]) * angle) * a + np.sin(t[:, None] * angle) * b) / np.sin(angle)


def _polyline(points: Wide) -> Curve:
    """Return the curve of constant speed through points (p, k)."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()
    if not lengths[-1]:
        return _line(points[0], points[-1])
    places = np.concatenate([[0.0], lengths / lengths[-1]])
    return lambda t: np.stack([np.interp(t, places, column) for column in points.T], 1)


def path(curves: Sequence[Curve], times: Sequence[Times]) -> Latents:
    """Return the latents at the times of every curve, float32; the shared point of two curves is counted once."""
    parts = [curve(t[:-1]) for curve, t in zip(curves, times, strict=True)]
    return np.concatenate([*parts, curves[-1](times[-1][-1:])]).astype(np.float32)


def count(keys: int, steps: int, loop: bool = False) -> int:
    """Return how many pictures a path has: `steps` from key to key, both ends counted, and each key once.

    A loop continues from the last key to the first and ends a step before, for repetition without a halt.
    Raises `UsageError` for fewer than two keys or steps.
    """
    if keys < 2 or steps < 2:
        raise UsageError("a path needs at least two keys and two steps")
    return keys * (steps - 1) if loop else (keys - 1) * (steps - 1) + 1


METHODS: dict[str, Method] = {"lerp": lerp, "slerp": slerp, "graph": graph}
