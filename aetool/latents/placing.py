"""Places on a map of a bank: two numbers a latent, near latents near each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents
from aetool.latents.neighbours import Index

NEAREST = 3
"""Latents of a map beside which another latent is placed."""
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

    A place is the median of those of the nearest known latents, number by number: it lies among its own kind, where a
    mean of two groups would lie in the gap between them.
    """
    if known.shape[1] <= FLAT:
        return own_places(latents)
    places: Positions = np.median(positions[Index(known).rows(latents, NEAREST)], axis=1).astype(np.float32)
    return places
