"""The neighbour graph: its edges against brute force, its paths against Dijkstra, and banks that fall apart."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest

from aetool.generation import neighbour_graph as module
from aetool.generation.neighbour_graph import LINKS, MOST, NeighbourGraph, neighbour_graph, shortest_path
from aetool.latents.bank import Bank, make_bank


def drawn(n: int, k: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)


def bank_of(latents: np.ndarray, labels: np.ndarray | None = None) -> Bank:
    labels = np.zeros(len(latents), np.int64) if labels is None else labels
    names = tuple(str(i) for i in range(max(labels.max(initial=0) + 1, 1)))
    return make_bank(latents, labels, [str(i) for i in range(len(latents))], names, seed=0)


def edges_of(graph: NeighbourGraph) -> dict[tuple[int, int], float]:
    sources = np.repeat(np.arange(len(graph.latents)), np.diff(graph.starts))
    costs = graph.hops(sources, np.arange(len(graph.ends)))
    return {(int(a), int(b)): float(cost) for a, b, cost in zip(sources, graph.ends, costs, strict=True)}


def dijkstra(graph: NeighbourGraph, starts: dict[int, float], ends: dict[int, float]) -> float:
    """Return the least cost from any start to any end, each with a cost of its own: the textbook algorithm."""
    edges: dict[int, list[tuple[int, float]]] = {}
    for (a, b), cost in edges_of(graph).items():
        edges.setdefault(a, []).append((b, cost))
    least, queue = {}, [(cost, row) for row, cost in starts.items()]
    heapq.heapify(queue)
    while queue:
        cost, row = heapq.heappop(queue)
        if row not in least:
            least[row] = cost
            for other, more in edges.get(row, []):
                heapq.heappush(queue, (cost + more, other))
    return min(least[row] + cost for row, cost in ends.items() if row in least)


def cost_of(a: np.ndarray, way: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(np.diff(np.stack([a, *way, b]).astype(np.float64), axis=0)).sum())


def nearest_of(latents: np.ndarray, point: np.ndarray) -> dict[int, float]:
    squared = np.square(latents.astype(np.float64) - point).sum(1)
    return {int(row): float(squared[row]) for row in np.argsort(squared)[:LINKS]}


@pytest.mark.parametrize("classes", [1, 3])
def test_edges_are_the_nearest_of_the_class_and_what_is_nearer_than_the_last(classes):
    latents, labels = drawn(120), np.arange(120) % classes
    distances = np.linalg.norm(latents[:, None].astype(np.float64) - latents, axis=2)
    expected = set()
    for row in range(120):
        same = [i for i in np.argsort(distances[row]) if labels[i] == labels[row] and i != row][:10]
        near = set(same) | {i for i in range(120) if i != row and distances[row, i] < distances[row, same[-1]]}
        expected |= {(row, int(i)) for i in near} | {(int(i), row) for i in near}
    found = edges_of(neighbour_graph(bank_of(latents, labels)))
    assert set(found) == expected
    assert all(cost == pytest.approx(distances[edge] ** 2) for edge, cost in found.items())


@pytest.mark.parametrize("block", [1, 500, 1 << 20])
def test_the_size_of_the_blocks_does_not_matter(monkeypatch, block):
    bank = bank_of(drawn(150), np.arange(150) % 3)
    expected = edges_of(neighbour_graph(bank))
    monkeypatch.setattr(module, "BLOCK", block)
    assert edges_of(neighbour_graph(bank)).keys() == expected.keys()


@pytest.mark.parametrize("seed", range(4))
def test_a_path_costs_what_dijkstra_says_and_hops_along_edges(seed):
    latents = drawn(300, 3, seed)
    graph = neighbour_graph(bank_of(latents, np.arange(300) % 4))
    a, b = drawn(2, 3, seed + 100) * 2
    way = shortest_path(graph, a, b)
    edges = edges_of(graph)
    assert all((int(i), int(j)) in edges for i, j in pairwise(way))
    starts, ends = nearest_of(latents, a), nearest_of(latents, b)
    assert way[0] in starts and way[-1] in ends
    assert cost_of(a, latents[way], b) == pytest.approx(dijkstra(graph, starts, ends))


def test_short_hops_are_preferred_to_one_long_one():
    line = np.stack([np.arange(40), np.zeros(40)], 1).astype(np.float32)
    graph = neighbour_graph(bank_of(line))
    assert shortest_path(graph, line[3], line[30]).tolist() == list(range(3, 30))


def test_neighbours_need_no_detour():
    latents = drawn(200)
    graph = neighbour_graph(bank_of(latents))
    assert len(shortest_path(graph, latents[5], latents[5])) == 0
    assert len(shortest_path(graph, latents[5], latents[5] + np.float32(1e-3))) == 0


def test_a_bank_in_pieces_is_joined_by_the_shortest_bridges():
    pieces = np.concatenate([drawn(30) + np.float32(offset) for offset in (0, 100, 300)])
    bank = bank_of(pieces, np.repeat([0, 1, 2], 30))
    graph = neighbour_graph(bank)
    bridges = {tuple(sorted(edge)) for edge in edges_of(graph) if edge[0] // 30 != edge[1] // 30}
    distances = np.linalg.norm(pieces[:, None].astype(np.float64) - pieces, axis=2)
    for first, second in ((0, 1), (1, 2)):
        block = distances[30 * first : 30 * first + 30, 30 * second : 30 * second + 30]
        i, j = np.unravel_index(block.argmin(), block.shape)
        assert (30 * first + i, 30 * second + j) in bridges
    assert len(bridges) == 2
    way = shortest_path(graph, pieces[0], pieces[89])
    assert {int(row) // 30 for row in way} == {0, 1, 2}


@pytest.mark.parametrize("copies", [2, 12, 60])
def test_equal_rows_do_not_explode_and_lead_on(copies):
    latents = np.repeat(drawn(20), copies, axis=0)
    graph = neighbour_graph(bank_of(latents))
    way = shortest_path(graph, latents[0] + np.float32(0.5), latents[-1])
    assert 0 < len(way) < 60 and len(set(way.tolist())) == len(way)
    assert len(graph.ends) <= 2 * len(latents) * (MOST + 11)


def test_rows_that_are_all_equal_are_one_place():
    graph = neighbour_graph(bank_of(np.ones((100, 4), np.float32)))
    assert len(shortest_path(graph, np.zeros(4, np.float32), np.full(4, 2, np.float32))) < 100


def test_rows_among_strangers_have_few_edges():
    """Classes drawn by lot: the tenth of one's class is far, but no row is joined with all that are nearer."""
    latents = drawn(2000, 3)
    labels = np.random.default_rng(0).integers(0, 150, 2000)
    graph = neighbour_graph(bank_of(latents, labels))
    assert len(graph.ends) <= 2 * 2000 * (MOST + 11)
    near = np.linalg.norm(latents[1:].astype(np.float64) - latents[0], axis=1).argsort()[:9] + 1
    assert set(near.tolist()) <= {b for a, b in edges_of(graph) if a == 0}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_smallest_banks_have_paths(n):
    latents = drawn(n)
    way = shortest_path(neighbour_graph(bank_of(latents)), latents[0] - 9, latents[-1] + 9)
    assert 1 <= len(way) <= n
