"""The map of a bank: neighbours stay together, the same places on each run, and latents of every kind have places."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from aetool import load
from aetool.bundle.bundle import Bundle
from aetool.latents.neighbours import Index
from aetool.latents.placing import placed_beside
from aetool.training import mapping
from aetool.training.data import dataset
from aetool.training.export.assemble import bank_of
from aetool.training.mapping import kept_map, mapped
from tests.explore.kinds import latents_of


def groups(n: int, k: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return latents (n, k) of four groups and their numbers (n,)."""
    return latents_of(n, k, 4), np.arange(n) % 4


def share(places: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of the five nearest places in the same group."""
    near = Index(places.astype(np.float64)).rows(places.astype(np.float64), 6)[:, 1:]
    return float((labels[near] == labels[:, None]).mean())


def test_groups_stay_together_on_the_map():
    latents, labels = groups(120)
    assert share(mapped(latents), labels) > 0.95


def test_latents_behind_the_most_are_placed_among_their_kind(monkeypatch):
    monkeypatch.setattr(mapping, "MOST", 60)
    latents, labels = groups(200)
    places = mapped(latents)
    assert share(places, labels) > 0.95 and len(np.unique(places, axis=0)) > 150


def test_the_map_is_the_same_on_each_run_whatever_the_threads(monkeypatch):
    latents, _ = groups(100)
    first = mapped(latents)
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "2")
    assert mapped(latents).tobytes() == first.tobytes()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 6, 31])
@pytest.mark.parametrize("k", [1, 2, 3, 40])
def test_few_latents_of_every_length_have_places(n, k):
    places = mapped(np.random.default_rng(0).normal(size=(n, k)).astype(np.float32))
    assert places.shape == (n, 2) and places.dtype == np.float32 and np.isfinite(places).all()


@pytest.mark.parametrize("value", [0.0, 1e30, 1e-30])
def test_latents_of_every_size_have_places(value):
    latents = np.full((20, 4), value, np.float32)
    assert np.isfinite(mapped(latents)).all()
    latents[::2] *= 0.5
    assert np.isfinite(mapped(latents)).all()


def test_two_numbers_are_their_own_place():
    latents = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    assert (mapped(latents) == latents).all()
    assert (placed_beside(latents[:3], latents, latents) == latents[:3]).all()


def test_a_latent_between_two_groups_is_placed_in_one_of_them():
    known = np.array([[0, 0, 0]] * 3 + [[1, 0, 0]] * 3, np.float32)
    places = np.array([[0, 0]] * 3 + [[100, 0]] * 3, np.float32)
    (found,) = placed_beside(np.array([[0.45, 0, 0]], np.float32), known, places)
    assert found.tolist() == [0, 0]


def test_a_map_is_kept_and_made_again_where_it_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    latents, made = groups(30)[0], []
    monkeypatch.setattr(mapping, "mapped", lambda z: made.append(1) or z[:, :2].copy())
    for _ in range(2):
        assert (kept_map(latents, lambda *_: None) == latents[:, :2]).all()
    assert len(made) == 1
    (kept,) = (tmp_path / "aetool/maps").iterdir()
    for damage in (b"", kept.read_bytes()[:-4], kept.read_bytes().replace(b"<f4", b"<i4")):
        kept.write_bytes(damage)
        kept_map(latents, lambda *_: None)
    assert len(made) == 4
    kept_map(latents[:-1], lambda *_: None)
    assert len(made) == 5


def test_few_maps_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(mapping, "KEPT", 3)
    for n in range(6, 12):
        kept_map(np.zeros((n, 3), np.float32), lambda *_: None)
    assert len(list((tmp_path / "aetool/maps").iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept_map(groups(10)[0], lambda *_: None).shape == (10, 2)


def test_an_exported_bank_has_a_map(digits):
    bank = Bundle.read(digits).bank()
    assert share(bank.positions, bank.labels) > 0.9


@pytest.mark.parametrize(("placed", "rows", "there"), [(False, True, False), (True, True, True), (False, False, False)])
def test_a_large_bank_has_a_map_only_where_it_is_asked_for(placed, rows, there, monkeypatch, digits):
    monkeypatch.setattr("aetool.training.export.assemble.QUICK", 100)
    monkeypatch.setattr("aetool.training.export.assemble.kept_map", lambda z, _: z[:, :2].copy())
    data = dataset.load("digits", 0, choosing=True)
    bank = bank_of(load(digits).codec, data, 0, rows, placed=placed)
    assert (bank.positions is not None) == there


def test_a_map_of_no_bank_is_refused(cli, digits_run, monkeypatch):
    monkeypatch.chdir(digits_run.parents[1])
    code, _, err = cli("export", "--map", "--no-bank", "-o", "none")
    assert code == 2 and "--map or --no-bank" in err and not Path("none").exists()
