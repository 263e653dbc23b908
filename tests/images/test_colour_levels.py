"""Levels of colour pictures, of 8 bits in every mode and of 16."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from aetool.images.decode import decode_image, kind_of, prepare
from aetool.images.png import SIGNATURE, chunk
from tests.images.pictures import COLOUR, COLOURS, GREY, LEVELS, colour_png, encoded


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(float) @ [0.299, 0.587, 0.114]


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* over D50, adapted to sRGB (IEC 61966-2-1) by Bradford: bytes to levels, not rounded."""
    L, a, b = (
        lab[..., 0] / 2.55,
        lab[..., 1].astype(np.int8).astype(float),
        lab[..., 2].astype(np.int8).astype(float),
    )
    fy = (L + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9642, 1, 0.8249]
    matrix = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = (xyz @ np.array(matrix).T).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def colour_file(mode: str) -> tuple[bytes, np.ndarray]:
    """Return a TIFF of a mode, and its colours (h, w, 3) worked out by hand."""
    rgb = COLOURS.astype(float)
    if mode == "LAB":
        lab = np.stack([LEVELS, (LEVELS // 8).astype(np.uint8), (256 - LEVELS.astype(int) // 8).astype(np.uint8)], 2)
        data = encoded(Image.frombytes("LAB", (28, 28), lab.tobytes()))
        assert lab.tobytes() in data
        return data, lab_to_rgb(lab)
    if mode == "YCbCr":
        y = luma(rgb)
        parts = np.rint(np.stack([y, 128 + (rgb[..., 2] - y) / 1.772, 128 + (rgb[..., 0] - y) / 1.402], 2))
        return encoded(Image.frombytes("YCbCr", (28, 28), parts.clip(0, 255).astype(np.uint8).tobytes())), rgb
    if mode == "CMYK":
        inks = np.dstack([COLOURS, LEVELS // 2])
        return encoded(Image.frombytes("CMYK", (28, 28), inks.tobytes())), (255 - rgb) * (255 - inks[..., 3:]) / 255
    return encoded(Image.fromarray(COLOURS)), rgb


@pytest.mark.parametrize("mode", ["RGB", "LAB", "YCbCr", "CMYK"])
def test_colour_tiffs_are_colour_and_have_the_right_levels(mode):
    data, expected = colour_file(mode)
    assert not kind_of(data).grey
    found = decode_image(data, COLOUR).transpose(1, 2, 0).astype(float)
    assert abs(found - expected).max() <= 4, mode  # LAB in the corners of its gamut; the others less
    assert abs(decode_image(data, GREY)[0] - luma(expected)).max() <= 3


@pytest.mark.parametrize(
    "mode", ["HSV", "RGBX", "RGBa", "La", "LA", "PA", "LAB", "I;16", "I;16L", "I;16B", "I;16N", "I", "F"]
)
@pytest.mark.parametrize("turn", [1, 6])
def test_every_mode_of_pillow_can_be_prepared_upright(mode, turn):
    image = Image.new(mode, (28, 14))
    image.getexif()[274] = turn
    for spec in (GREY, COLOUR):
        assert prepare(image, spec).shape == spec.shape


def test_premultiplied_grey_and_colour_are_divided_by_their_alpha():
    alpha = np.full((28, 28), 128, np.uint8)
    halved = (LEVELS // 2).astype(np.uint8)
    grey = Image.frombytes("La", (28, 28), np.dstack([halved, alpha]).tobytes())
    for spec in (GREY, COLOUR):
        assert abs(prepare(grey, spec).astype(int) - halved).max() <= 1  # over black
    colour = Image.frombytes("RGBa", (28, 28), np.dstack([halved] * 3 + [alpha]).tobytes())
    assert abs(prepare(colour, COLOUR).astype(int) - halved).max() <= 1


@pytest.mark.parametrize("grey", [True, False])
def test_grey_is_seen_in_every_kind_of_png(grey):
    for depth, colour in ((8, 4), (16, 4), (8, 6), (16, 6), (16, 0), (16, 2)):
        channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
        rows = b"".join(b"\0" + bytes(4 * channels * depth // 8) for _ in range(4))
        data = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, depth, colour, 0, 0, 0))
        data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        assert kind_of(data).grey == (colour in (0, 4))


def colour_tiff(values: np.ndarray, order: str, packed: bool = False) -> bytes:
    """Return a TIFF of 16 bits a number, colour (h, w, c), written by hand."""
    h, w, channels = values.shape
    body = values.astype(order + "u2").tobytes()
    body = zlib.compress(body) if packed else body
    bits = struct.pack(order + "H", 16) * channels + b"\0" * (-2 * channels % 4)
    tags = {256: w, 257: h, 259: 8 if packed else 1, 262: 2, 273: 8, 277: channels, 278: h, 279: len(body)}
    tags |= {338: 2} if channels == 4 else {}
    entries = {tag: struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items()}
    if channels == 4:
        entries[338] = struct.pack(order + "HHIHH", 338, 3, 1, 2, 0)
    at = 8 + len(body) + len(body) % 2
    entries[258] = struct.pack(order + "HHII", 258, 3, channels, at)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at + len(bits))
    table = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return head + body + b"\0" * (len(body) % 2) + bits + table


def colour_files(values: np.ndarray):
    yield colour_png(values)
    for order in "<>":
        yield colour_tiff(values, order)
        yield colour_tiff(values, order, packed=True)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_colour_of_any_depth_in_16_bits_is_the_same_picture(bits, alpha):
    numbers = np.dstack([COLOURS, np.full((28, 28), 255)]) if alpha else COLOURS
    values = numbers.astype(np.int64) * ((1 << bits) - 1) // 255
    for data in colour_files(values):
        found = decode_image(data, COLOUR).transpose(1, 2, 0).astype(int)
        assert abs(found - COLOURS).max() <= 1
        assert not kind_of(data).grey


def test_full_colour_of_16_bits_is_read_as_before_to_the_bit():
    values = np.random.default_rng(0).integers(0, 65536, (28, 28, 3))
    for data in colour_files(values):
        assert np.array_equal(decode_image(data, COLOUR).transpose(1, 2, 0), values >> 8)


def test_narrow_colour_is_turned_upright_and_loses_nothing_by_broken_metadata():
    values = np.zeros((28, 28, 3), np.int64)
    values[:5] = 4095
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)
    upright = np.rot90(values[..., 0] // 16, -1)
    for chunks in ([(b"eXIf", exif)], [(b"eXIf", exif), (b"gAMA", b"")]):
        assert np.array_equal(decode_image(colour_png(values, *chunks), GREY)[0], upright)
