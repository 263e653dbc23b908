"""The distance of latents to a bank: exact to the nearest row, and to the nearest class where there are no rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aetool.latents import distance
from aetool.latents.bank import make_bank
from aetool.latents.distance import reference
from tests.toy import toy_bank, toy_latents


def bank_of(latents, labels=None, classes=("a", "b"), rows=True):
    labels = np.zeros(len(latents), np.int64) if labels is None else labels
    return make_bank(latents, labels, [str(i) for i in range(len(latents))], classes, 0, rows)


@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("n", [1, 3, 500])
def test_it_is_that_to_the_nearest_row(n, offset, monkeypatch):
    monkeypatch.setattr(distance, "QUERIES", 7)
    monkeypatch.setattr(distance, "COLUMNS", 90)
    rng = np.random.default_rng(n)
    known = (rng.normal(size=(n, 5)) + offset).astype(np.float32)
    queries = np.concatenate([known[:1], (rng.normal(size=(40, 5)) * 3 + offset).astype(np.float32)])
    found = reference(bank_of(known)).distances(queries)
    exact = np.linalg.norm(queries[:, None].astype(float) - known, axis=2).min(1)
    assert found == pytest.approx(exact, rel=1e-3, abs=2e-3) and found.dtype == np.float64
    assert found[0] == pytest.approx(0, abs=2e-3)


def test_latents_of_any_size_have_a_distance():
    far = np.full((2, 4), 3e38, np.float32) * np.float32([[1], [-1]])
    assert (reference(toy_bank()).distances(far) > 1e38).all()


def test_without_rows_it_is_the_mahalanobis_distance_to_the_nearest_class():
    rng = np.random.default_rng(0)
    spread = np.array([[4.0, 0.1], [0.1, 4.0]])
    latents = np.concatenate([rng.normal(size=(4000, 2)) * spread[i] + 100 * i for i in (0, 1)]).astype(np.float32)
    bank = bank_of(latents, np.repeat([0, 1], 4000), rows=False)
    assert not len(bank.latents)
    queries = np.array([[8, 0], [0, 0.2], [100.3, 100], [100, 112]], np.float32)
    assert reference(bank).distances(queries) == pytest.approx([2, 2, 3, 3], abs=0.15)


def test_classes_without_images_and_images_without_classes_do_not_count():
    latents = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    one = reference(bank_of(latents, classes=("a", "empty"), rows=False))
    none = reference(bank_of(latents, np.full(200, -1), classes=(), rows=False))
    unlabelled = reference(bank_of(latents, np.full(200, -1), rows=False))
    assert len(one.means) == len(none.means) == len(unlabelled.means) == 1
    assert np.array_equal(one.distances(latents), none.distances(latents))


def test_a_class_of_one_image_and_flat_directions_have_finite_distances():
    flat = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    flat[:, 2:] = 7
    for latents in (flat, flat[:1], np.zeros((5, 4), np.float32)):
        found = reference(bank_of(latents, rows=False)).distances(flat + np.float32(1))
        assert np.isfinite(found).all() and (found > 0).all()
    assert np.isfinite(reference(bank_of(flat, rows=False)).distances(np.full((1, 4), 3e38, np.float32))).all()


def test_a_bank_of_no_image_has_no_distance():
    empty = bank_of(np.empty((0, 4), np.float32), np.empty(0, np.int64))
    assert np.isnan(reference(empty).distances(toy_latents())).all()


def test_rows_come_before_statistics():
    assert reference(toy_bank()).distances(toy_latents()).max() == 0
    bare = replace(toy_bank(), latents=toy_latents()[:0])
    assert reference(bare).distances(toy_latents()).min() > 0
