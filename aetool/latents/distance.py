"""The distance of latents to a bank: to its nearest latent; without rows, to the nearest of its classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine
from aetool.latents.bank import Bank
from aetool.latents.neighbours import Index
from aetool.metrics import Figures

QUERIES, COLUMNS = 64, 4096
"""Latents compared at a time, and with how many of a bank: their distances stay in the caches of a processor."""
FLAT = 1e-4
"""Least variance of a class along a direction, over its mean variance: of few images a covariance has gaps."""


@dataclass(frozen=True, eq=False, repr=False)
class Reference(OneLine):
    """What latents are compared with, light enough to be sent to workers.

    centre, table   (k,) and (k + 1, n) of the n rows of a bank (see `_table`), else no column
    means       (c, k) of each class that has images, or of all images
    whitening   (c, k, k) matrices W for which |W (z - mean)| is the Mahalanobis distance to a class
    """

    centre: Latents
    table: npt.NDArray[np.float32]
    means: npt.NDArray[np.float64]
    whitening: npt.NDArray[np.float64]

    def distances(self, latents: Latents) -> Figures:
        """Return the distance (n,) of each latent (n, k); NaN where the bank was made without any image.

        Euclidean to the nearest row, Mahalanobis to the nearest class in a bank without rows.
        """
        if self.table.shape[1]:
            return _to_nearest(latents, self.centre, self.table)
        if not len(self.means):
            return np.full(len(latents), np.nan)
        apart = latents[:, None].astype(np.float64) - self.means
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(np.einsum("ckj,ncj->nck", self.whitening, apart), axis=2)
        nearest: Figures = lengths.min(1)
        return nearest


def reference(bank: Bank) -> Reference:
    """Return what latents are compared with: the rows of the bank, or the statistics of its classes."""
    k = bank.means.shape[1]
    if len(bank.latents):
        return Reference(
            np.asarray(bank.index.centre, np.float32), _table(bank.index), np.empty((0, k)), np.empty((0, k, k))
        )
    known = np.flatnonzero(bank.counts[:-1]) if bank.counts[:-1].any() else np.flatnonzero(bank.counts)
    whitening = [_whitening(bank.covariances[i].astype(np.float64)) for i in known]
    centre, table = np.zeros(k, np.float32), np.empty((k + 1, 0), np.float32)
    return Reference(centre, table, bank.means[known].astype(np.float64), np.array(whitening).reshape(-1, k, k))


def _whitening(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return W with W^T W the inverse of a covariance (k, k), flat directions widened."""
    values, vectors = np.linalg.eigh(covariance)
    mean = values.clip(0).mean() or 1.0  # a class of one image varies in no direction
    found: npt.NDArray[np.float64] = vectors.T / np.sqrt(values.clip(FLAT * mean))[:, None]
    return found


def _table(index: Index) -> npt.NDArray[np.float32]:
    """Return (k + 1, n): the columns -2 x of centred latents x, and |x|^2 below; q . column is |q - x|^2 less |q|^2."""
    return np.ascontiguousarray(np.concatenate([-2 * index.centred.T, index.norms[None]]))


def _to_nearest(latents: Latents, centre: Latents, table: npt.NDArray[np.float32]) -> Figures:
    """Return the Euclidean distance (n,) of each latent to the nearest in a table, searched a piece at a time."""
    centred = latents - centre
    queries = np.concatenate([centred, np.ones((len(latents), 1), np.float32)], axis=1)
    rows = np.empty(len(latents), np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(latents), QUERIES):
            part = slice(start, start + QUERIES)
            rows[part] = _nearest(queries[part], table)
    nearest = table[:-1, rows].T / -2
    found: Figures = np.linalg.norm(centred.astype(np.float64) - nearest, axis=1)
    return found


def _nearest(queries: npt.NDArray[np.float32], table: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the column (q,) of the smallest product of each query."""
    rows, best = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf, np.float32)
    for start in range(0, table.shape[1], COLUMNS):
        products = queries @ table[:, start : start + COLUMNS]
        columns = products.argmin(1)
        smallest = np.take_along_axis(products, columns[:, None], 1)[:, 0]
        closer = smallest < best
        rows[closer], best[closer] = columns[closer] + start, smallest[closer]
    return rows
