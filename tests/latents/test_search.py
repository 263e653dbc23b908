"""Search: against brute force, however the stream is cut; known distances; what has no direction."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.errors import InvalidInput, LimitExceeded, UsageError
from aetool.latents import search as module
from aetool.latents.bank import make_bank
from aetool.latents.files import LatentBatch
from aetool.latents.search import METRICS, bank_batches, search
from tests.toy import CLASSES, toy_bank, toy_latents


def drawn(n: int, k: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)


def batches(latents: np.ndarray, size: int) -> list[LatentBatch]:
    names = [f"{i}.png" for i in range(len(latents))]
    cuts = range(0, len(latents), size)
    return [
        LatentBatch(latents[i : i + size], tuple(names[i : i + size]), (None,) * len(latents[i : i + size]), None)
        for i in cuts
    ]


def distance(metric: str, a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    if metric == "euclidean":
        return float(np.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True))))
    return float(1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize("n", [1, 5, 300])
def test_search_finds_what_brute_force_finds_however_the_stream_is_cut(metric, size, n):
    queries, latents = drawn(9, seed=1), drawn(200)
    found = search(queries, batches(latents, size), n, METRICS[metric])
    assert len(found) == 9
    for query, hits in zip(queries, found, strict=True):
        all_distances = np.array([distance(metric, query, latent) for latent in latents])
        order = np.argsort(all_distances, kind="stable")[:n]
        assert [hit.index for hit in hits] == order.tolist()
        assert [hit.source for hit in hits] == [f"{i}.png" for i in order]
        assert [hit.distance for hit in hits] == pytest.approx(all_distances[order].tolist(), abs=1e-12)


def test_the_number_of_queries_at_a_time_does_not_matter(monkeypatch):
    expected = search(drawn(20, seed=1), batches(drawn(50), 9), 4, METRICS["euclidean"])
    monkeypatch.setattr(module, "QUERIES", 3)
    assert search(drawn(20, seed=1), batches(drawn(50), 9), 4, METRICS["euclidean"]) == expected


def test_known_distances():
    stream = batches(np.array([[3, 4], [-3, -4], [-4, 3], [6, 8], [0.3, 0.4]], np.float32), 2)
    query = np.array([[3, 4]], np.float32)
    (hits,) = search(query, stream, 5, METRICS["euclidean"])
    assert [(hit.index, hit.distance) for hit in hits] == [
        (0, 0), (4, pytest.approx(4.5)), (3, 5), (2, pytest.approx(50**0.5)), (1, 10),
    ]  # fmt: skip
    (hits,) = search(query, stream, 5, METRICS["cosine"])
    assert {hit.index: pytest.approx(hit.distance, abs=1e-9) for hit in hits} == {0: 0, 3: 0, 4: 0, 2: 1, 1: 2}
    assert [hit.index for hit in hits][-2:] == [2, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_a_latent_finds_itself_at_no_distance(metric):
    latents = drawn(100) + np.float32(1000)
    for i, hits in enumerate(search(latents[:10], batches(latents, 17), 2, METRICS[metric])):
        assert hits[0].index == i and hits[0].distance == 0 < hits[1].distance


def test_of_equal_latents_the_first_in_the_stream_comes_first():
    (hits,) = search(drawn(1), batches(np.repeat(drawn(2, seed=2), 6, axis=0), 4), 12, METRICS["euclidean"])
    order = [hit.index for hit in hits]
    assert order in ([*range(12)], [*range(6, 12), *range(6)])


def test_the_longest_and_shortest_latents_are_compared():
    most = np.finfo(np.float32).max
    stream = batches(np.array([[most, most], [1e-45, 0], [0, 1e-45], [-most, 0]], np.float32), 4)
    for metric in METRICS.values():
        (hits,) = search(np.array([[1e-45, 0]], np.float32), stream, 4, metric)
        assert hits[0].index == 1 and np.isfinite([hit.distance for hit in hits]).all()
    assert [hit.distance for hit in hits] == pytest.approx([0, 1 - 0.5**0.5, 1, 2])


def test_a_latent_of_zeros_has_no_direction():
    stream = batches(np.array([[0, 0], [1, 0], [0, 0], [0, 1]], np.float32), 2)
    (hits,) = search(np.array([[1, 1]], np.float32), stream, 9, METRICS["cosine"])
    assert [hit.index for hit in hits] == [1, 3]
    with pytest.raises(InvalidInput, match="no direction"):
        search(np.zeros((1, 2), np.float32), stream, 9, METRICS["cosine"])
    assert len(search(np.zeros((1, 2), np.float32), stream, 9, METRICS["euclidean"])[0]) == 4
    assert search(drawn(1, 2), batches(np.zeros((3, 2), np.float32), 3), 9, METRICS["cosine"]) == [[]]


def test_nothing_to_search_finds_nothing():
    assert search(drawn(2), [], 5, METRICS["euclidean"]) == [[], []]
    assert search(drawn(0), batches(drawn(3), 2), 5, METRICS["euclidean"]) == []


def test_too_many_hits_are_refused_before_the_stream_is_read():
    with pytest.raises(LimitExceeded, match="ask for fewer"):
        search(drawn(1001), iter(()), 5000, METRICS["euclidean"])


def test_the_bank_is_a_stream_with_classes_and_sources(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 5)
    found = list(bank_batches(toy_bank()))
    assert [len(batch.latents) for batch in found] == [5, 5, 2]
    assert np.array_equal(np.concatenate([batch.latents for batch in found]), toy_latents())
    assert [c for batch in found for c in batch.classes] == ["dark"] * 6 + ["light"] * 6
    assert [s for batch in found for s in batch.sources] == [f"{i}.png" for i in range(12)]
    plain = make_bank(toy_latents(), np.full(12, -1), ["x"] * 12, (), seed=0)
    assert [c for batch in bank_batches(plain) for c in batch.classes] == [None] * 12


def test_a_bank_without_rows_cannot_be_searched():
    empty = make_bank(toy_latents(), np.repeat([0, 1], 6), ["x"] * 12, CLASSES, seed=0, rows=False)
    with pytest.raises(UsageError, match="without the latents of its bank"):
        next(bank_batches(empty))
