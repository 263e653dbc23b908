"""Places on a map of a bank: two numbers a latent, near latents near each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents
from aetool.latents.neighbours import nearest

NEAREST = 5
"""Latents of a map among which another latent is placed."""
CLOSE = 0.03
"""Share of the width of a map within which these lie together: a mean of places far apart lies in a gap."""
FLAT = 2
"""Most numbers of latents that are places already."""

Positions = npt.NDArray[np.float32]
"""Places on a map, float32 (n, 2)."""


def own_places(latents: Latents) -> Positions:
    """Return latents (n, k) of at most `FLAT` numbers as places; a second number that there is not is 0."""
    places = np.zeros((len(latents), 2), np.float32)
    places[:, : latents.shape[1]] = latents
    return places


def placed_beside(latents: Latents, known: Latents, positions: Positions) -> Positions:
    """Return places (m, 2) of latents (m, k) on the map of `known` latents (n, k), n at least 1.

    A place is the mean of those of the nearest known latents that lie close to the nearest of all on the map, the
    nearer the heavier. Latents of few numbers are places themselves.
    """
    if known.shape[1] <= FLAT:
        return own_places(latents)
    rows, distances = nearest(latents.astype(np.float64), known.astype(np.float64), min(NEAREST, len(known)))
    around = positions[rows]
    close = np.linalg.norm(around - around[:, :1], axis=2) <= CLOSE * float(np.ptp(positions, axis=0).max())
    weights = close / (distances + 1e-6 * distances.mean() + 1e-30)
    places: Positions = np.einsum("nm,nmd->nd", weights / weights.sum(1, keepdims=True), around).astype(np.float32)
    return places
