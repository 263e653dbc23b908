"""Sheets cut into their tiles again: to the bit, and only where the grid fits the picture."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from aetool.errors import InvalidInput, LimitExceeded
from aetool.images.files import ImageFile, read_batches
from aetool.images.layout import Layout, encode_pictures, grid_of
from aetool.images.provenance import Provenance, read_provenance
from aetool.images.sheet import OPTIONAL, Grid
from aetool.images.spec import ImageSpec
from aetool.images.tiles import MOST, says_sheet, tiles_of
from aetool.system.limits import LIMITS, Limits

MADE = Provenance("aetool 1.2.3", "toy 0123456789abcdef", "aetool sample -n 3", 7)


def noise(n: int, c: int, h: int = 8, w: int = 6) -> np.ndarray:
    return np.random.default_rng(n * c).integers(0, 256, (n, c, h, w), np.uint8)


def cut(data: bytes, channels: int, limits: Limits = LIMITS) -> np.ndarray:
    """Return the tiles in the data as (n, c, h, w)."""
    assert says_sheet(data)
    count, tiles = tiles_of(data, limits)
    found = [np.asarray(tile).reshape(tile.height, tile.width, channels).transpose(2, 0, 1) for tile in tiles]
    assert len(found) == count
    return np.stack(found)


def with_grid(image: Image.Image, grid: object) -> bytes:
    """Return a PNG that says `grid` of itself."""
    text, stream = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_itxt("aetool", json.dumps({"software": "x", "model": "y", "command": "z", "grid": grid}))
    image.save(stream, "PNG", pnginfo=text)
    return stream.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [Layout(), Layout(3), Layout(100), Layout(strip=True), Layout(scale=1),
                                    Layout(3, scale=5), Layout(1, scale=64)])  # fmt: skip
@pytest.mark.parametrize("n", [2, 3, 7, 16])
def test_tiles_come_back_to_the_bit(channels, layout, n):
    pixels = noise(n, channels)
    assert np.array_equal(cut(encode_pictures(pixels, ".png", layout, MADE), channels), pixels)


def test_empty_cells_are_no_tiles_and_tiles_like_paper_are():
    pixels = np.full((7, 1, 8, 8), 128, np.uint8)
    assert np.array_equal(cut(encode_pictures(pixels, ".png", Layout(), MADE), 1), pixels)


@pytest.mark.parametrize("scale", [1, 3])
def test_a_single_picture_is_a_sheet_where_it_is_enlarged(scale):
    data = encode_pictures(noise(1, 3), ".png", Layout(scale=scale), MADE)
    assert says_sheet(data) == (scale > 1)
    if scale > 1:
        assert np.array_equal(cut(data, 3), noise(1, 3))


def test_the_grid_of_a_jpeg_gives_tiles_near_their_pixels():
    flat = np.arange(0, 250, 25, np.uint8).reshape(10, 1, 1, 1).repeat(8, 2).repeat(8, 3)
    found = cut(encode_pictures(flat, ".jpg", Layout(), MADE), 1)
    assert found.shape == flat.shape and abs(found.astype(int) - flat).max() <= 4


def test_the_grid_is_in_the_provenance_and_nothing_else_has_changed():
    said = read_provenance(encode_pictures(noise(5, 1), ".png", Layout(), MADE))
    grid = {"count": 5, "columns": 3, "rows": 2, "height": 8, "width": 6, "scale": 11, "gap": 2, "smooth": 1}
    assert said == {"software": MADE.software, "model": MADE.model, "command": MADE.command, "seed": 7, "grid": grid}
    whole = asdict(grid_of(5, 8, 6, Layout()))
    assert grid == {name: value for name, value in whole.items() if value or name not in OPTIONAL}
    assert read_provenance(encode_pictures(noise(5, 1, 16, 16), ".png", Layout(), MADE))[
        "grid"
    ].keys() == grid.keys() - {"smooth"}
    for suffix, layout, n in ((".png", Layout(), 1), (".gif", Layout(), 5), (".webp", Layout(), 5)):
        assert "grid" not in read_provenance(encode_pictures(noise(n, 1), suffix, layout, MADE))
    assert not says_sheet(encode_pictures(noise(5, 1), ".png", Layout()))


@pytest.mark.parametrize("mode", ["P", "1", "RGBA"])
def test_a_sheet_saved_with_other_colours_is_cut_too(mode):
    levels = np.array([0, 255, 255, 0, 0], np.uint8).reshape(5, 1, 1, 1).repeat(8, 2).repeat(6, 3)
    data = encode_pictures(levels, ".png", Layout(), MADE)
    image = Image.open(io.BytesIO(data))
    grid = read_provenance(data)["grid"]
    found, tiles = tiles_of(with_grid(image.convert(mode), grid))
    assert found == 5
    assert all(np.array_equal(np.asarray(t.convert("L")), one[0]) for t, one in zip(tiles, levels, strict=True))


GRID = grid_of(5, 8, 6, Layout())
LIES = [
    *({name: value} for name in asdict(GRID) for value in (-1, 0, 1, 4, 10**9, 10**30, True, 2.0, "3", None, [])),
    {"more": 1}, {"count": 3}, {"count": 7}, {"rows": 1, "columns": 6}, {"rows": 3}, {"columns": 2},
    {"scale": 22, "height": 4, "width": 3},
    {"count": 36 * 69, "columns": 69, "rows": 92, "height": 1, "width": 1, "scale": 1, "gap": 2},
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_grid_that_does_not_fit_is_not_believed(lie):
    image = Image.open(io.BytesIO(encode_pictures(noise(5, 3), ".png", Layout(), MADE)))
    said = asdict(GRID) | lie
    count, tiles = tiles_of(with_grid(image, said))
    if count:  # another grid of the same size: possible, and its tiles lie within the picture
        assert Grid(**said).size == image.size and all(tile.size == (said["width"], said["height"]) for tile in tiles)
    else:
        assert not list(tiles)


@pytest.mark.parametrize("grid", [None, 3, [], {}, "x", {"count": 5}])
def test_what_is_no_grid_is_none(grid):
    image = Image.open(io.BytesIO(encode_pictures(noise(5, 3), ".png", Layout(), MADE)))
    assert tiles_of(with_grid(image, grid))[0] == 0


def test_a_picture_that_was_changed_in_size_or_turned_is_whole():
    image = Image.open(io.BytesIO(encode_pictures(noise(5, 3), ".png", Layout(), MADE)))
    for changed in (
        image.crop((0, 0, image.width - 1, image.height)),
        image.resize((99, 99)),
        Image.new("I;16", image.size),
    ):
        assert tiles_of(with_grid(changed, asdict(GRID)))[0] == 0
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = json.dumps({"software": "x", "model": "y", "command": "z", "grid": asdict(GRID)})
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    assert says_sheet(stream.getvalue()) and tiles_of(stream.getvalue())[0] == 0


def test_the_most_tiles_and_the_limit_of_pixels_hold():
    side = 1001
    grid = {"count": side * side, "columns": side, "rows": side, "height": 1, "width": 1, "scale": 1, "gap": 0}
    assert side * side > MOST and tiles_of(with_grid(Image.new("1", (side, side)), grid))[0] == 0
    data = encode_pictures(noise(5, 3), ".png", Layout(), MADE)
    with pytest.raises(LimitExceeded):
        tiles_of(data, Limits(pixels=1000))


def test_a_damaged_sheet_is_a_damaged_picture():
    data = bytearray(encode_pictures(noise(9, 3), ".png", Layout(), MADE))
    data[data.index(b"IDAT") + 30] ^= 0xFF
    with pytest.raises(InvalidInput, match="damaged"):
        tiles_of(bytes(data))


def test_batches_stay_small_and_names_tell_the_tile():
    pixels = noise(40, 1)
    sheet = encode_pictures(pixels, ".png", Layout(), MADE)
    file = ImageFile("in/s.png", "sub/s.png", "sub", data=sheet)
    batches = list(read_batches([file, replace(file, path="b.png", whole=True)], ImageSpec(1, 8, 6), 16))
    assert [len(batch.files) for batch in batches] == [1, 4, 16, 16, 4]
    assert [batch.sheets for batch in batches] == [batches[0].sheets, (), (), (), ()]
    assert (batches[0].sheets[0].path, batches[0].sheets[0].tiles) == ("in/s.png", 40)
    files = [one for batch in batches for one in batch.files]
    assert [one.path for one in files] == [*(f"in/s.png[{i}]" for i in range(1, 41)), "b.png"]
    assert files[9].relative == "sub/s-0010.png" and files[9].label == "sub" and files[9].data is None
    assert np.array_equal(np.concatenate([batch.value for batch in batches])[:40], pixels.astype(np.float32) / 255)
