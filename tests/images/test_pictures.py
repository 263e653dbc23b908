"""Arrays to pictures: sheets, files, animations, what they say of their making, half blocks."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aetool.cli.fixes import told
from aetool.errors import InvalidInput, LimitExceeded
from aetool.images import sheet as module
from aetool.images.animation import encode_animation
from aetool.images.encode import PICTURES, encode_picture, half_blocks
from aetool.images.provenance import Provenance, read_provenance
from aetool.images.sheet import GAP, PAGE, PAPER, check_size, enlarge, resized, sheet, tile_scale, to_pil

MADE = Provenance("aetool 1.2.3", "toy 0123456789abcdef", 'aetool sample --class "größe" -n 3', 7)
SUFFIXES = [".gif", ".webp", ".apng"]


def noise(n: int, c: int, h: int = 8, w: int = 6) -> np.ndarray:
    return np.random.default_rng(n * c).integers(0, 256, (n, c, h, w), np.uint8)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def frames(data: bytes, channels: int) -> np.ndarray:
    """Return every frame of an animation as (n, c, h, w)."""
    image, found = opened(data), []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        found.append(pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1))
    return np.stack(found)


# Sheets


@pytest.mark.parametrize(
    ("height", "width", "scale"),
    [
        (8, 8, 8),
        (28, 28, 3),
        (63, 63, 2),
        (64, 64, 1),
        (65, 65, 1),
        (32, 64, 2),
        (64, 32, 2),
        (128, 128, 1),
        (1, 9, 64),
    ],
)
def test_tiles_are_enlarged_by_the_whole_factor_that_reaches_64_pixels(height, width, scale):
    assert tile_scale(height, width) == scale


def test_enlarging_repeats_pixels():
    pixels = np.array([[[[1, 2], [3, 4]]]], np.uint8)
    assert enlarge(pixels, 2).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]]]
    assert np.array_equal(enlarge(pixels, 1), pixels)


def test_a_sheet_is_laid_out_row_by_row_with_gaps_around_and_between():
    tiles = np.array([1, 2, 3], np.uint8).reshape(3, 1, 1, 1).repeat(2, 2).repeat(3, 3)
    page, g, nothing = sheet(tiles, 2, 1), PAPER, [PAGE] * 5
    between = [g] * 12
    upper = [g, g, 1, 1, 1, g, g, 2, 2, 2, g, g]
    lower = [g, g, 3, 3, 3, g, g, *nothing]
    end = [*[g] * 7, *nothing]
    assert GAP == 2
    assert page.tolist() == [[between, between, upper, upper, between, between, lower, lower, end, end]]


@pytest.mark.parametrize(("height", "width", "scale"), [(8, 8, 8), (5, 9, 13), (1, 4, 64), (2, 2, 3), (15, 15, 5)])
def test_smoothly_enlarged_pictures_go_through_their_pixels(height, width, scale):
    pixels = noise(4, 3, height, width)
    larger = enlarge(pixels, scale, smooth=True)
    assert larger.shape == (4, 3, height * scale, width * scale) and larger.dtype == np.uint8
    assert np.array_equal(larger[:, :, scale // 2 :: scale, scale // 2 :: scale], pixels)
    for level in (0, 77, 255):
        assert (enlarge(np.full_like(pixels, level), scale, smooth=True) == level).all()


def test_smooth_pictures_have_no_blocks():
    ramp = np.linspace(0, 255, 8).round().astype(np.uint8).reshape(1, 1, 1, 8).repeat(8, 2)
    steps = np.diff(enlarge(ramp, 8, smooth=True)[0, 0, 20].astype(int))
    assert steps.min() >= -2 and steps.max() <= 9


@pytest.mark.parametrize(("n", "columns", "scale"), [(1, 1, 1), (5, 3, 2), (6, 3, 1), (4, 10, 3), (3, 1, 2)])
def test_every_tile_of_a_sheet_can_be_cut_out_again(n, columns, scale):
    tiles = noise(n, 3)
    paper = sheet(tiles, columns, scale)
    columns = min(n, columns)
    rows = -(-n // columns)
    step_y, step_x = 8 * scale + GAP, 6 * scale + GAP
    assert paper.shape == (3, rows * step_y + GAP, columns * step_x + GAP)
    for i in range(n):
        y, x = GAP + i // columns * step_y, GAP + i % columns * step_x
        assert np.array_equal(paper[:, y : y + 8 * scale : scale, x : x + 6 * scale : scale], tiles[i])
        paper[:, y - GAP : y + 8 * scale + GAP, x - GAP : x + 6 * scale + GAP] = PAGE
    assert (paper == PAGE).all()


def test_a_huge_sheet_is_refused_before_it_is_made():
    with pytest.raises(LimitExceeded, match="is over 100,000,000") as caught:
        sheet(np.zeros((1, 1, 8, 8), np.uint8), 1, 100_000)
    assert told(caught.value).endswith("; write to a folder/ instead")
    with pytest.raises(LimitExceeded):
        sheet(np.broadcast_to(np.uint8(0), (3_000_000, 1, 8, 8)), 1000, 1)


def test_the_limit_of_pixels_is_met_exactly(monkeypatch):
    monkeypatch.setattr(module, "MAX_SHEET", 1000)
    check_size(1000)
    with pytest.raises(LimitExceeded, match="1,001 pixels is over 1,000"):
        check_size(1001)


# Picture files


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("made", [MADE, None])
def test_png_holds_the_exact_pixels(channels, made):
    pixels = noise(1, channels)[0]
    image = opened(encode_picture(pixels, ".png", made))
    assert image.format == "PNG" and image.mode == ("L" if channels == 1 else "RGB")
    assert np.array_equal(np.asarray(image), np.asarray(to_pil(pixels)))
    assert np.array_equal(np.asarray(image).reshape(8, 6, channels).transpose(2, 0, 1), pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_near_the_pixels(channels, suffix):
    ramp = np.linspace(0, 255, 64 * 64).astype(np.uint8).reshape(1, 64, 64).repeat(channels, 0)
    image = opened(encode_picture(ramp, suffix, MADE))
    assert image.format == "JPEG" and image.size == (64, 64)
    assert abs(np.asarray(image).astype(int) - np.asarray(to_pil(ramp))).max() < 8


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_same_picture_gives_the_same_bytes(suffix):
    assert encode_picture(noise(1, 3)[0], suffix, MADE) == encode_picture(noise(1, 3)[0], suffix, MADE)


# Animations


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_animations_hold_every_frame_exactly(suffix, channels, n):
    pixels = noise(n, channels)  # 48 pixels have few enough colours for a GIF
    data = encode_animation(pixels, suffix, 10, MADE)
    assert opened(data).format == {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}[suffix]
    assert np.array_equal(frames(data, channels), pixels)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", [[0] * 10, [0, 0, 1, 1, 0, 0], [1, 0, 0, 0]])
def test_equal_frames_are_kept_each(suffix, channels, order):
    pixels = noise(2, channels)[order]
    found = frames(encode_animation(pixels, suffix, 10), channels)
    assert len(found) == len(order)
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_flat_frames_are_kept_each(suffix, level):
    pixels = np.full((4, 1, 64, 64), level, np.uint8)
    assert np.array_equal(frames(encode_animation(pixels, suffix, 10), 1), pixels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_frame_is_a_picture(suffix):
    pixels = noise(1, 1)
    assert np.array_equal(frames(encode_animation(pixels, suffix, 10, MADE), 1), pixels)


def test_gif_holds_all_grey_levels_exactly():
    pixels = np.arange(512, dtype=np.int64).reshape(2, 1, 16, 16).astype(np.uint8)
    assert np.array_equal(frames(encode_animation(pixels, ".gif", 10), 1), pixels)


def test_gif_gives_every_colour_frame_colours_of_its_own():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    flat = np.zeros_like(ramp)
    pixels = np.stack([np.stack(p) for p in ((ramp, flat, flat), (flat, ramp, flat), (flat, flat, ramp))])
    found = frames(encode_animation(pixels, ".gif", 10), 3).astype(int)
    assert abs(found - pixels).max() < 8


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("fps", "duration"), [(0.1, 10_000), (10, 100), (25, 40), (100, 10)])
def test_animations_last_as_long_as_asked_and_repeat_for_ever(suffix, fps, duration):
    image = opened(encode_animation(noise(3, 1), suffix, fps))
    assert image.info["loop"] == 0
    for i in range(3):
        image.seek(i)
        image.load()
        assert image.info["duration"] == duration


# What pictures say of their making

WRITERS = {
    **{suffix: lambda made, suffix=suffix: encode_picture(noise(1, 3)[0], suffix, made) for suffix in PICTURES},
    **{suffix: lambda made, suffix=suffix: encode_animation(noise(3, 3), suffix, 10, made) for suffix in SUFFIXES},
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_kind_of_picture_says_how_it_was_made(suffix):
    assert read_provenance(WRITERS[suffix](MADE)) == {
        "software": MADE.software, "model": MADE.model, "command": MADE.command, "seed": 7
    }  # fmt: skip
    assert "seed" not in read_provenance(WRITERS[suffix](replace(MADE, seed=None)))
    assert read_provenance(WRITERS[suffix](replace(MADE, seed=0)))["seed"] == 0


@pytest.mark.parametrize("suffix", WRITERS)
def test_without_provenance_nothing_is_said(suffix):
    data = WRITERS[suffix](None)
    assert b"aetool" not in data
    with pytest.raises(InvalidInput, match="does not say how it was made"):
        read_provenance(data)


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_command_with_very_many_names_hinders_no_picture(suffix):
    many = replace(MADE, command="aetool reconstruct " + " ".join(f"photo-{i:06}.png" for i in range(5000)))
    assert opened(WRITERS[suffix](many)).size == (6, 8)


@pytest.mark.parametrize(
    "comment", [b"{}", b"[1]", b"null", b"5", b"not json", b"\xff", b'{"software": "x", "model": "y"}']
)
def test_what_others_wrote_into_a_picture_is_not_taken_for_provenance(comment):
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "GIF", comment=comment)
    with pytest.raises(InvalidInput, match="does not say"):
        read_provenance(stream.getvalue())


def test_provenance_of_what_is_no_picture_or_damaged_is_refused():
    with pytest.raises(InvalidInput, match="not an image"):
        read_provenance(b"hello")
    data = encode_picture(noise(1, 3, 64, 64)[0], ".png", MADE)
    with pytest.raises(InvalidInput, match="damaged"):
        read_provenance(data[: len(data) // 2])


# Half blocks


def test_half_blocks_show_two_pixels_a_character():
    pixels = np.array([[[1, 2], [3, 4]]], np.uint8)
    assert half_blocks(pixels) == (
        "\x1b[38;2;1;1;1;48;2;3;3;3m▀\x1b[38;2;2;2;2;48;2;4;4;4m▀\x1b[0m\n"
    )  # fmt: skip


def test_half_blocks_show_colours_upper_before_lower():
    pixels = np.array([[[10], [40]], [[20], [50]], [[30], [60]]], np.uint8)
    assert half_blocks(pixels) == "\x1b[38;2;10;20;30;48;2;40;50;60m▀\x1b[0m\n"


def test_half_blocks_without_colour_are_five_shades():
    levels = np.array([0, 51, 52, 102, 103, 153, 154, 204, 205, 255], np.uint8)
    pixels = np.stack([levels, levels])[None]
    text = half_blocks(pixels, colour=False)
    assert text == "  ░░▒▒▓▓██\n"
    assert half_blocks(pixels.repeat(3, 0), colour=False) == text
    white_over_black = np.array([[[255], [0]]], np.uint8)
    assert half_blocks(white_over_black, colour=False) == "▒\n"


@pytest.mark.parametrize("height", [1, 2, 3, 8, 9])
def test_an_odd_height_is_filled_up_with_black(height):
    pixels = np.full((1, height, 4), 255, np.uint8)
    lines = half_blocks(pixels).splitlines()
    assert len(lines) == (height + 1) // 2
    assert all(line.count("▀") == 4 for line in lines)
    assert ("48;2;0;0;0" in lines[-1]) == (height % 2 == 1)
    assert len(half_blocks(pixels, colour=False).splitlines()) == (height + 1) // 2


# Shrinking


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_scaled_to_a_size(channels):
    small = resized(noise(2, channels, 40, 100), 20, 50)
    assert small.shape == (2, channels, 20, 50) and small.dtype == np.uint8
    flat = np.full((1, channels, 40, 100), 77, np.uint8)
    assert (resized(flat, 13, 33) == 77).all()


def test_what_has_the_size_is_not_touched():
    pixels = noise(2, 1)
    assert resized(pixels, 8, 6) is pixels


def test_half_blocks_in_256_colours_take_the_nearest():
    rgb = np.array([[[255, 0, 0], [0, 0, 95]], [[128, 128, 128], [8, 8, 8]]], np.uint8).transpose(2, 0, 1)
    assert half_blocks(rgb, few=True) == "\x1b[38;5;196;48;5;244m▀\x1b[38;5;17;48;5;232m▀\x1b[0m\n"
    grey = np.arange(256, dtype=np.uint8).reshape(1, 2, 128)
    numbers = [int(n) for n in re.findall(r"8;5;(\d+)", half_blocks(grey, few=True))]
    assert all(n in {16, 59, 102, 145, 188, 231} or n >= 232 for n in numbers)
