"""Scoring: percentiles that mean what they say for few and many held-out images, maps, and what a manifest may hold."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from aetool.bundle.bundle import Bundle
from aetool.bundle.lookup import SHIPPED, shipped_path
from aetool.bundle.manifest import Manifest
from aetool.bundle.scoring import ENOUGH, Scoring, by_mse, heat, scale_of, scoring
from aetool.errors import BundleError
from aetool.metrics import blurred, percentiles, squared_errors
from tests.toy import toy_manifest

ONE = np.ones((1, 1), np.float32)


def drawn(rng, n):
    return rng.lognormal(size=n), rng.gamma(20, size=n)


def made(n: int = 200, scale: np.ndarray = ONE) -> Scoring:
    mse, distances = drawn(np.random.default_rng(0), n)
    return scoring(mse, distances, scale, mse)


@pytest.mark.parametrize("n", [208, 500, 1000, 10_000])
def test_one_image_in_a_hundred_is_above_99_also_where_few_were_held_out(n):
    rng, shares = np.random.default_rng(0), []
    for _ in range(max(4, 40_000 // n)):
        found = scoring(*drawn(rng, n), ONE, np.ones(n))
        shares.append((found.percentiles(*drawn(rng, 1000)) > 99).mean())
    assert 0.007 <= np.mean(shares) <= 0.013


@pytest.mark.parametrize("p", [50, 90, 95])
def test_as_many_are_above_a_percentile_as_it_says(p):
    rng = np.random.default_rng(1)
    shares = [
        (scoring(*drawn(rng, 500), ONE, np.ones(500)).percentiles(*drawn(rng, 1000)) > p).mean() for _ in range(40)
    ]
    assert np.mean(shares) == pytest.approx(1 - p / 100, abs=0.01)


def test_an_image_far_from_the_bank_is_unusual_however_well_it_is_reconstructed():
    found, (mse, distances) = made(), drawn(np.random.default_rng(0), 200)
    far, usual = np.array([distances.max() * 1.5]), np.array([np.median(distances)])
    assert found.percentiles(np.array([0.0]), far)[0] == 100 and found.percentiles(np.array([0.0]), usual)[0] < 20
    assert found.percentiles(np.array([mse.max() * 1.5]), usual)[0] == 100
    both = found.unusualness(np.linspace(0, 9, 50), np.full(50, distances[0]))
    assert (np.diff(both) >= 0).all()


@pytest.mark.parametrize(
    ("mse", "distances"),
    [([0.1], [2.0]), ([0, 0, 0], [0, 0, 0]), ([0.1, 0.2], [5, 5]), ([0.3] * 30, np.arange(30.0)),
     ([1e-30, 1, 1e30], [1e-30, 1, 1e30]), ([0.1, 0.2], [np.nan, np.nan])],
)  # fmt: skip
def test_few_and_equal_images_give_a_scoring_that_can_be_kept(mse, distances):
    found = scoring(np.array(mse, float), np.array(distances, float), ONE, np.array(mse, float))
    again = Scoring.from_dict(json.loads(json.dumps(found.to_dict())), (8, 8))
    assert again is not None and again.quantiles == found.quantiles
    scores = again.percentiles(np.array([0, 1e38]), np.array([0, 3e38]))
    assert scores[0] <= scores[1] == 100 and np.isfinite(scores).all()


def test_distances_that_are_not_known_do_not_count():
    mse = np.random.default_rng(0).lognormal(size=300)
    found = scoring(mse, np.full(300, np.nan), ONE, mse)
    assert found.distance is None
    assert np.array_equal(found.percentiles(mse, np.full(300, np.nan)), found.percentiles(mse, np.full(300, 1e9)))


def test_older_bundles_score_by_the_mse_to_the_bit():
    mse = np.random.default_rng(0).lognormal(size=300)
    quantiles = np.quantile(mse, np.linspace(0, 1, 101)).tolist()
    found = by_mse(quantiles, float(mse.mean()))
    assert np.array_equal(found.percentiles(mse, mse * 1e9), percentiles(mse, quantiles))
    assert found.scale.shape == (1, 1) and found.full > 0 and by_mse(quantiles, 0).full > 0


def test_a_map_is_the_squared_error_over_the_root_of_the_usual_one():
    rng = np.random.default_rng(0)
    usual = rng.uniform(0.01, 1, (48, 48))
    usual[0] = 0
    scale = scale_of(usual, ENOUGH)
    assert scale == pytest.approx(np.sqrt(usual + 0.01 * usual.mean()), rel=1e-3) and scale.dtype == np.float32
    x, again = (rng.uniform(size=(3, 2, 48, 48)).astype(np.float32) for _ in range(2))
    errors = np.square(x.astype(float) - again).mean(1)
    assert squared_errors(x, again) == pytest.approx(errors)
    found = replace(made(), scale=scale).maps(x, again)
    assert found.shape == (3, 48, 48) and found.dtype == np.float32
    assert found == pytest.approx(blurred((errors / scale).astype(np.float32), 2), rel=1e-5)
    assert not heat(np.zeros((1, 48, 48)), scale).any()


def test_few_held_out_images_have_one_scale_for_all_pixels():
    usual = np.random.default_rng(0).uniform(size=(8, 8))
    assert scale_of(usual, ENOUGH).shape == (8, 8)
    few = scale_of(usual, ENOUGH - 1)
    assert few.shape == (1, 1) and few[0, 0] == pytest.approx(math.sqrt(1.01 * usual.mean()), rel=1e-3)
    assert scale_of(np.zeros((8, 8)), 100).min() > 0


@pytest.mark.parametrize("sigma", [0.25, 1, 2.5])
def test_a_blur_keeps_the_sum_and_is_that_of_a_gaussian(sigma):
    dot = np.zeros((1, 31, 31), np.float32)
    dot[0, 15, 15] = 1
    found = blurred(dot, sigma)[0]
    assert found.sum() == pytest.approx(1, abs=1e-5) and np.array_equal(found, found.T)
    far = np.exp(-1 / (2 * sigma**2))
    assert found[15, 16] / found[15, 15] == pytest.approx(far, rel=1e-4)
    flat = np.full((2, 3, 40), 5, np.float32)
    assert blurred(flat, sigma) == pytest.approx(flat, rel=1e-5)


@pytest.mark.parametrize("images", [ENOUGH - 1, ENOUGH])
def test_a_scoring_stays_the_same_in_a_manifest(images):
    usual = np.random.default_rng(0).uniform(1e-5, 1e-2, (8, 8))
    manifest = replace(toy_manifest(), scoring=made(scale=scale_of(usual, images)))
    data = manifest.to_json()
    again = Manifest.from_json(data)
    assert again.to_json() == data and np.array_equal(again.scoring.scale, manifest.scoring.scale)
    assert json.loads(data)["version"] == 2, "an older aetool reads it, without the scoring"
    assert Manifest.from_json(toy_manifest().to_json()).scoring is None


def halves(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f2").tobytes()).decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": 0}, {"images": True}, {"images": 1e3}, {"mse": 0}, {"mse": -1}, {"mse": "1"}, {"mse": None},
        {"distance": 0}, {"distance": math.inf}, {"distance": True}, {"power": math.nan}, {"full": 0}, {"scale": [1]},
        {"quantiles": [0.0] * 100}, {"quantiles": [1.0, *[0.0] * 100]}, {"quantiles": [math.nan] * 101},
        {"quantiles": "x" * 101}, {"quantiles": ["1"] * 101}, {"scale": halves(*[1] * 63)}, {"scale": "?"},
        {"scale": halves(*[1] * 63, 0)}, {"scale": halves(*[1] * 63, math.nan)}, {"scale": 0},
        {"scale": halves(*[1] * 63, math.inf)},
    ],
)  # fmt: skip
def test_a_wrong_scoring_is_refused(wrong):
    fields = json.loads(replace(toy_manifest(), scoring=made()).to_json())
    fields["scoring"] |= wrong
    with pytest.raises(BundleError, match="damaged or incomplete"):
        Manifest.from_json(json.dumps(fields).encode())


@pytest.mark.parametrize("value", [[], "x", 3, {}])
def test_a_scoring_of_another_kind_is_refused(value):
    fields = json.loads(toy_manifest().to_json()) | {"scoring": value}
    with pytest.raises(BundleError, match="damaged or incomplete"):
        Manifest.from_json(json.dumps(fields).encode())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_score_by_distance_with_a_scale_of_each_pixel(name):
    manifest = Bundle.read(shipped_path(name)).manifest
    assert manifest.scoring.images == manifest.dataset["test"] and manifest.scoring.distance is not None
    assert manifest.scoring.scale.shape == manifest.image.shape[1:]
