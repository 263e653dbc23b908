"""The distance of latents to a bank: to its nearest latent; without rows, to the nearest of its classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine
from aetool.latents.bank import Bank
from aetool.latents.neighbours import Index
from aetool.metrics import Figures

BLOCK = 1 << 21
"""Distances held at a time."""
FLAT = 1e-4
"""Least variance of a class along a direction, over its mean variance: of few images a covariance has gaps."""


@dataclass(frozen=True, eq=False, repr=False)
class Reference(OneLine):
    """What latents are compared with, light enough to be sent to workers.

    index       the latents of a bank with rows, else None
    means       (c, k) of each class that has images, or of all images
    whitening   (c, k, k) matrices W for which |W (z - mean)| is the Mahalanobis distance to a class
    """

    index: Index | None
    means: npt.NDArray[np.float64]
    whitening: npt.NDArray[np.float64]

    def distances(self, latents: Latents) -> Figures:
        """Return the distance (n,) of each latent (n, k); NaN where the bank was made without any image.

        Euclidean to the nearest row, Mahalanobis to the nearest class in a bank without rows.
        """
        if self.index is not None:
            return _to_nearest(latents, self.index)
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
        return Reference(bank.index, np.empty((0, k)), np.empty((0, k, k)))
    known = np.flatnonzero(bank.counts[:-1]) if bank.counts[:-1].any() else np.flatnonzero(bank.counts)
    whitening = [_whitening(bank.covariances[i].astype(np.float64)) for i in known]
    return Reference(None, bank.means[known].astype(np.float64), np.array(whitening).reshape(-1, k, k))


def _whitening(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return W with W^T W the inverse of a covariance (k, k), flat directions widened."""
    values, vectors = np.linalg.eigh(covariance)
    mean = values.clip(0).mean() or 1.0  # a class of one image varies in no direction
    found: npt.NDArray[np.float64] = vectors.T / np.sqrt(values.clip(FLAT * mean))[:, None]
    return found


def _to_nearest(latents: Latents, index: Index) -> Figures:
    """Return the Euclidean distance (n,) of each latent to the nearest of an index."""
    found = np.empty(len(latents))
    step = max(1, BLOCK // len(index.norms))
    for start in range(0, len(latents), step):
        block = latents[start : start + step] - index.centre
        rows = (index.norms - 2 * (block @ index.centred.T)).argmin(1)
        found[start : start + step] = np.linalg.norm(block.astype(np.float64) - index.centred[rows], axis=1)
    return found
