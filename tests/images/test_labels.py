"""Labels: words in the margins of a sheet, never on a tile; and tiles that come back from sheets with words."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aetool.images.labels import Words, draw, labelled, legible
from aetool.images.layout import Layout, check_layout, encode_pictures, grid_of, sheet_of
from aetool.images.provenance import Provenance, read_provenance
from aetool.images.sheet import PAGE, laid_out
from aetool.images.tiles import tiles_of

MADE = Provenance("aetool 1.2.3", "toy 0123456789abcdef", "aetool sample", 7)


def noise(n: int, c: int = 1, h: int = 8, w: int = 6) -> np.ndarray:
    return np.random.default_rng(n * c).integers(0, 256, (n, c, h, w), np.uint8)


def cut(data: bytes, channels: int) -> np.ndarray:
    _, tiles = tiles_of(data)
    found = np.stack([np.asarray(tile) for tile in tiles])
    return found[:, None] if channels == 1 else found.transpose(0, 3, 1, 2)


LAYOUTS = {
    "rows": Layout(3, labels=Words(rows=("a", "a class with a name that is far too long for any margin", ""))),
    "tiles": Layout(3, labels=Words(tiles=("mse 0.1", "", "x" * 99, "y", "z", "", "last"))),
    "strip": Layout(strip=True, labels=Words(tiles=("first key", "", "", "second", "", "", "the third"), spread=True)),
    "pairs": Layout(originals=noise(7), labels=Words(tiles=("mse 0.0100",) * 7)),
    "pairs without words": Layout(originals=noise(7)),
    "exact": Layout(scale=5, labels=Words(tiles=("a",) * 7)),
    "native": Layout(scale=1, labels=Words(tiles=("|",) * 7)),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 6), (20, 31)])
def test_tiles_come_back_to_the_bit_and_words_stay_in_the_margins(name, channels, size):
    layout, pixels = LAYOUTS[name], noise(7, channels, *size)
    if layout.originals is not None:
        layout = replace(layout, originals=noise(7, channels, *size)[::-1])
    data = encode_pictures(pixels, ".png", layout, MADE)
    assert np.array_equal(cut(data, channels), pixels)
    grid = grid_of(7, *size, layout)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == grid.size
        page = np.asarray(image)
    plain = laid_out(pixels, grid, layout.originals)
    changed = (page.reshape(*page.shape[:2], -1) != plain.transpose(1, 2, 0)).any(2)
    assert (plain.transpose(1, 2, 0)[changed] == PAGE).all() and changed.any() == (layout.labels is not None)


def test_pairs_show_the_original_before_its_reconstruction():
    pixels, originals = np.full((3, 1, 20, 20), 10, np.uint8), np.full((3, 1, 20, 20), 200, np.uint8)
    layout = Layout(scale=1, originals=originals)
    grid, page = grid_of(3, 20, 20, layout), sheet_of(pixels, layout)
    for number in range(3):
        y, x = grid.place(number)
        assert (page[0, y : y + 20, x : x + 20] == 10).all() and (page[0, y : y + 20, x - 22 : x - 2] == 200).all()
    assert read_provenance(encode_pictures(pixels, ".png", layout, MADE))["grid"]["count"] == 3


def test_names_without_glyphs_have_something_instead():
    shown, lacking = legible(["0", "cats", "größe", "文字", "A B", ""], ["#0", "#1", "#2", "#3", "#4", "#5"])
    assert shown == ("0", "cats", "#2", "#3", "A B", "") and lacking == ("größe", "文字")


def test_a_label_of_any_length_and_kind_can_be_drawn():
    for text in ("", " ", "a" * 5000, "tab\tand\nline", "\x1b[31m", "\udcff", "文"):
        for words in (Words(rows=(text,)), Words(tiles=(text, text)), Words(tiles=(text, ""), spread=True)):
            grid = labelled(grid_of(2, 3, 3, Layout()), words)
            width, height = grid.size
            assert draw(np.full((1, height, width), PAGE, np.uint8), grid, words).shape == (1, height, width)


def test_a_sheet_without_words_is_as_before():
    pixels = noise(6, 1, 20, 20)
    assert np.array_equal(sheet_of(pixels, Layout()), sheet_of(pixels, Layout(labels=Words())))


def test_words_count_in_the_limit_of_a_sheet():
    from aetool.errors import LimitExceeded

    count = 100_000
    check_layout(count, (1, 28, 28), ".png", Layout(scale=1, columns=2))
    with pytest.raises(LimitExceeded):
        check_layout(count, (1, 28, 28), ".png", Layout(scale=1, columns=2, labels=Words(tiles=("a",) * count)))


@pytest.mark.parametrize(
    ("count", "columns"),
    [(2, 2), (3, 3), (4, 2), (6, 3), (7, 3), (10, 5), (12, 4), (13, 4), (16, 4), (32, 8), (36, 6), (40, 8), (100, 10)],
)
def test_rows_are_full_where_a_few_more_columns_do(count, columns):
    assert Layout().columns_for(count) == columns
