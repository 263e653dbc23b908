"""Percentiles: exact at the quantiles, monotone, bounded, ties; and what real images get."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from aetool import Bundle, Codec
from aetool.arrays import to_images
from aetool.images.files import find_images, read_batches
from aetool.metrics import mse, percentiles


def test_percentiles_are_exact_at_the_quantiles_and_linear_between_them():
    quantiles = np.square(np.linspace(0, 1, 101))
    assert percentiles(quantiles, quantiles) == pytest.approx(np.arange(101))
    between = (quantiles[1:] + quantiles[:-1]) / 2
    assert percentiles(between, quantiles) == pytest.approx(np.arange(100) + 0.5)
    assert percentiles(np.array([15.0]), [0, 10, 20]) == pytest.approx([75])


def test_beyond_the_quantiles_there_is_0_and_100():
    assert percentiles(np.array([-1, 0, 0.5, 20, 1e300, np.inf]), [0.5, 1, 20]).tolist() == [0, 0, 0, 100, 100, 100]


def test_percentiles_are_monotone_and_bounded():
    rng = np.random.default_rng(0)
    quantiles = np.quantile(rng.gamma(2, size=500), np.linspace(0, 1, 101))
    found = percentiles(np.sort(rng.gamma(2, 2, size=2000)), quantiles)
    assert (np.diff(found) >= 0).all() and found.min() >= 0 and found.max() == 100


def test_of_equal_quantiles_the_lowest_counts():
    assert percentiles(np.array([0, 0.5, 1, 2]), [0, 0, 0, 1, 1]).tolist() == [0, 62.5, 75, 100]
    assert percentiles(np.array([0, 1e-9]), [0] * 101).tolist() == [0, 100]


def test_as_many_lie_below_as_the_percentile_says():
    values = np.random.default_rng(0).gamma(2, size=10_000)
    found = percentiles(values, np.quantile(values, np.linspace(0, 1, 101)))
    for threshold in (50, 90, 99):
        assert (found > threshold).mean() == pytest.approx(1 - threshold / 100, abs=1e-3)


def test_no_figures_have_no_percentiles():
    assert percentiles(np.zeros(0), [0, 1]).shape == (0,)


def test_real_digits_pass_and_inverted_ones_and_photos_are_flagged(data_dir):
    bundle = Bundle.find("mnist")
    codec, quantiles = Codec(bundle, "cpu"), bundle.manifest.distortion["quantiles"]
    with gzip.open(data_dir / "mnist/t10k-images-idx3-ubyte.gz") as stream:
        pixels = np.frombuffer(stream.read()[16:], np.uint8).reshape(-1, 1, 28, 28)
    digits = to_images(pixels[::5])

    def above_99(images):
        return (percentiles(mse(images, codec.reconstruct(images)), quantiles) > 99).mean()

    assert above_99(digits) <= 0.03
    assert above_99(1 - digits[::4]) >= 0.99
    photos = list(find_images([str(data_dir / "sign_digits")]))[::10]
    if not photos:
        pytest.skip("REAL DATA MISSING: sign_digits/ beside mnist/")
    assert above_99(np.concatenate([batch.value for batch in read_batches(photos, codec.spec, 256)])) >= 0.99
