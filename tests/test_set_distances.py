"""Fréchet distance, precision, recall, density and coverage against values known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aetool import metrics
from aetool.metrics import Support, frechet, radii, support


def drawn(n, d, seed=0, scale=1.0, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale + shift).astype(np.float32)


def test_frechet_of_a_set_with_itself_is_nothing():
    x = drawn(500, 8)
    assert abs(frechet(x, x)) < 1e-6


def test_frechet_of_a_shift_is_its_squared_length():
    x = drawn(500, 4)
    assert frechet(x, x + np.float32([3, 4, 0, 0])) == pytest.approx(25, rel=1e-4)


def test_frechet_of_a_stretch_is_the_squared_difference_of_the_deviations():
    x = drawn(4000, 3)
    own = np.cov(x, rowvar=False, dtype=np.float64)
    assert frechet(x - x.mean(0), 3 * (x - x.mean(0))) == pytest.approx(4 * np.trace(own), rel=1e-4)


def test_a_covariance_in_blocks_is_that_of_all_points(monkeypatch):
    points = (np.random.default_rng(0).normal(size=(50, 3)) * [1, 5, 0.1] + [100, 0, -3]).astype(np.float32)
    monkeypatch.setattr(metrics, "ROWS", 7)
    assert metrics.covariance(points) == pytest.approx(np.cov(points.T.astype(np.float64)), rel=1e-12)


def test_frechet_is_that_of_commuting_covariances_worked_out_by_hand():
    a = np.float32([[1, 0], [-1, 0], [0, 2], [0, -2]])  # covariance diag(2/3, 8/3)
    b = np.float32([[3, 0], [-3, 0], [0, 1], [0, -1]])  # covariance diag(6, 2/3)
    expected = (np.sqrt(6) - np.sqrt(2 / 3)) ** 2 + (np.sqrt(8 / 3) - np.sqrt(2 / 3)) ** 2
    assert frechet(a, b) == pytest.approx(expected)


def test_frechet_is_symmetric_also_where_there_are_fewer_rows_than_features():
    a, b = drawn(5, 20), drawn(7, 20, 1, 2.0)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-6)
    assert frechet(a[:1], a[:1]) == pytest.approx(0)


def test_radii_are_distances_to_the_kth_other():
    line = np.float32([[0], [1], [3], [7]])
    assert radii(line, 1).tolist() == [1, 1, 4, 16]
    assert radii(line, 2).tolist() == [9, 4, 9, 36]
    assert radii(line, 99).tolist() == [49, 36, 16, 49]


def test_support_on_a_line_by_hand():
    real = np.float32([[0], [1], [2], [10]])  # balls of radius 1, 1, 1, 8 with k = 1
    made = np.float32([[0.5], [1.5], [30]])  # balls of radius 1, 1, 28.5
    # 0.5 lies in the balls of 0 and 1; 1.5 in those of 1 and 2; 30 in none. 10's ball [2, 18] holds none.
    assert support(real, made, k=1) == Support(2 / 3, 1.0, pytest.approx(4 / 3), 3 / 4)


def test_a_set_supports_itself_and_nothing_far_away():
    x = drawn(300, 6)
    own = support(x, x)
    assert own.precision == own.recall == own.coverage == 1 and own.density >= 1
    assert support(x, x + 1000) == Support(0, 0, 0, 0)


def test_one_repeated_image_is_precise_and_recalls_nothing():
    x = drawn(400, 5)
    found = support(x, np.repeat(x[:1], 400, 0))
    assert found.precision == 1 and found.recall < 0.01 and found.coverage < 0.1


def test_blocks_do_not_change_the_figures(monkeypatch):
    a, b = drawn(200, 7), drawn(150, 7, 1, shift=0.5)
    whole = support(a, b)
    monkeypatch.setattr(metrics, "BLOCK", 150 * 3)
    assert support(a, b) == whole


def test_figures_do_not_drown_far_from_the_origin():
    a, b = drawn(200, 3), drawn(200, 3, 1)
    assert support(a + 100, b + 100) == support(a, b)
