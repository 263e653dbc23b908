"""Levels of grey pictures: independent expectations by NumPy, depths told by tags, and guesses."""

from __future__ import annotations

import numpy as np
import pytest

from aetool.errors import InvalidInput
from aetool.images.decode import decode_image
from aetool.images.levels import Evidence, guess, measure
from aetool.images.png import SIGNATURE, chunk
from tests.images.pictures import COLOUR, GREY, LEVELS, WIDE, away, deep, tiff


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_whole_numbers_of_any_depth_in_16_bits_are_the_same_picture(bits, order):
    values = (WIDE * ((1 << bits) - 1) // 255).astype(order + "u2")
    assert away(tiff(values, 16, order=order)) <= 1
    for kind, options in (("PNG", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {})):
        assert away(deep(values, kind, **options)) <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16, 20, 24, 28, 31])
def test_whole_numbers_of_any_depth_in_32_bits_are_the_same_picture(bits):
    values = WIDE * ((1 << bits) - 1) // 255
    assert away(deep(values.astype(np.int32))) <= 1
    assert away(tiff(values.astype("<u4"), 32)) <= 1
    assert away(tiff(values.astype(">i4"), 32, sample_format=2, order=">")) <= 1


def test_unsigned_32_bits_have_no_sign():
    assert away(tiff((WIDE * ((1 << 32) - 1) // 255).astype("<u4"), 32)) == 0


@pytest.mark.parametrize("order", "<>")
def test_signed_16_bits_reach_to_half_as_much(order):
    values = (WIDE * 32767 // 255 - 3).astype(order + "i2")
    assert away(tiff(values, 16, sample_format=2, order=order)) <= 1


def test_full_16_bits_are_scaled_as_before_to_the_bit():
    values = np.random.default_rng(0).integers(0, 65536, (28, 28)).astype(np.uint16)
    expected = np.rint(values / 257)
    for data in (deep(values, "PNG"), deep(values), deep(values.astype(">u2")), deep(values, compression="tiff_lzw")):
        assert away(data, expected) == 0
    for sparse in (0, 300):  # a dark picture with a single bright pixel is a dark picture
        values = np.full((28, 28), sparse, np.uint16)
        values[0, :5] = 65535
        assert away(deep(values, "PNG"), np.rint(values / 257)) == 0


def test_a_hot_pixel_does_not_decide():
    for top in (4095, 1023):
        values = (WIDE * top // 255).astype(np.uint16)
        values[0, 0] = 65535
        found = decode_image(deep(values, "PNG"), GREY)[0].astype(int)
        assert found[0, 0] == 255 and abs(found - LEVELS)[1:].max() <= 1


def test_black_is_black():
    for values in (np.zeros((28, 28), np.uint16), np.zeros((28, 28), np.int32), np.full((28, 28), -5, np.int32),
                   np.zeros((28, 28), np.float32), np.full((28, 28), np.nan, np.float32)):  # fmt: skip
        assert not decode_image(deep(values), GREY).any()


def test_tiff_with_white_as_0_is_turned_round_whatever_its_depth():
    for values, bits, form in ((65535 - WIDE * 257, 16, 1), ((4095 - WIDE * 4095 // 255), 16, 1)):
        assert away(tiff(values.astype("<u2"), bits, photometric=0, sample_format=form)) <= 1
    assert away(tiff((1 - LEVELS / 255).astype("<f4"), 32, photometric=0, sample_format=3)) <= 1


def test_12_bits_of_a_tiff_are_told_by_the_file():
    dark = WIDE // 4  # the numbers alone would be 10 bits
    numbers = (dark * 4095 // 255).reshape(-1, 2)
    a, b = numbers[:, 0], numbers[:, 1]
    packed = np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], 1).astype(np.uint8)
    assert away(tiff(packed, 12), dark) <= 1


def test_the_largest_value_of_a_tiff_is_told_where_it_is_a_depth():
    dark = WIDE // 16
    values = (dark * 4095 // 255).astype("<u2")
    assert away(tiff(values, 16, _281=4095), dark) <= 1
    assert away(tiff(values, 16, _341=4095), dark) <= 1
    assert away(tiff(values, 16, _281=4096), dark) > 20  # a statistic, not a depth: a guess
    assert away(tiff((WIDE * 257).astype("<u2"), 16, _281=4095)) == 0  # not true
    assert away(tiff(dark.astype("<i4"), 32, sample_format=2, _281=65535), dark // 257) <= 1


def test_the_significant_bits_of_a_png_are_told():
    def png(values: np.ndarray) -> bytes:
        data = deep(values.astype(np.uint16), "PNG")
        return data[:33] + chunk(b"sBIT", bytes([12])) + data[33:]

    unscaled = WIDE + 3
    dark = np.rint(unscaled * (255 / 4095))
    assert away(png(unscaled), dark) == 0
    assert away(png(unscaled << 4), dark) <= 1  # as the specification wants it
    assert away(png((WIDE * 4095 // 255) << 4)) <= 1
    broken = png(unscaled)
    at = len(SIGNATURE) + 25
    assert away(broken[:at] + chunk(b"gAMA", b"") + broken[at:], dark) <= 1


@pytest.mark.parametrize("white", [1, 100, 255, 1000, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_pnm_says_its_white(white, plain):
    values = WIDE * white // 255
    expected = np.rint(values * (255 / white))
    head = b"P%d 28 28 %d\n" % (2 if plain else 5, white)
    body = (
        " ".join(map(str, values.ravel())).encode()
        if plain
        else values.astype("u1" if white < 256 else ">u2").tobytes()
    )
    assert away(head + body, expected) <= 1
    dark = np.minimum(values, white // 16)
    body = " ".join(map(str, dark.ravel())).encode() if plain else dark.astype("u1" if white < 256 else ">u2").tobytes()
    assert away(head + body, np.rint(dark * (255 / white))) <= 1


@pytest.mark.parametrize("white", [1, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("trouble", ["none", "above", "a few above", "nan", "-inf", "one far above"])
def test_floats_are_read_by_their_finite_numbers(white, trouble):
    values = (LEVELS / 255 * white).astype(np.float32)
    rows = 1
    if trouble == "above":
        values *= 1.0001
    elif trouble == "a few above":
        values[0, :20] = 1.2 * white
    elif trouble in ("nan", "-inf"):
        values[0, 0] = float(trouble)
    elif trouble == "one far above":
        values[0, 0] = 1e9
    found = decode_image(deep(values), GREY)[0].astype(int)
    assert abs(found - LEVELS)[rows:].max() <= 1
    assert found[0, 0] == {"nan": 0, "-inf": 0, "none": LEVELS[0, 0], "above": LEVELS[0, 0]}.get(trouble, 255)
    assert abs(decode_image(deep(values), COLOUR) - found).max() == 0


def test_floats_in_0_to_1_are_read_as_before_to_the_bit():
    values = np.random.default_rng(0).random((28, 28)).astype(np.float32)
    assert away(deep(values), np.rint(values.astype(np.float64) * 255)) == 0
    stream = b"Pf\n28 28\n-1.0\n" + values[::-1].tobytes()
    assert away(stream, np.rint(values.astype(np.float64) * 255)) == 0


def test_infinite_brightness_is_refused():
    values = (LEVELS / 255).astype(np.float32)
    values[0, :2] = np.inf
    with pytest.raises(InvalidInput, match="infinite brightness in 2 of its 784 pixels"):
        decode_image(deep(values), GREY)


def test_evidence_and_guess():
    assert measure(np.array([[5, 6], [7, 900]], np.int32)) == Evidence("i4", 7)
    assert measure(np.array([[np.nan, np.inf]], np.float32)) == Evidence("f4", 0)
    assert [guess(Evidence("f4", top)) for top in (0, 0.1, 1.5, 1.6, 380, 1e12)] == [1, 1, 1, 255, 255, (1 << 32) - 1]
    assert [guess(Evidence("u2", top)) for top in (0, 255, 256, 16384)] == [65535, 255, 1023, 65535]
    assert guess(Evidence("i2", 20_000)) == 32767 and guess(Evidence("i4", 0)) == 255
