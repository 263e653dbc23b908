"""The neighbour graph of a bank, and shortest paths from row to row through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, OneLine
from aetool.errors import UsageError
from aetool.latents.bank import Bank, Edges
from aetool.latents.neighbours import Rows, nearest, others_nearest

LINKS = 10
"""Nearest rows joined with a latent from outside the bank."""
MOST = 50
"""Most edges from a row to nearer rows of other classes."""
BLOCK = 1 << 20
"""Numbers held at a time; few enough to stay in the cache of a processor."""

Costs = npt.NDArray[np.float64]
"""Cost of a way: the sum of its squared hops."""


@dataclass(frozen=True, eq=False, repr=False)
class NeighbourGraph(OneLine):
    """The rows of a bank, joined with near rows in both directions; connected.

    latents   (n, k)
    starts    (n + 1,): the edges of row i are those from starts[i] to starts[i + 1]
    ends      (e,) row that each edge leads to
    """

    latents: Latents
    starts: npt.NDArray[np.integer[Any]]
    ends: npt.NDArray[np.integer[Any]]

    def hops(self, sources: Rows, edges: Rows) -> Costs:
        """Return the squared lengths (m,) of edges (m,) with the start rows `sources` (m,)."""
        squared = np.empty(len(edges))
        step = max(1, BLOCK // self.latents.shape[1])
        for part in (slice(start, start + step) for start in range(0, len(edges), step)):
            difference = self.latents[sources[part]].astype(np.float64) - self.latents[self.ends[edges[part]]]
            squared[part] = np.square(difference).sum(1)
        return squared


def neighbour_graph(bank: Bank) -> NeighbourGraph:
    """Return the neighbour graph of the rows of `bank`: the stored one, else computed.

    A row is joined with its neighbours of the same class, and with all rows of other classes nearer than the last
    neighbour (at most `MOST`). A graph in several pieces is joined by the minimum spanning tree of all rows.
    Raises `UsageError` for a bank without rows.
    """
    if not len(bank.latents):
        raise UsageError(
            "this model was exported without the latents of its bank, which a graph needs", fix="no-rows-graph"
        )
    if bank.edges is not None:
        return NeighbourGraph(bank.latents, bank.edges.starts, bank.edges.ends)
    edges = _edges(bank)
    graph = _graph(bank.latents, edges)
    if np.isfinite(_relaxed(graph, np.zeros(1, np.int64), np.zeros(1), _everywhere)[0]).all():
        return graph
    return _graph(bank.latents, np.concatenate([edges, _spanning_tree(bank.latents)]))


def stored_edges(bank: Bank) -> Edges | None:
    """Return the edges of the neighbour graph as a bank stores them, None for a bank without rows."""
    if not len(bank.latents):
        return None
    graph = neighbour_graph(bank)
    return Edges(graph.starts.astype(np.int32), graph.ends.astype(np.uint16))


def shortest_path(graph: NeighbourGraph, a: Latents, b: Latents) -> Rows:
    """Return the rows (r,) of the path from latent a (k,) to latent b (k,) with the least sum of squared hops.

    Squares prefer many short hops to a long hop: two hops replace a hop wherever a row lies inside the ball with the
    hop as diameter. Hwang, Damelin and Hero, "Shortest path through random points", Annals of Applied Probability
    26(5), 2016, with exponent 2. The path is empty where b is as near to a as the `LINKS` nearest rows.
    """
    rows, distances = nearest(np.stack([a, b]).astype(np.float64), graph.latents, LINKS)
    if np.linalg.norm(a.astype(np.float64) - b) <= distances[0, -1]:
        return rows[0, :0]
    links = np.square(distances)
    costs, following = _relaxed(graph, rows[1], links[1], lambda least: float((links[0] + least[rows[0]]).min()))
    way = [int(rows[0][np.argmin(links[0] + costs[rows[0]])])]
    while following[way[-1]] >= 0:
        way.append(int(following[way[-1]]))
    return np.array(way, np.int64)


def _everywhere(_least: Costs) -> float:
    """Return an infinite bound."""
    return float("inf")


def _relaxed(graph: NeighbourGraph, rows: Rows, costs: Costs, bound: Callable[[Costs], float]) -> tuple[Costs, Rows]:
    """Return the least cost (n,) from every row to the end, infinite without a path, and the next row (n,) of paths.

    `rows` reach the end at `costs`; the next row of the last row is -1.

    Bellman and Ford's relaxation, each time from the rows with a reduced cost. A next row changes only for a lower
    cost, so no path is a cycle, despite rounding. Rows beyond the cost of `bound` are skipped: no hop reduces
    a cost.
    """
    least, following = np.full(len(graph.latents), np.inf), np.full(len(graph.latents), -1, np.int64)
    least[rows] = costs
    active = rows
    while len(active):
        active = active[least[active] < bound(least)]
        first = graph.starts[active].astype(np.int64)
        counts = graph.starts[active + 1] - first
        before = counts.cumsum() - counts
        edges = np.arange(counts.sum()) + np.repeat(first - before, counts)
        sources, ends = np.repeat(active, counts), graph.ends[edges].astype(np.int64)
        offered = least[sources] + graph.hops(sources, edges)
        better = offered < least[ends]
        ends, offers, sources = ends[better], offered[better], sources[better]
        np.minimum.at(least, ends, offers)
        best = offers == least[ends]
        following[ends[best]] = sources[best]
        active = np.unique(ends)
    return least, following


def _graph(latents: Latents, edges: Rows) -> NeighbourGraph:
    """Return the graph with the edges (e, 2), each in both directions and once."""
    n = len(latents)
    both = np.unique(np.concatenate([edges @ (n, 1), edges @ (1, n)]))
    sources, ends = np.divmod(both, n)
    return NeighbourGraph(latents, np.searchsorted(sources, np.arange(n + 1)), ends)


def _edges(bank: Bank) -> Rows:
    """Return pairs of rows (e, 2): neighbours of the same class, and rows nearer than the last neighbour."""
    latents, n = bank.latents, len(bank.latents)
    of_class = np.argwhere(bank.neighbours >= 0)
    pairs = [np.stack([of_class[:, 0], bank.neighbours[bank.neighbours >= 0]], 1).astype(np.int64)]
    centred = latents - latents.mean(0, dtype=np.float64).astype(np.float32)
    norms = np.square(centred).sum(1)
    radius = _radius(bank, centred)
    # One product gives |b|^2 - 2ab, which is below r^2 - |a|^2 where b is nearer to a than r. The margin keeps rounding
    # from joining all rows that are equal; nothing is lost, for the neighbours of the class are there already.
    left = np.concatenate([-2 * centred, np.ones((n, 1), np.float32)], 1)
    right = np.ascontiguousarray(np.concatenate([centred, norms[:, None]], 1).T)
    limits = radius - norms - np.float32(1e-5) * (norms + radius)
    step = max(1, BLOCK // n)
    for start in range(0, n, step):
        scores = left[start : start + step] @ right
        near = scores < limits[start : start + step, None]
        for row in np.flatnonzero(np.count_nonzero(near, axis=1) > MOST):
            near[row] = False
            near[row, np.argpartition(scores[row], MOST)[:MOST]] = True
        found, others = np.divmod(np.flatnonzero(near), n)
        pairs.append(np.stack([found + start, others], 1))
    edges = np.concatenate(pairs)
    apart: Rows = edges[edges[:, 0] != edges[:, 1]]
    return apart


def _radius(bank: Bank, centred: Latents) -> npt.NDArray[np.float32]:
    """Return for each row the squared distance to the last of its class, or to its LINKS nearest in small classes."""
    last = bank.neighbours[:, -1].astype(np.int64)
    small = np.flatnonzero(last < 0)
    if len(small) and len(centred) > 1:
        last[small] = others_nearest(centred, small, LINKS)[:, -1]
    radius: npt.NDArray[np.float32] = np.square(centred - centred[last]).sum(1)
    return radius


def _spanning_tree(latents: Latents) -> Rows:
    """Return the minimum spanning tree of all rows as pairs (n - 1, 2); Prim's algorithm."""
    n = len(latents)
    wide = latents.astype(np.float64) - latents.mean(0, dtype=np.float64)
    norms = np.square(wide).sum(1)
    least, parents, order = np.full(n, np.inf), np.zeros(n, np.int64), [0]
    outside = np.arange(n) > 0
    for _ in range(n - 1):
        squared = norms - 2 * (wide @ wide[order[-1]]) + norms[order[-1]]
        nearer = outside & (squared < least)
        least[nearer], parents[nearer] = squared[nearer], order[-1]
        order.append(int(np.argmin(np.where(outside, least, np.inf))))
        outside[order[-1]] = False
    return np.stack([order[1:], parents[order[1:]]], 1)
