"""Paths between latents: exact ends, straight lines, arcs, hops through a bank, and counts over several keys."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.cli.fixes import told
from aetool.errors import UsageError
from aetool.generation.interpolation import METHODS, count, lerp, slerp
from aetool.generation.paths import walk
from aetool.latents.bank import Bank, make_bank


def keys(*rows) -> np.ndarray:
    return np.array(rows, np.float32)


def drawn(m: int, k: int = 16) -> np.ndarray:
    return np.random.default_rng(m).normal(size=(m, k)).astype(np.float32) * 7


def bank_of(latents: np.ndarray) -> Bank:
    """Return a bank of these latents in two classes, turn about."""
    return make_bank(latents, np.arange(len(latents)) % 2, [str(i) for i in range(len(latents))], ("a", "b"), seed=0)


def path(given: np.ndarray, steps: int, method: str = "lerp") -> np.ndarray:
    return walk(given, bank_of(drawn(60, given.shape[1])), METHODS[method], steps)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [2, 3, 10, 101])
@pytest.mark.parametrize("m", [2, 3, 5])
def test_every_key_is_met_to_the_bit_and_shared_by_its_stretches(method, steps, m):
    given = drawn(m)
    found = path(given, steps, method)
    assert found.shape == ((m - 1) * (steps - 1) + 1, 16) and found.dtype == np.float32
    assert np.array_equal(found[:: steps - 1].view(np.uint32), given.view(np.uint32))
    assert len(found) == count(m, steps)


@pytest.mark.parametrize("method", METHODS)
def test_extreme_keys_are_met_to_the_bit_and_nothing_overflows(method):
    most = np.finfo(np.float32).max
    for given in (keys([most, -most], [-most, most]), keys([most, 0], [0, most]), keys([1e-45, 0], [0, 1e-38])):
        found = path(given, 7, method)
        assert np.array_equal(found[[0, -1]], given)
        assert np.isfinite(found).all()


def test_lerp_is_a_straight_line_with_even_steps():
    assert path(keys([0, 10], [4, -10]), 5).tolist() == [[0, 10], [1, 5], [2, 0], [3, -5], [4, -10]]
    a, b = drawn(2)
    (curve,) = lerp(drawn(2), bank_of(drawn(4)))
    assert np.array_equal(curve(np.array([0.5])), [(a.astype(np.float64) + b) / 2])


def test_slerp_keeps_the_length_of_unit_vectors_and_turns_evenly():
    given = drawn(2)
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    found = path(given, 11, "slerp").astype(np.float64)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(11), abs=1e-6)
    angle = np.arccos(given[0].astype(np.float64) @ given[1])
    turned = np.arccos(np.clip((found[:-1] * found[1:]).sum(1), -1, 1))
    assert turned == pytest.approx(np.full(10, angle / 10), abs=1e-5)
    assert np.linalg.norm(path(given, 11), axis=1)[5] < 0.95  # where lerp dips


def test_slerp_of_a_right_angle_passes_the_diagonal():
    found = path(keys([1, 0], [0, 1]), 3, "slerp")
    assert found[1] == pytest.approx([0.5**0.5, 0.5**0.5], abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_slerp_is_the_formula_of_shoemake(seed):
    rng = np.random.default_rng(seed)
    given = (rng.normal(size=(2, 8)) * rng.uniform(0.1, 20, (2, 1))).astype(np.float32)
    a, b = given.astype(np.float64)
    omega = np.arccos(sum(x * y for x, y in zip(a, b, strict=True)) / (np.linalg.norm(a) * np.linalg.norm(b)))
    (curve,) = slerp(given, bank_of(drawn(4, 8)))
    for t in (0, 0.1, 0.5, 0.9, 1):
        expected = np.sin((1 - t) * omega) / np.sin(omega) * a + np.sin(t * omega) / np.sin(omega) * b
        assert curve(np.array([t]))[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "given",
    [
        keys([1, 2], [1, 2]), keys([1, 2], [3, 6]), keys([1, 2], [-1, -2]), keys([1, 2], [-4, -8]),
        keys([0, 0], [1, 2]), keys([1, 2], [0, 0]), keys([0, 0], [0, 0]), keys([1, 0], [1, 1e-6]),
    ],
    ids=["equal", "parallel", "opposite", "opposite and longer", "from zero", "to zero", "zero", "nearly parallel"],
)  # fmt: skip
def test_keys_without_one_arc_between_them_go_in_a_straight_line(given):
    assert np.array_equal(path(given, 5, "slerp"), path(given, 5))


def test_slerp_passes_smoothly_into_the_straight_line():
    for angle in (0.9e-4, 1.1e-4, np.pi - 0.9e-4):
        given = keys([1, 0], [np.cos(angle), np.sin(angle)])
        assert np.isfinite(path(given, 9, "slerp")).all()
        assert abs(path(given, 9, "slerp")[:, 0]).max() <= 1 + 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_the_way_back_is_the_same_way(method):
    there, back = (path(given, 9, method) for given in (drawn(3), drawn(3)[::-1]))
    assert there == pytest.approx(back[::-1], abs=1e-5)


@pytest.mark.parametrize(("m", "steps"), [(0, 5), (1, 5), (2, 1), (2, 0), (3, -1)])
@pytest.mark.parametrize("loop", [False, True])
def test_too_few_keys_or_steps_are_refused(m, steps, loop):
    with pytest.raises(UsageError, match="at least two keys and two steps"):
        walk(drawn(m), bank_of(drawn(9)), METHODS["lerp"], steps, loop=loop)
    with pytest.raises(UsageError, match="at least two keys and two steps"):
        count(m, steps, loop)


# Through the bank


def test_graph_goes_through_rows_of_the_bank_at_constant_speed():
    """A half circle of rows: the straight line between its ends passes far from all, the path keeps to it."""
    angles = np.linspace(0, np.pi, 101)
    bank = bank_of(np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32))
    found = walk(keys([1.01, 0], [-1.01, 0]), bank, METHODS["graph"], 50)[0].astype(np.float64)
    assert abs(np.linalg.norm(found, axis=1) - 1).max() < 0.02
    steps = np.linalg.norm(np.diff(found, axis=0), axis=1)[1:-1]  # the first and last turn a corner, into the circle
    assert steps == pytest.approx(np.full(47, steps.mean()), rel=0.02)
    straight = walk(keys([1.01, 0], [-1.01, 0]), bank, METHODS["lerp"], 51)[0]
    assert np.linalg.norm(straight[25]) == pytest.approx(0, abs=1e-6)


def test_graph_between_equal_keys_stays_where_it_is():
    given = np.repeat(drawn(1), 2, axis=0)
    assert np.array_equal(path(given, 4, "graph"), np.repeat(drawn(1), 4, axis=0))


def test_a_bank_without_rows_has_no_graph_but_lines():
    latents = drawn(20)
    empty = make_bank(latents, np.zeros(20, np.int64), ["x"] * 20, ("a",), seed=0, rows=False)
    with pytest.raises(UsageError, match="without the latents of its bank") as caught:
        walk(drawn(2), empty, METHODS["graph"], 5)
    assert "--no-bank" in told(caught.value)
    assert len(walk(drawn(2), empty, METHODS["lerp"], 5)[0]) == 5
