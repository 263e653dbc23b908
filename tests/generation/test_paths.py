"""Paths as they look decoded: even steps, loops, and figures that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.generation import paths
from aetool.generation.interpolation import METHODS, lerp
from aetool.generation.paths import EVEN, changes, even, measure, spacing, unevenness, walk
from aetool.latents.bank import Bank, make_bank


def line_bank(n: int = 21) -> Bank:
    """Return a bank on a line: rows 0, 1, 2 … of one number."""
    return make_bank(np.arange(n, dtype=np.float32)[:, None], np.zeros(n, np.int64), ["x"] * n, ("a",), seed=0)


def level(latents: np.ndarray) -> np.ndarray:
    """Decode latents (n, 1) as flat images of that level."""
    return latents[:, :, None, None].repeat(2, 2).repeat(2, 3)


def squared(latents: np.ndarray) -> np.ndarray:
    return np.square(level(latents))


def around(latents: np.ndarray) -> np.ndarray:
    """Decode latents (n, 1) as points on a spiral, two pixels: steps along it are chords."""
    z = latents[:, 0] * 3
    return np.stack([z * np.cos(z), z * np.sin(z)], 1)[:, None, None].astype(np.float32)


def curve(a: float, b: float):
    (found,) = lerp(np.array([[a], [b]], np.float32), line_bank())
    return found


def test_changes_are_the_mse_from_picture_to_picture():
    assert changes(np.float32([[0], [1], [3], [3]]), level).tolist() == [1, 4, 0]
    assert changes(np.float32([[0], [1], [3]]), squared).tolist() == [1, 64]
    assert changes(np.float32([[5]]), level).shape == (0,)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_size_of_the_batches_does_not_matter(monkeypatch, batch):
    latents = np.random.default_rng(0).normal(size=(11, 1)).astype(np.float32)
    expected = changes(latents, squared)
    monkeypatch.setattr(paths, "BATCH", batch)
    assert np.array_equal(changes(latents, squared), expected)


def test_even_steps_of_a_square_are_the_roots():
    """The picture is t^2: steps that change it by as much end at sqrt(i / n)."""
    times, uneven = even(curve(0, 1), 5, squared)
    assert times == pytest.approx(np.sqrt(np.linspace(0, 1, 5)), abs=0.01)
    assert uneven <= EVEN and times[0] == 0 and times[-1] == 1


@pytest.mark.parametrize("decode", [level, squared, around])
@pytest.mark.parametrize("steps", [2, 3, 7, 65, 300])
def test_even_steps_are_equal_within_the_tolerance(decode, steps):
    times, uneven = even(curve(0, 1), steps, decode)
    found = changes(curve(0, 1)(times).astype(np.float32), decode)
    assert len(times) == steps and (np.diff(times) >= 0).all() and times[0] == 0 and times[-1] == 1
    assert abs(found - found.mean()).max() <= EVEN * found.mean() and uneven == unevenness(found)


def test_a_picture_that_does_not_change_keeps_uniform_times():
    times, uneven = even(curve(2, 2), 6, level)
    assert times == pytest.approx(np.linspace(0, 1, 6)) and uneven == 0
    assert unevenness(np.zeros(3)) == 0


def test_a_picture_that_jumps_gives_the_best_that_was_found_and_says_how_uneven_it_is():
    times, uneven = even(curve(0, 1), 5, lambda latents: np.where(level(latents) > 0.41, np.float32(1), np.float32(0)))
    assert uneven == pytest.approx(3) and len(times) == 5 and (np.diff(times) >= 0).all()


def test_keys_near_which_nothing_changes_are_met_all_the_same():
    times, uneven = even(curve(-1, 3), 9, lambda latents: level(latents).clip(0, 1))
    assert times[0] == 0 and times[-1] == 1 and uneven <= EVEN
    assert times[1:-1] * 4 - 1 == pytest.approx(np.arange(1, 8) / 8, abs=0.01)


def test_every_key_is_met_by_even_steps_too():
    keys = np.float32([[0], [2], [1]])
    found, uneven = walk(keys, line_bank(), METHODS["lerp"], 6, squared)
    assert np.array_equal(found[::5], keys) and uneven <= EVEN
    steps = changes(found, squared)
    for part in (steps[:5], steps[5:]):
        assert unevenness(part) <= EVEN


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("evenly", [False, True])
def test_a_loop_closes(method, evenly):
    keys = np.float32([[0], [7], [3]])
    found, _ = walk(keys, line_bank(), METHODS[method], 4, squared if evenly else None, loop=True)
    assert np.array_equal(found[::3], np.float32([[0], [7], [3], [0]])) and len(found) == 10


def test_figures_worked_out_by_hand():
    found = measure(np.float32([[0], [1], [3], [2.5]]), level, line_bank(), spacing(line_bank()))
    assert (found.mean_change, found.max_change) == (pytest.approx(5.25 / 3), 4)
    assert found.jump == pytest.approx(4 * 3 / 5.25)
    assert found.length == pytest.approx(3.5)
    assert found.bank_distance == pytest.approx(0.5 / 4)


def test_jump_is_one_for_equal_steps_and_n_for_a_single_jump():
    unit = spacing(line_bank())
    assert measure(np.float32([[0], [1], [2]]), level, line_bank(), unit).jump == 1
    assert measure(np.float32([[0], [0], [0], [9]]), level, line_bank(), unit).jump == 3
    still = measure(np.float32([[4], [4]]), level, line_bank(), unit)
    assert (still.jump, still.length, still.bank_distance) == (1, 0, 0)


def test_length_is_at_least_the_straight_way_and_that_on_it():
    straight = measure(np.float32([[0], [1], [5]]), level, line_bank(), 1.0).length
    detour = measure(np.float32([[0], [9], [5]]), level, line_bank(), 1.0).length
    assert straight == pytest.approx(5) and detour == pytest.approx(13)


def test_bank_distance_does_not_hang_on_the_scale_of_latents():
    for scale in (1, 1000):
        bank = make_bank(line_bank().latents * scale, np.zeros(21, np.int64), ["x"] * 21, ("a",), seed=0)
        found = measure(np.float32([[0.5], [1.5]]) * scale, level, bank, spacing(bank))
        assert found.bank_distance == pytest.approx(0.5)


def test_spacing_is_the_median_distance_to_the_nearest_other(monkeypatch):
    latents = np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)
    bank = make_bank(latents, np.arange(300) % 3, ["x"] * 300, ("a", "b", "c"), seed=0)
    distances = np.linalg.norm(latents[:, None].astype(np.float64) - latents, axis=2) + np.diag(np.full(300, np.inf))
    assert spacing(bank) == pytest.approx(np.median(distances.min(1)), rel=1e-5)
    monkeypatch.setattr(paths, "SAMPLED", 40)
    assert spacing(bank) == pytest.approx(np.median(distances.min(1)), rel=0.3)


def test_without_two_rows_there_is_no_unit():
    for n in (0, 1):
        bank = make_bank(np.ones((5, 1), np.float32), np.zeros(5, np.int64), ["x"] * 5, ("a",), seed=0, rows=n > 0)
        assert measure(np.float32([[0], [1]]), level, bank, spacing(bank)).bank_distance is None
