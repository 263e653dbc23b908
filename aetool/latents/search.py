"""The nearest of a stream of latents to each of some others, by Euclidean or cosine distance, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine
from aetool.errors import InvalidInput, LimitExceeded, UsageError
from aetool.latents.bank import Bank
from aetool.latents.files import LatentBatch
from aetool.latents.neighbours import nearest

QUERIES = 256
"""Queries compared at a time."""
ROWS = 1024
"""Rows of a bank per batch."""
MAX_HITS = 5_000_000
"""Most hits of all queries together."""

Wide: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hit:
    """A latent found: source, class, distance, and its index in the searched latents, from 0."""

    source: str
    label: str | None
    distance: float
    index: int


@dataclass(frozen=True)
class Metric:
    """A distance with the order of the Euclidean distance between latents (n, k) mapped by `place`."""

    place: Callable[[Wide], Wide]
    distance: Callable[[Wide], Wide]
    directed: bool
    """Whether a latent of zeros, which has no direction, has no distance."""


@dataclass(frozen=True, eq=False, repr=False)
class _Best(OneLine):
    """The nearest latents so far of queries (q, k) mapped by their metric, nearest first; columns (q, found)."""

    queries: Wide
    distances: Wide
    indices: npt.NDArray[np.int64]
    names: npt.NDArray[Any]

    def improved(self, known: Wide, indices: npt.NDArray[np.int64], names: npt.NDArray[Any], n: int) -> _Best:
        """Return the n nearest of these and of the latents `known` (m, k); of equals, the first in the stream."""
        rows, distances = nearest(self.queries, known, n)
        candidates = np.concatenate([self.distances, distances], 1)
        places = np.concatenate([self.indices, indices[rows]], 1)
        named = np.concatenate([self.names, names[rows]], 1)
        order = np.lexsort((places, candidates))[:, :n]
        taken = (np.take_along_axis(values, order, 1) for values in (candidates, places, named))
        return _Best(self.queries, *taken)


def search(queries: Latents, batches: Iterable[LatentBatch], n: int, metric: Metric) -> list[list[Hit]]:
    """Return for each query (q, k) its n nearest among the latents of `batches`, nearest first.

    Raises `LimitExceeded` for more than `MAX_HITS` hits in all, and `InvalidInput` for a query without a distance.
    """
    if len(queries) * n > MAX_HITS:
        raise LimitExceeded(f"{len(queries):,} queries with {n:,} hits each are over {MAX_HITS:,}; ask for fewer")
    wide = queries.astype(np.float64)
    if metric.directed and not wide.any(axis=1).all():
        raise InvalidInput("a query of zeros has no direction, hence no cosine", fix="no-direction")
    best = [_nothing(metric.place(wide[i : i + QUERIES])) for i in range(0, len(wide), QUERIES)]
    seen = 0
    for batch in batches:
        known = batch.latents.astype(np.float64)
        usable = np.flatnonzero(known.any(axis=1)) if metric.directed else np.arange(len(known))
        placed = metric.place(known[usable])
        names = np.empty(len(usable), object)
        names[:] = [(batch.sources[i], batch.classes[i]) for i in usable]
        if len(usable):
            best = [part.improved(placed, usable + seen, names, n) for part in best]
        seen += len(known)
    return [hits for part in best for hits in _hits(part, metric)]


def _nothing(queries: Wide) -> _Best:
    shape = (len(queries), 0)
    return _Best(queries, np.empty(shape), np.empty(shape, np.int64), np.empty(shape, object))


def _hits(best: _Best, metric: Metric) -> Iterator[list[Hit]]:
    distances = metric.distance(best.distances)
    for row in range(len(best.queries)):
        cells = zip(best.names[row], distances[row].tolist(), best.indices[row].tolist(), strict=True)
        yield [Hit(source, label, distance, index) for (source, label), distance, index in cells]


def bank_batches(bank: Bank) -> Iterator[LatentBatch]:
    """Yield the rows of a bank; raises `UsageError` for a bank without rows."""
    if not len(bank.latents):
        raise UsageError("this model was exported without the latents of its bank", fix="no-rows-search")
    classes = [bank.classes[label] if label >= 0 else None for label in bank.labels]
    for start in range(0, len(bank.latents), ROWS):
        part = slice(start, start + ROWS)
        yield LatentBatch(bank.latents[part], tuple(bank.sources[part]), tuple(classes[part]), None)


def _unit(latents: Wide) -> Wide:
    """Return latents (n, k) at length 1; divided first by their largest number, or the squares of tiny ones vanish."""
    scaled = latents / abs(latents).max(axis=1, keepdims=True)
    unit: Wide = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return unit


METRICS: dict[str, Metric] = {
    "euclidean": Metric(lambda latents: latents, lambda distances: distances, False),
    "cosine": Metric(_unit, lambda distances: np.square(distances) / 2, True),  # |u - v|^2 = 2 - 2 cos(u, v)
}
