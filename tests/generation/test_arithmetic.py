"""Weighted sums and noise: known values, invariants, moments, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.errors import InvalidInput, UsageError
from aetool.generation.arithmetic import MAX_SIGMA, combine, perturb, symmetric_root


def drawn(n: int, k: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)


def covariance(k: int = 4, rank: int | None = None) -> np.ndarray:
    factor = np.random.default_rng(9).normal(size=(k, rank or k))
    return (factor @ factor.T).astype(np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# combine


def test_combine_is_the_sum_of_the_latents_times_their_weights():
    latents = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert combine(latents, [1, -1, 1]).tolist() == [[3, 4]]
    assert combine(latents, [0.5, 0, 2]).tolist() == [[10.5, 13]]
    assert combine(latents, [0, 0, 0]).tolist() == [[0, 0]]
    assert combine(latents).dtype == np.float32 and combine(latents).shape == (1, 2)


def test_without_weights_it_is_the_mean():
    latents = drawn(7)
    assert combine(latents)[0] == pytest.approx(latents.mean(0), abs=1e-6)
    assert np.array_equal(combine(latents[:1]), latents[:1])


def test_a_weight_of_one_gives_the_latent_back_to_the_bit():
    latents = drawn(5)
    for i in range(5):
        assert np.array_equal(combine(latents, np.eye(5)[i].tolist())[0], latents[i])


def test_weights_that_add_up_to_one_move_with_the_origin_and_others_do_not():
    latents, shift = drawn(3), np.float32([10, -20, 30, 40])
    moved = combine(latents + shift, [1, -1, 1])
    assert moved[0] == pytest.approx(combine(latents, [1, -1, 1])[0] + shift, abs=1e-4)
    assert combine(latents + shift, [1, -1, 0])[0] == pytest.approx(combine(latents, [1, -1, 0])[0], abs=1e-4)


def test_combine_is_linear_in_the_weights():
    latents = drawn(3)
    sum_of_two = combine(latents, [1, 2, 3]) + combine(latents, [4, 5, -6])
    assert combine(latents, [5, 7, -3]) == pytest.approx(sum_of_two, abs=1e-5)


@pytest.mark.parametrize("weights", [[], [1], [1, 2], [1, 2, 3, 4]])
def test_another_number_of_weights_is_refused(weights):
    with pytest.raises(UsageError, match=f"3 latents and {len(weights)} weights"):
        combine(drawn(3), weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    with pytest.raises(UsageError, match="finite"):
        combine(drawn(2), [1, bad])


def test_a_sum_beyond_float32_is_refused():
    with pytest.raises(InvalidInput, match="finite"):
        combine(drawn(2), [1e39, 1e39])


# perturb


def test_no_noise_gives_the_latents_back_in_order():
    latents = drawn(3)
    found = perturb(latents, covariance(), 0, 5, rng())
    assert found.dtype == np.float32 and np.array_equal(found, latents.repeat(5, axis=0))


@pytest.mark.parametrize("sigma", [0.1, 1, 3])
def test_noise_has_the_covariance_of_the_bank_times_sigma_squared(sigma):
    latent, wanted = drawn(1), covariance()
    found = perturb(latent, wanted, sigma, 200_000, rng()).astype(np.float64)
    scale = sigma * float(np.sqrt(wanted.diagonal().max()))
    assert found.mean(0) == pytest.approx(latent[0].astype(np.float64), abs=0.02 * scale)
    assert np.cov(found.T) == pytest.approx(sigma**2 * wanted.astype(np.float64), abs=0.02 * scale**2)


def test_its_length_as_the_bank_measures_it_is_sigma_root_k():
    wanted = covariance()
    noise = perturb(np.zeros((1, 4), np.float32), wanted, 0.5, 100_000, rng()).astype(np.float64)
    squared = np.einsum("ni,ij,nj->n", noise, np.linalg.inv(wanted.astype(np.float64)), noise)
    assert np.sqrt(squared.mean()) == pytest.approx(0.5 * 4**0.5, rel=0.01)


def test_noise_turns_with_the_axes():
    """In latents that are turned by an orthogonal Q, the covariance is Q C Q' and so is that of the noise."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))
    turned = (turn @ covariance() @ turn.T).astype(np.float32)
    root = symmetric_root(covariance())
    assert symmetric_root(turned) == pytest.approx(turn @ root @ turn.T, abs=1e-4)


def test_the_root_is_symmetric_and_its_square_is_the_covariance_even_of_low_rank():
    for rank in (1, 2, 4):
        wanted = covariance(rank=rank)
        root = symmetric_root(wanted)
        assert root == pytest.approx(root.T) and root @ root == pytest.approx(wanted.astype(np.float64), abs=1e-4)
        assert np.linalg.eigvalsh(root).min() > -1e-9
    assert not symmetric_root(np.zeros((3, 3), np.float32)).any()


def test_noise_stays_in_the_space_the_bank_fills():
    wanted = np.diag(np.float32([1, 4, 0, 0]))
    found = perturb(np.zeros((1, 4), np.float32), wanted, 1, 100, rng())
    assert not found[:, 2:].any() and found[:, :2].any(axis=1).all()


def test_the_seed_gives_the_same_noise_however_latents_come():
    latents, generator = drawn(6), rng(5)
    together = perturb(latents, covariance(), 0.5, 3, rng(5))
    apart = [perturb(latents[i : i + 1], covariance(), 0.5, 3, generator) for i in range(6)]
    assert np.concatenate(apart) == pytest.approx(together, abs=1e-6)
    assert not np.allclose(perturb(latents, covariance(), 0.5, 3, rng(6)), together)


@pytest.mark.parametrize("sigma", [-0.1, MAX_SIGMA * 1.01, np.nan, np.inf])
def test_a_sigma_out_of_range_is_refused(sigma):
    with pytest.raises(UsageError, match="sigma goes from 0"):
        perturb(drawn(1), covariance(), sigma, 1, rng())
