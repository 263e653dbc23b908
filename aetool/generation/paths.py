"""Decoded paths: the change from picture to picture, even steps, and figures of a path."""

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
"""Largest deviation of even steps: the distortion of every step, relative to the mean distortion."""
FINE = 64
"""Steps of the first, fine walk along a curve in the search for even steps."""
ROUNDS = 60
"""Most corrections after the fine walk."""
BATCH = 32
"""Pictures in memory at a time."""
SAMPLED = 2000
"""Sampled rows for the spacing of a bank."""


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
    """Return the latents of a path along the keys (m, k), and the unevenness of its steps (0 without `even_by`).

    `steps` from key to key; `even_by`, the decoder, asks for even steps between two keys; a loop has the first key at
    both ends. Raises `UsageError` for fewer than two keys or steps.
    """
    count(len(keys), steps, loop)
    curves = method(np.concatenate([keys, keys[:1]]) if loop else keys, bank)
    if even_by is None:
        return path(curves, [np.linspace(0, 1, steps)] * len(curves)), 0.0
    spaced = [even(curve, steps, even_by) for curve in curves]
    return path(curves, [times for times, _ in spaced]), max(uneven for _, uneven in spaced)


def even(curve: Curve, steps: int, decode: Decode) -> tuple[Times, float]:
    """Return `steps` times along the curve with equal distortion in every step, within `EVEN`, and their unevenness.

    Each round measures the current steps and moves the times to equal shares of the travelled length; the length is
    the sum of the roots of the distortions. Without a round within `EVEN`, as on a curve with jumping pictures, the
    most even times are returned; a curve without change keeps uniform times.
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
    """Return the largest deviation of a change from the mean change, relative to the mean; 0 without changes."""
    return float(abs(found - found.mean()).max() / found.mean()) if found.any() else 0.0


@dataclass(frozen=True)
class WalkFigures:
    """Figures of a path, for comparing methods. x_i is the i-th picture, d_i the mse of x_i and x_(i+1).

    mean_change, max_change   of all d_i
    jump            max d_i / mean d_i: 1 for equal steps, n where a single step of n makes the whole change
    length          sum of sqrt(d_i), the travelled length; at least the root of the mse of first and last picture
    bank_distance   mean distance from the path to the nearest latent of the bank, divided by the spacing of the bank
                    (median distance of a latent to its nearest other): about 1 for a path among real latents; None for
                    a bank without two different latents
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
