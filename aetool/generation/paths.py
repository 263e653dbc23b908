"""How a path looks once it is decoded: the change from picture to picture, even steps, and figures to compare paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from aetool.arrays import Images, Latents
from aetool.generation.interpolation import Curve, Method, Times, count, path
from aetool.latents.bank import Bank
from aetool.latents.neighbours import nearest, others_nearest
from aetool.metrics import Figures, mse

Decode: TypeAlias = Callable[[Latents], Images]
"""Latents (n, k) -> images (n, c, h, w)."""

EVEN = 0.02
"""Even steps: none changes the picture by a distortion that is farther than this share from their mean."""
FINE = 64
"""Steps of the first, fine walk along a curve that even steps are found with."""
ROUNDS = 60
"""Corrections after it, at most."""
BATCH = 32
"""Pictures that are held at a time; they may be large."""
SAMPLED = 2000
"""Rows whose distances to their nearest stand for those of the whole bank."""


def changes(latents: Latents, decode: Decode) -> Figures:
    """Return the distortion (n - 1,) between the pictures of each of the latents (n, k) and of the next."""
    found = []
    for start in range(0, len(latents) - 1, BATCH):
        images = decode(latents[start : start + BATCH + 1])
        found.append(mse(images[:-1], images[1:]))
    return np.concatenate(found) if found else np.zeros(0)


def walk(
    keys: Latents, bank: Bank, method: Method, steps: int, even_by: Decode | None = None, loop: bool = False
) -> tuple[Latents, float]:
    """Return the latents of a path along the keys (m, k), and how uneven its steps are where they were to be even.

    `steps` from key to key; `even_by`, the decoder, spaces those of each stretch evenly; a loop ends at the first key,
    which stands at both ends. Raises `UsageError` for fewer than two keys or steps.
    """
    count(len(keys), steps, loop)
    curves = method(np.concatenate([keys, keys[:1]]) if loop else keys, bank)
    if even_by is None:
        return path(curves, [np.linspace(0, 1, steps)] * len(curves)), 0.0
    spaced = [even(curve, steps, even_by) for curve in curves]
    return path(curves, [times for times, _ in spaced]), max(uneven for _, uneven in spaced)


def even(curve: Curve, steps: int, decode: Decode) -> tuple[Times, float]:
    """Return `steps` times along the curve such that every step changes the picture by the same distortion, to `EVEN`,
    and how uneven they are.

    Each round measures the steps as they are and moves the times to where equal shares of the way that they add up to
    end; the way is the root of the distortion, which adds up along a straight line. Where no round reaches `EVEN`, as
    on a curve whose pictures jump, the most even times that were found are returned; a curve along which nothing
    changes keeps uniform times.
    """
    times = np.linspace(0, 1, max(steps, FINE + 1))
    best, least = np.linspace(0, 1, steps), float("inf")
    for _ in range(ROUNDS):
        found = changes(curve(times).astype(np.float32), decode)
        if not found.any():
            break
        if len(times) == steps and unevenness(found) < least:
            best, least = times, unevenness(found)
        if least <= EVEN:
            break
        way = np.concatenate([[0.0], np.sqrt(found).cumsum()])
        times = np.interp(np.linspace(0, way[-1], steps), way, times)
        times[[0, -1]] = 0, 1  # where nothing changes at an end, the way alone does not tell the end from its neighbour
    return best, least if np.isfinite(least) else 0.0


def unevenness(found: Figures) -> float:
    """Return how far a change is from the mean of all, at most, as a share of that mean; 0 where nothing changes."""
    return float(abs(found - found.mean()).max() / found.mean()) if found.any() else 0.0


@dataclass(frozen=True)
class WalkFigures:
    """Figures of a path, by which methods can be compared. x_i is its i-th picture, d_i the mse of x_i and x_(i+1).

    mean_change, max_change   of all d_i
    jump            max d_i / mean d_i: 1 where all steps are equal, n where one of n steps makes the whole change
    length          sum of sqrt(d_i): how far the pictures travel; at least the root of the mse of first and last
    bank_distance   mean over the path of the distance to the nearest latent of the bank, as a multiple of how far the
                    latents of the bank are from their own nearest (median): about 1 for a path as near to real latents
                    as these are to each other; None where the bank has no two latents that differ
    """

    mean_change: float
    max_change: float
    jump: float
    length: float
    bank_distance: float | None


def measure(latents: Latents, decode: Decode, bank: Bank, unit: float) -> WalkFigures:
    """Return the figures of the path along latents (n, k), n at least 2; `unit` is the `spacing` of the bank."""
    found = changes(latents, decode)
    mean, most = float(found.mean()), float(found.max())
    distance = float(nearest(latents, bank.latents, 1)[1].mean()) / unit if unit else None
    return WalkFigures(mean, most, most / mean if mean else 1.0, float(np.sqrt(found).sum()), distance)


def spacing(bank: Bank) -> float:
    """Return the median distance of a row of the bank to its nearest other, from `SAMPLED` rows at regular places."""
    n = len(bank.latents)
    if n < 2:
        return 0.0
    rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLED)).astype(np.int64))
    others = others_nearest(bank.latents, rows, 1)[:, 0]
    return float(np.median(np.linalg.norm(bank.latents[rows].astype(np.float64) - bank.latents[others], axis=1)))
