"""The largest random shift that PCA follows: all of it for pictures anywhere, none for pictures in one place."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.images.spec import ImageSpec
from aetool.training import pca
from aetool.training.data.dataset import Dataset, Split, apart
from aetool.training.shifting import followed_shift

SIDE = 16


def spots(count: int, spread: float) -> np.ndarray:
    """Return pictures (count, 1, SIDE, SIDE) of a spot of some size, up to `spread` pixels from the middle."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    middles, sizes = SIDE / 2 + rng.uniform(-spread, spread, (count, 2)), rng.uniform(2, 4, count)
    distances = (y - middles[:, :1, None]) ** 2 + (x - middles[:, 1:, None]) ** 2
    return np.rint(255 * np.exp(-distances / (2 * sizes[:, None, None] ** 2))).astype(np.uint8)[:, None]


def data(pixels: np.ndarray, spared: bool) -> tuple[Dataset, pca.Pca]:
    labels = np.zeros(len(pixels), np.int64)
    cut = len(pixels) * 3 // 4
    parts = [
        Split(p, n, tuple(map(str, range(len(n)))))
        for p, n in ((pixels[:cut], labels[:cut]), (pixels[cut:], labels[cut:]))
    ]
    train, spare = apart(parts[0], 0, len(pixels)) if spared else (parts[0], None)
    dataset = Dataset("spots", ("spot",), ImageSpec(*pixels.shape[1:]), train, parts[1], "", validation=spare)
    return dataset, pca.fit(train.pixels, 8, 0).first(8)


@pytest.mark.parametrize("spared", [True, False])
@pytest.mark.parametrize(("spread", "expected"), [(8.0, 4), (0.0, 0)])
def test_pictures_that_stand_in_one_place_are_not_shifted(spread, expected, spared):
    assert followed_shift(*data(spots(200, spread), spared), most=4, seed=0) == expected


def test_between_them_a_part_of_the_shift_is_followed():
    found = [followed_shift(*data(spots(200, spread), True), most=4, seed=0) for spread in (0.0, 2.0, 4.0, 8.0)]
    assert found == [0, 0, 1, 4]


def test_equal_pictures_are_not_shifted_and_plain_ones_are():
    equal, plain = np.repeat(spots(1, 0.0), 40, 0), np.full((40, 3, 8, 8), 90, np.uint8)
    assert followed_shift(*data(equal, False), most=2, seed=0) == 0
    assert followed_shift(*data(plain, False), most=2, seed=0) == 2
