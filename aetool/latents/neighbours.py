"""Nearest latents by Euclidean distance, exact, in blocks of bounded size."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, Latents

BLOCK = 1 << 22
"""Distances held at a time."""

Rows: TypeAlias = npt.NDArray[np.int64]

Points: TypeAlias = npt.NDArray[np.floating[Any]]
"""Latents (n, k) in float32, or in float64 where distances must not overflow or be exact to the last."""


def nearest(queries: Points, latents: Points, m: int) -> tuple[Rows, Points]:
    """Return rows (q, m) of the m nearest of `latents` (n, k) to each query (q, k), nearest first, and distances.

    A query among the latents finds itself first. m is at most n.
    """
    rows = nearest_rows(queries, latents, m)
    distances: Points = np.sqrt(np.square(latents[rows] - queries[:, None]).sum(2))
    return rows, distances


def nearest_rows(queries: Points, latents: Points, m: int) -> Rows:
    """Return rows (q, m) of the m nearest of `latents` (n, k) to each query (q, k), nearest first."""
    return Index(latents).rows(queries, m)


class Index:
    """Latents (n, k) prepared for many searches: centred, with their squared norms."""

    def __init__(self, latents: Points) -> None:
        zero = latents.dtype.type(0)
        # Without the centre float32 would lose the differences of latents far from the origin.
        self.centre = latents.mean(0, dtype=np.float64).astype(latents.dtype) if len(latents) else zero
        self.centred = latents - self.centre
        self.norms = np.square(self.centred).sum(1)

    def rows(self, queries: Points, m: int) -> Rows:
        """Return rows (q, m) of the m nearest latents to each query (q, k), nearest first; m is cut to n."""
        n = len(self.norms)
        m = min(m, n)
        rows = np.empty((len(queries), m), np.int64)
        step = max(1, BLOCK // max(1, n))
        for start in range(0, len(queries), step):
            block = queries[start : start + step] - self.centre
            squared = self.norms - 2 * (block @ self.centred.T)  # less the query's own norm, which changes no order
            rows[start : start + step] = _smallest(squared, m)
        return rows


def _smallest(values: Points, m: int) -> Rows:
    """Return the columns (q, m) of the m smallest of each row of values (q, n), smallest first.

    The m smallest lie in the m blocks of columns with the smallest minima, and minima are quick to take.
    """
    n = values.shape[1]
    width = math.isqrt(n // m) if m else 0
    candidates = None
    if width > 8:
        whole = n - n % width
        minima = values[:, :whole].reshape(len(values), -1, width).min(2)
        blocks = np.argpartition(minima, m - 1, axis=1)[:, :m]
        inside = (blocks[:, :, None] * width + np.arange(width)).reshape(len(values), -1)
        rest = np.broadcast_to(np.arange(whole, n), (len(values), n - whole))
        candidates = np.concatenate([inside, rest], 1)
        values = np.take_along_axis(values, candidates, 1)
    found = np.argpartition(values, m - 1, axis=1)[:, :m]
    order = np.argsort(np.take_along_axis(values, found, 1), axis=1, kind="stable")
    columns: Rows = np.take_along_axis(found, order, 1)
    return columns if candidates is None else np.take_along_axis(candidates, columns, 1)


def class_neighbours(latents: Latents, labels: Labels, m: int) -> npt.NDArray[np.int32]:
    """Return rows (n, m) of the m nearest others of the same class, -1 where the class has fewer."""
    neighbours = np.full((len(latents), m), -1, np.int32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        others = rows[others_nearest(latents[rows], np.arange(len(rows)), m)]
        neighbours[rows, : others.shape[1]] = others
    return neighbours


def others_nearest(latents: Latents, rows: Rows, m: int) -> Rows:
    """Return rows (q, m) of the m nearest others to each of the latents `rows` (q,), themselves left out."""
    found = nearest_rows(latents[rows], latents, m + 1)
    own = found == rows[:, None]
    own[:, -1] |= ~own.any(1)  # among many equal latents the row itself may not be found: drop the farthest
    others: Rows = found[~own].reshape(len(rows), found.shape[1] - 1)
    return others
