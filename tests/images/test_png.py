"""PNG files against Pillow: the same pixels, in no more bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aetool.images.encode import encode_picture
from aetool.images.png import NONE, UP, _filtered, png_files
from aetool.images.provenance import Provenance, png_text, read_provenance
from aetool.images.sheet import to_pil

RNG = np.random.default_rng(0)


def smooth(n, c, h, w):
    waves = np.add.outer(np.arange(h) * 3, np.arange(w) * 2) % 256
    return (waves + RNG.integers(0, 3, (n, c, h, w))).astype(np.uint8)


CASES = {
    "noise": RNG.integers(0, 256, (3, 1, 7, 9), np.uint8),
    "colour noise": RNG.integers(0, 256, (3, 3, 7, 9), np.uint8),
    "black": np.zeros((2, 1, 28, 28), np.uint8),
    "white": np.full((2, 3, 28, 28), 255, np.uint8),
    "one pixel": np.array([[[[7]]]], np.uint8),
    "one column": RNG.integers(0, 256, (1, 3, 5, 1), np.uint8),
    "one row": RNG.integers(0, 256, (1, 1, 1, 5), np.uint8),
    "smooth": smooth(4, 1, 64, 64),
    "smooth colour": smooth(4, 3, 64, 48),
    "none": np.zeros((0, 1, 4, 4), np.uint8),
}


@pytest.mark.parametrize("name", CASES)
def test_pillow_reads_the_same_pixels(name):
    files = png_files(CASES[name])
    assert len(files) == len(CASES[name])
    for data, tile in zip(files, CASES[name], strict=True):
        with Image.open(io.BytesIO(data)) as found:
            assert found.format == "PNG" and found.mode == to_pil(tile).mode
            assert np.array_equal(np.asarray(found), np.asarray(to_pil(tile)))


@pytest.mark.parametrize("name", ["smooth", "smooth colour", "black"])
def test_files_are_about_as_small_as_those_of_pillow(name):
    tiles = CASES[name]
    assert sum(map(len, png_files(tiles))) < 1.15 * sum(len(encode_picture(tile)) for tile in tiles)


def test_the_filter_is_chosen_by_what_is_in_the_picture_alone():
    tiles = np.concatenate([smooth(1, 1, 32, 32), np.zeros((1, 1, 32, 32), np.uint8)])
    assert _filtered(tiles)[:, 0, 0].tolist() == [UP, NONE]
    assert png_files(tiles) == [png_files(tile[None])[0] for tile in tiles]


def test_they_say_how_they_were_made():
    made = Provenance("aetool 9", "mnist 0123", "aetool decode ü\udcff", 7)
    (data,) = png_files(CASES["one pixel"], png_text(made))
    assert read_provenance(data)["seed"] == 7
    assert read_provenance(data)["command"].startswith("aetool decode ü")
    with Image.open(io.BytesIO(data)) as found:
        assert found.info["Software"] == "aetool 9"
    assert png_text(None) == b""
