"""Heat maps over pictures: nothing is coloured where nothing is unusual, and the colours are the same for all."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.images.heat import DIM, over_picture


def test_where_nothing_is_unusual_the_picture_is_grey():
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        pixels = rng.integers(0, 256, (2, channels, 5, 6), np.uint8)
        shown = over_picture(pixels, np.zeros((2, 5, 6), np.float32))
        assert shown.shape == (2, 3, 5, 6) and shown.dtype == np.uint8
        assert (shown == shown[:, :1]).all()
        grey = pixels.mean(1) if channels == 1 else np.tensordot(pixels, [0.299, 0.587, 0.114], (1, 0))
        assert shown[:, 0] == pytest.approx(grey * DIM + 255 * (1 - DIM) / 2, abs=0.51)


def test_more_unusual_is_redder_and_the_scale_has_an_end():
    shares = np.array([0.3, 0.65, 1, 50, np.inf], np.float32).reshape(1, 1, 5)
    red, green, _ = over_picture(np.full((1, 1, 1, 5), 128, np.uint8), shares)[0, :, 0].astype(int)
    assert (red > green).all() and (np.diff(green) <= 0).all()
    assert red[2] == red[3] == red[4]


def test_the_colour_of_a_value_does_not_depend_on_the_other_pictures():
    shares = np.random.default_rng(0).uniform(0, 2, (3, 4, 4)).astype(np.float32)
    pixels = np.full((3, 1, 4, 4), 90, np.uint8)
    assert np.array_equal(over_picture(pixels, shares)[1:2], over_picture(pixels[1:2], shares[1:2]))
