"""Nearest latents by Euclidean distance, exact, in blocks of bounded size."""

from __future__ import annotations

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

    A query that is itself among the latents finds itself first. m is at most n.
    """
    rows = nearest_rows(queries, latents, m)
    distances: Points = np.sqrt(np.square(latents[rows] - queries[:, None]).sum(2))
    return rows, distances


def nearest_rows(queries: Points, latents: Points, m: int) -> Rows:
    """Return rows (q, m) of the m nearest of `latents` (n, k) to each query (q, k), nearest first."""
    m = min(m, len(latents))
    centre = latents.mean(0, dtype=np.float64).astype(latents.dtype) if len(latents) else latents.dtype.type(0)
    centred = latents - centre  # or float32 loses the differences far from the origin
    norms = np.square(centred).sum(1)
    rows = np.empty((len(queries), m), np.int64)
    step = max(1, BLOCK // max(1, len(latents)))
    for start in range(0, len(queries), step):
        block = queries[start : start + step] - centre
        squared = norms - 2 * (block @ centred.T)  # less the query's own norm, which changes no order
        found = np.argpartition(squared, m - 1, axis=1)[:, :m]
        order = np.argsort(np.take_along_axis(squared, found, 1), axis=1, kind="stable")
        rows[start : start + step] = np.take_along_axis(found, order, 1)
    return rows


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
