"""Samplers: within their bounds, with the moments they promise, and the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aetool.cli.fixes import told
from aetool.cli.settings import configure
from aetool.errors import UsageError
from aetool.generation.sampling import SAMPLERS, Gaussian, Gmm, Local, Mix, Neighbours, rng_for
from aetool.generation.stored import completed
from aetool.latents.bank import make_bank
from aetool.training.export import mixtures
from aetool.training.export.mixtures import fit_mixtures
from tests.toy import CLASSES, toy_bank, toy_latents

ROWS = np.random.default_rng(5).normal(size=(200, 3)).astype(np.float32) @ np.diag([1, 2, 0.5]).astype(np.float32)
LABELS = np.repeat([0, 1], [120, 80])


@pytest.fixture(scope="module")
def bank():
    """A bank of two classes whose latents lie about 0 and about 10."""
    latents = ROWS + 10 * LABELS[:, None].astype(np.float32)
    return bank_of(latents, LABELS, classes=("near", "far"))


def bank_of(latents, labels, rows: bool = True, classes=CLASSES):
    latents, labels = np.asarray(latents, np.float32), np.asarray(labels)
    fitted = fit_mixtures(latents, labels, len(classes), seed=0)
    return make_bank(latents, labels, [""] * len(latents), classes, seed=0, rows=rows, mixtures=fitted)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("label", [0, 1, None])
@pytest.mark.parametrize("n", [0, 1, 7, 300])
def test_samplers_give_n_finite_latents(bank, name, label, n):
    drawn = SAMPLERS[name].draw(bank, label, n, rng_for(0))
    assert drawn.shape == (n, 3) and drawn.dtype == np.float32
    assert np.isfinite(drawn).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_seed_decides(bank, name):
    first, again, other = (SAMPLERS[name].draw(bank, 1, 20, rng_for(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    rng = rng_for(7)
    assert np.array_equal(SAMPLERS[name].draw(bank, 1, 20, rng), first)
    assert not np.array_equal(SAMPLERS[name].draw(bank, 1, 20, rng), first)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_class_is_drawn_from_and_not_the_other(bank, name):
    near, far, both = (SAMPLERS[name].draw(bank, label, 200, rng_for(0)).mean(1) for label in (0, 1, None))
    assert abs(near).max() < 5 < abs(far).min()
    assert both.min() < 1 and both.max() > 9


# neighbours


@pytest.mark.parametrize("label", [0, 1, None])
def test_neighbours_lie_between_a_latent_and_one_near_it(bank, label):
    sampler = Neighbours(count=4, low=0.2, high=0.6)
    rows = bank.rows(label)
    latents = bank.latents[rows].astype(np.float64)
    distances = np.linalg.norm(latents[:, None] - latents, axis=2)
    np.fill_diagonal(distances, np.inf)
    near = np.argsort(distances, axis=1)[:, :4]
    for drawn in sampler.draw(bank, label, 40, rng_for(3)):
        a = latents.repeat(4, axis=0)
        step = latents[near].reshape(-1, 3) - a
        weight = ((drawn - a) * step).sum(1) / (step * step).sum(1)
        off_the_line = np.linalg.norm(a + weight[:, None] * step - drawn, axis=1)
        assert ((off_the_line < 1e-5) & (weight > 0.2 - 1e-4) & (weight < 0.6 + 1e-4)).any()


def test_the_weight_of_neighbours_fills_its_bounds():
    bank = bank_of([[0], [1]], [0, 0])
    drawn = Neighbours(low=0.1, high=0.4).draw(bank, 0, 2000, rng_for(0)).ravel()
    weights = np.minimum(drawn, 1 - drawn)  # either latent may be the first
    assert 0.1 - 1e-6 <= weights.min() < 0.11 and 0.39 < weights.max() <= 0.4 + 1e-6
    assert weights.mean() == pytest.approx(0.25, abs=0.01)
    assert (drawn < 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_all_of_the_nearest_are_drawn_and_no_others():
    bank = bank_of([[0], [1], [10]], [0, 0, 0])
    for count, expected in ((1, {0, 1}), (2, {0, 1, 10}), (50, {0, 1, 10})):
        drawn = Neighbours(count, low=1, high=1).draw(bank, 0, 100, rng_for(0))  # the neighbour itself
        assert set(drawn.ravel().tolist()) == expected


@pytest.mark.parametrize(("low", "expected"), [(0.0, {0, 1}), (0.5, {0.5}), (1.0, {0, 1})])
def test_equal_bounds_fix_the_weight(low, expected):
    bank = bank_of([[0], [1]], [0, 0])
    assert set(Neighbours(low=low, high=low).draw(bank, 0, 50, rng_for(0)).ravel().tolist()) == expected


def test_a_class_of_one_image_gives_that_image():
    bank = bank_of([[1, 2], [5, 6], [7, 8]], [0, 1, 1])
    for name in ("neighbours", "local", "mix"):
        assert SAMPLERS[name].draw(bank, 0, 3, rng_for(0)) == pytest.approx(np.array([[1, 2]] * 3))
    assert Gaussian().draw(bank, 0, 3, rng_for(0)) == pytest.approx(np.array([[1, 2]] * 3))


def test_a_class_of_equal_images_gives_that_image():
    bank = bank_of([[1, 2]] * 60, [0] * 60)
    for sampler in SAMPLERS.values():
        near = 0.1 if isinstance(sampler, Gmm) else 1e-6  # a mixture is regularised
        assert sampler.draw(bank, 0, 5, rng_for(0)) == pytest.approx(np.array([[1, 2]] * 5), abs=near)


@pytest.mark.parametrize("setting", ["count=0", "count=-1", "low=-0.1", "low=0.8", "high=1.1", "low=nan", "high=nan"])
def test_options_of_neighbours_out_of_bounds_are_refused(bank, setting):
    with pytest.raises(UsageError, match="neighbours needs count >= 1 and 0 <= low <= high <= 1"):
        configure(Neighbours(), [setting]).draw(bank, 0, 1, rng_for(0))


# mix


@pytest.mark.parametrize("concentration", [1e-3, 0.5, 1, 100])
@pytest.mark.parametrize("m", [1, 2, 5])
def test_mixtures_stay_in_the_hull_of_the_class(bank, m, concentration):
    directions = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    for label in (0, 1, None):
        drawn = Mix(m, concentration).draw(bank, label, 100, rng_for(0)) @ directions
        corners = bank.latents[bank.rows(label)] @ directions
        assert (drawn <= corners.max(0) + 1e-4).all() and (drawn >= corners.min(0) - 1e-4).all()


def test_a_mixture_of_one_is_a_latent_of_the_class(bank):
    rows = {tuple(row) for row in bank.latents[bank.rows(1)].tolist()}
    assert {tuple(row) for row in Mix(m=1).draw(bank, 1, 50, rng_for(0)).tolist()} <= rows


def test_the_weights_of_two_are_uniform_and_concentration_draws_them_to_the_middle():
    bank = bank_of([[0], [1]], [0, 0])
    drawn = Mix().draw(bank, 0, 8000, rng_for(0)).ravel()
    mixed = drawn[(drawn > 1e-6) & (drawn < 1 - 1e-6)]  # half of the pairs are of one latent with itself
    assert len(mixed) == pytest.approx(4000, abs=200)
    assert np.histogram(mixed, 4, (0, 1))[0] == pytest.approx(np.full(4, len(mixed) / 4), rel=0.1)
    for concentration, near in ((1e4, 0.5), (1e-4, 0)):
        drawn = Mix(concentration=concentration).draw(bank, 0, 400, rng_for(0)).ravel()
        mixed = drawn[(drawn > 1e-6) & (drawn < 1 - 1e-6)]
        assert np.allclose(np.minimum(mixed, 1 - mixed), near, atol=0.05)


@pytest.mark.parametrize(
    "setting", ["m=0", "m=-2", "concentration=0", "concentration=-1", "concentration=inf", "concentration=nan"]
)
def test_options_of_mix_out_of_bounds_are_refused(bank, setting):
    with pytest.raises(UsageError, match="mix needs m from 1 to 1,000"):
        configure(Mix(), [setting]).draw(bank, 0, 1, rng_for(0))


def test_a_large_concentration_gives_nearly_equal_weights():
    bank = bank_of([[1], [2]], [0, 0])
    drawn = Mix(m=2, concentration=1e12).draw(bank, 0, 50, rng_for(0))
    assert all(min(abs(drawn - value).ravel()) < 1e-4 for value in (1, 1.5, 2))
    assert (np.abs(drawn[:, :, None] - [1, 1.5, 2]).min(2) < 1e-4).all()


# gaussian


@pytest.mark.parametrize("label", [0, 1, None])
def test_gaussian_has_the_mean_and_covariance_of_the_class(bank, label):
    drawn = Gaussian().draw(bank, label, 40_000, rng_for(0)).astype(np.float64)
    mean, covariance = bank.mean(label), bank.covariance(label)
    spread = np.sqrt(covariance.diagonal())
    assert abs(drawn.mean(0) - mean).max() < 0.03 * spread.max()
    assert abs(np.cov(drawn.T) - covariance).max() < 0.03 * covariance.max()
    inside = (abs(drawn - mean) < spread).mean(0)
    assert inside == pytest.approx(np.full(3, 0.6827), abs=0.01)


def test_gaussian_needs_no_rows_and_the_others_do():
    without = bank_of(toy_latents(), np.repeat([0, 1], 6), rows=False)
    assert np.array_equal(
        Gaussian().draw(without, 1, 9, rng_for(0)), Gaussian().draw(toy_bank(), 1, 9, rng_for(0))
    )  # fmt: skip
    for name in ("neighbours", "local", "mix"):
        with pytest.raises(UsageError, match="no latents to draw from") as caught:
            SAMPLERS[name].draw(without, 1, 1, rng_for(0))
        assert told(caught.value).endswith("no latents to draw from; --method gmm needs none")


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_class_without_images_is_refused(name):
    with pytest.raises(UsageError):
        SAMPLERS[name].draw(bank_of([[1, 2], [3, 4]], [0, 0]), 1, 1, rng_for(0))


def test_gaussian_takes_a_covariance_that_rounding_made_not_quite_positive(bank):
    covariance = np.array([[[1, 1, 0], [1, 1 - 1e-7, 0], [0, 0, 0]]] * 3, np.float32)
    drawn = Gaussian().draw(replace(bank, covariances=covariance), 0, 1000, rng_for(0))
    assert np.isfinite(drawn).all()
    assert abs(drawn[:, 0] - bank.mean(0)[0] - (drawn[:, 1] - bank.mean(0)[1])).max() < 0.01
    assert drawn[:, 2] == pytest.approx(np.full(1000, bank.mean(0)[2]), abs=0.01)


# local


def test_local_keeps_the_spread_of_the_class_where_mixing_shrinks_it():
    latents = np.random.default_rng(1).normal(size=(3000, 2)).astype(np.float32) * [1, 3]
    bank = bank_of(latents, [0] * 3000)
    own = np.cov(latents.T)
    drawn = {name: np.cov(SAMPLERS[name].draw(bank, 0, 20_000, rng_for(0)).T) for name in ("local", "mix")}
    assert np.diag(drawn["local"]) == pytest.approx(np.diag(own), rel=0.1)
    assert (np.diag(drawn["mix"]) < 0.7 * np.diag(own)).all()


def test_local_without_bandwidth_repeats_and_a_wide_one_has_the_moments_of_the_neighbours():
    latents = np.float32([[0, 0], [1, 0], [0, 2], [100, 100], [101, 100], [100, 102]])
    bank = bank_of(latents, [0] * 6)
    same = Local(count=3, bandwidth=0).draw(bank, 0, 50, rng_for(0))
    assert {tuple(row) for row in same.round(3).tolist()} == {tuple(row) for row in latents.tolist()}
    drawn = Local(count=3, bandwidth=1).draw(bank, 0, 40_000, rng_for(0))  # neighbourhoods are narrow: r is near 0
    for group in (latents[:3], latents[3:]):
        near = drawn[np.linalg.norm(drawn - group.mean(0), axis=1) < 50]
        assert len(near) == pytest.approx(20_000, rel=0.03)
        assert near.mean(0) == pytest.approx(group.mean(0), abs=0.05)
        once = np.cov(group.T)  # of the noise; the latents themselves add theirs
        assert np.cov(near.T) == pytest.approx(once * (1 + 2 / 3), abs=0.06)


def test_how_local_shrinks_hangs_on_the_class_alone(bank):
    latents = bank.latents[bank.rows(0)]

    def shrink(latents, **options):
        return Local(**options)._shrink(bank, latents, 0)

    assert 0.5 < shrink(latents) < 1 == shrink(latents, bandwidth=0)
    assert shrink(latents) == pytest.approx(shrink(latents * 1000 + 5), rel=1e-4)  # it has no unit
    assert shrink(latents[:1]) == 1  # one latent has no spread to keep


def test_stored_variances_give_the_same_latents(bank):
    stored = completed(bank)
    assert stored.local_variances is not None and bank.local_variances is None
    for label in (0, None):
        drawn, again = (Local().draw(one, label, 20, rng_for(1)) for one in (bank, stored))
        assert drawn.tobytes() == again.tobytes()
    assert Local(count=5)._shrink(stored, bank.latents, 0) == Local(count=5)._shrink(bank, bank.latents, 0)


def test_local_draws_again_what_lies_among_another_class():
    rng = np.random.default_rng(3)
    latents = np.concatenate([rng.normal(size=(400, 2)), rng.normal((2.5, 0), size=(400, 2))])
    bank = bank_of(latents, np.repeat([0, 1], 400))
    loose, strict = (Local(pure=pure).draw(bank, 0, 4000, rng_for(0)) for pure in (0, 0.9))
    among = [(drawn[:, 0] > 1.6).mean() for drawn in (loose, strict)]
    assert among[0] > 0.05 and among[1] < among[0] / 20
    buried = bank_of(np.zeros((40, 2)), np.repeat([0, 1], 20))  # no draw is beyond doubt: it ends all the same
    assert Local(pure=1).draw(buried, 0, 5, rng_for(0)).shape == (5, 2)


def test_local_of_all_is_local_of_each_class_by_their_counts():
    latents = np.float32([[0, 0]] * 300 + [[50, 50]] * 100) + np.random.default_rng(0).normal(size=(400, 2))
    drawn = Local(count=400).draw(bank_of(latents, np.repeat([0, 1], [300, 100])), None, 4000, rng_for(0))
    assert (drawn.mean(1) > 25).mean() == pytest.approx(0.25, abs=0.03)
    assert (abs(drawn.mean(1) - 25) > 15).all()  # nothing between the classes


@pytest.mark.parametrize(
    "setting", ["count=1", "bandwidth=-0.1", "bandwidth=101", "bandwidth=nan", "pure=-1", "pure=2", "pure=nan"]
)
def test_options_of_local_out_of_bounds_are_refused(bank, setting):
    with pytest.raises(UsageError, match="local needs count >= 2, a bandwidth"):
        configure(Local(), [setting]).draw(bank, 0, 1, rng_for(0))


# gmm


def test_gmm_has_the_moments_of_the_class_and_finds_its_parts():
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=(2000, 2)) * 0.1 + centre for centre in ((0, 0), (10, 0), (0, 10))]
    latents = np.concatenate(parts).astype(np.float32)
    bank = bank_of(latents, [1] * 6000)
    drawn = Gmm().draw(bank, 1, 30_000, rng_for(0))
    assert drawn.mean(0) == pytest.approx(latents.mean(0), abs=0.1)
    assert np.cov(drawn.T) == pytest.approx(np.cov(latents.T), rel=0.03, abs=0.2)
    nearest = np.linalg.norm(drawn[:, None] - [(0, 0), (10, 0), (0, 10)], axis=2).min(1)
    assert np.quantile(nearest, 0.999) < 0.5  # one normal distribution would fill the space between


def test_gmm_of_all_draws_classes_by_their_counts_and_needs_no_rows():
    latents = np.float32([[0, 0]] * 300 + [[50, 50]] * 100) + np.random.default_rng(0).normal(size=(400, 2))
    bank = bank_of(latents, np.repeat([0, 1], [300, 100]), rows=False)
    drawn = Gmm().draw(bank, None, 20_000, rng_for(0))
    assert (drawn.mean(1) > 25).mean() == pytest.approx(0.25, abs=0.01)


def test_gmm_without_a_mixture_says_what_to_do():
    with pytest.raises(UsageError, match="no mixture to draw from") as caught:
        Gmm().draw(make_bank(toy_latents(), np.zeros(12, np.int64), [""] * 12, (), seed=0), None, 1, rng_for(0))
    assert told(caught.value).endswith("; --method neighbours needs none")


def test_mixtures_sum_to_one_and_their_roots_are_of_the_covariances():
    latents = (np.random.default_rng(0).normal(size=(900, 3)) * [1, 5, 0.1]).astype(np.float32)
    found = fit_mixtures(latents, np.repeat([0, 2], 450), 3, seed=0)
    assert found.weights.shape == (3, 10) and found.roots.shape == (3, 10, 3, 3)
    assert found.weights.sum(1) == pytest.approx(np.array([1, 0, 1]), abs=1e-6)
    whole = np.einsum("m,mij,mkj->ik", found.weights[0], found.roots[0], found.roots[0])
    whole += np.cov(found.means[0].T, aweights=found.weights[0], bias=True)
    assert whole == pytest.approx(np.cov(latents[:450].T), rel=0.05, abs=0.05)


def test_a_small_class_gets_fewer_components():
    few = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    assert (fit_mixtures(few, np.zeros(20, np.int64), 1, seed=0).weights > 0).sum() == 1
    assert (fit_mixtures(few[:, :1], np.zeros(20, np.int64), 1, seed=0).weights > 0).sum() == 5
    assert fit_mixtures(few, np.full(20, -1), 0, seed=0).weights.sum() == pytest.approx(1)


def test_mixtures_have_room_for_the_components_that_are_used_and_no_more(monkeypatch):
    latents = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    labels = np.repeat([0, 1, 2], [45, 14, 1])
    found = fit_mixtures(latents, labels, 3, seed=0)
    assert found.roots.shape == (3, 5, 2, 2) and ((found.weights > 0).sum(1) == [5, 1, 0]).all()
    monkeypatch.setattr(mixtures, "NUMBERS", 24)
    assert fit_mixtures(latents, labels, 3, seed=0).roots.shape == (3, 2, 2, 2)
    monkeypatch.setattr(mixtures, "NUMBERS", 11)
    bare = make_bank(latents, labels, [""] * 60, ("a", "b", "c"), 0, False, fit_mixtures(latents, labels, 3, seed=0))
    assert bare.mixtures.weights.shape == (3, 0)
    with pytest.raises(UsageError) as caught:
        bare.rows(0)
    assert caught.value.fix == "gaussian"
