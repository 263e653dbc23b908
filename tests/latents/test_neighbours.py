"""Nearest latents against brute force, duplicates, and classes that are too small."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.latents import neighbours
from aetool.latents.neighbours import class_neighbours, nearest, others_nearest


def drawn(n: int, k: int, seed: int = 0, offset: float = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, k)) + offset).astype(np.float32)


def brute(queries: np.ndarray, latents: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and distances of the m nearest, each distance by itself in float64."""
    distances = np.array([[np.linalg.norm(a.astype(np.float64) - b) for b in latents] for a in queries])
    rows = np.argsort(distances, axis=1, kind="stable")[:, :m]
    return rows, np.take_along_axis(distances, rows, 1)


@pytest.mark.parametrize(("n", "k", "m"), [(1, 3, 1), (2, 1, 2), (50, 2, 1), (60, 16, 10), (40, 64, 40)])
def test_nearest_is_what_brute_force_finds(n, k, m):
    queries, latents = drawn(20, k, seed=1), drawn(n, k)
    rows, distances = nearest(queries, latents, m)
    expected_rows, expected_distances = brute(queries, latents, m)
    assert np.array_equal(rows, expected_rows)
    assert np.allclose(distances, expected_distances, rtol=1e-5)
    assert rows.dtype == np.int64 and distances.dtype == np.float32


def test_m_is_at_most_n():
    rows, distances = nearest(drawn(3, 4, seed=1), drawn(5, 4), 100)
    assert rows.shape == distances.shape == (3, 5)
    assert np.sort(rows, axis=1).tolist() == [[0, 1, 2, 3, 4]] * 3


def test_no_queries_give_no_rows():
    rows, distances = nearest(drawn(0, 4), drawn(5, 4), 3)
    assert rows.shape == distances.shape == (0, 3)


def test_a_latent_finds_itself_first_at_no_distance():
    latents = drawn(100, 8)
    rows, distances = nearest(latents[30:40], latents, 3)
    assert rows[:, 0].tolist() == list(range(30, 40))
    assert (distances[:, 0] == 0).all() and (distances[:, 1:] > 0).all()


@pytest.mark.parametrize("block", [1, 7, 100, 350, 10_000])
def test_the_size_of_the_blocks_does_not_matter(monkeypatch, block):
    queries, latents = drawn(30, 4, seed=1), drawn(50, 4)
    expected = nearest(queries, latents, 5)
    monkeypatch.setattr(neighbours, "BLOCK", block)
    found = nearest(queries, latents, 5)
    assert np.array_equal(found[0], expected[0])
    assert np.allclose(found[1], expected[1], rtol=1e-6)


@pytest.mark.parametrize("offset", [100, 1000])
def test_latents_far_from_the_origin_are_told_apart(offset):
    latents = drawn(100, 16, offset=offset)
    rows, distances = nearest(latents[:20], latents, 5)
    assert np.array_equal(rows, brute(latents[:20], latents, 5)[0])
    assert (np.diff(distances) >= 0).all()


def test_others_leave_the_row_itself_out():
    latents = drawn(40, 4)
    rows = np.array([3, 17, 3, 39])
    others = others_nearest(latents, rows, 6)
    assert np.array_equal(others, brute(latents[rows], latents, 7)[0][:, 1:])


def test_among_equal_latents_the_row_itself_is_left_out_and_another_is_found():
    latents = np.zeros((30, 4), np.float32)
    others = others_nearest(latents, np.arange(30), 5)
    assert others.shape == (30, 5)
    for row, found in enumerate(others.tolist()):
        assert row not in found
        assert len(set(found)) == 5


def test_pairs_of_equal_latents_find_each_other_first():
    latents = drawn(20, 8).repeat(2, axis=0)
    others = others_nearest(latents, np.arange(40), 3)
    assert others[:, 0].tolist() == [row ^ 1 for row in range(40)]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_latents_have_few_others(n):
    others = others_nearest(drawn(n, 4), np.arange(n), 10)
    assert others.shape == (n, n - 1)
    assert [sorted(row) for row in others.tolist()] == [[i for i in range(n) if i != row] for row in range(n)]


def test_class_neighbours_are_the_nearest_others_of_the_class():
    latents, labels = drawn(60, 4), np.random.default_rng(1).integers(0, 3, 60)
    found = class_neighbours(latents, labels, 5)
    assert found.shape == (60, 5) and found.dtype == np.int32
    for row in range(60):
        same = np.flatnonzero(labels == labels[row])
        same = same[same != row]
        expected = same[brute(latents[[row]], latents[same], 5)[0][0]]
        assert found[row].tolist() == expected.tolist()


def test_classes_smaller_than_m_are_filled_up_with_minus_one():
    latents, labels = drawn(10, 4), np.array([0, 1, 1, 2, 2, 2, -1, -1, 5, 2])
    found = class_neighbours(latents, labels, 3)
    for row, neighbours_of in enumerate(found.tolist()):
        others = {int(i) for i in np.flatnonzero(labels == labels[row])} - {row}
        assert set(neighbours_of) - {-1} == others
        assert neighbours_of[len(others) :] == [-1] * (3 - len(others))


def test_no_latents_have_no_neighbours():
    assert class_neighbours(np.empty((0, 4), np.float32), np.empty(0, np.int64), 3).shape == (0, 3)
