"""Levels of every mode: independent expectations by NumPy, depths told by tags, guesses, and one guess for a folder."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from aetool import load
from aetool.errors import InvalidInput, LevelsGuessed
from aetool.images.decode import decode_image, kind_of, prepare
from aetool.images.files import ImageFile, find_images, read_batches
from aetool.images.levels import Evidence, guess, measure
from aetool.images.png import SIGNATURE, chunk
from aetool.images.spec import ImageSpec
from aetool.system.limits import LIMITS
from aetool.training.data.folder import FolderOptions, decode_folder
from tests.conftest import command

Y, X = np.mgrid[:28, :28]
LEVELS = np.rint(255 * np.exp(-((Y - 12) ** 2 + (X - 15) ** 2) / 60)).astype(np.uint8)
"""A spot, with levels from 0 to 255."""
COLOURS = np.stack([LEVELS, LEVELS[::-1], 255 - LEVELS.T], 2)
GREY, COLOUR = ImageSpec(1, 28, 28), ImageSpec(3, 28, 28)


def encoded(image: Image.Image, kind: str = "TIFF", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def deep(values, kind: str = "TIFF", **options) -> bytes:
    return encoded(Image.fromarray(np.asarray(values)), kind, **options)


def away(data: bytes, expected: np.ndarray = LEVELS) -> int:
    """Return how far the levels of a decoded picture are from the expected ones."""
    return int(abs(decode_image(data, GREY)[0].astype(int) - expected).max())


def tiff(
    values: np.ndarray, bits: int, photometric: int = 1, sample_format: int = 1, order: str = "<", **more
) -> bytes:
    """Return an uncompressed TIFF written by hand; bytes are packed as they are."""
    body = values.tobytes()
    tags = {256: 28, 257: 28, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 28, 279: len(body)}
    tags |= {339: sample_format} | {int(name[1:]): value for name, value in more.items()}
    entries = [struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


# Whole numbers

WIDE = LEVELS.astype(np.int64)


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


# Depths that are told


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


# Floats


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


# Colours


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


# Colour of 16 bits


def colour_png(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 16 bits a number, colour (h, w, 3) or with alpha (h, w, 4), written by hand."""
    h, w, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", w, h, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(*part) for part in parts)


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


# One guess for a folder


@pytest.fixture
def series(tmp_path):
    """A folder of 12 bits, with a dark picture that alone would be 8 bits, and pictures of other kinds."""
    for i, share in enumerate((1, 0.5, 0.05)):
        path = tmp_path / f"set/{'ab'[i % 2]}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deep((WIDE * 4095 * share // 255).astype(np.uint16), "PNG"))
    (tmp_path / "set/8.png").write_bytes(encoded(Image.fromarray(LEVELS), "PNG"))
    (tmp_path / "set/bad.png").write_bytes(b"no picture")
    return tmp_path / "set"


def test_a_guess_is_alike_in_a_folder_and_said_once(series):
    batches = list(read_batches(find_images([str(series)]), GREY, 2))
    tops = {
        file.relative: image.max() * 255
        for batch in batches
        for file, image in zip(batch.files, batch.value, strict=True)
    }
    assert tops["a/0.png"] == 255 and tops["b/1.png"] == pytest.approx(128, abs=1)
    assert tops["a/2.png"] == pytest.approx(12.7, abs=1) and tops["8.png"] == 255
    (said,) = [line for batch in batches for line in batch.guesses]
    assert said.startswith(str(series)) and "16 bits are read as levels from 0 to 4,095, a guess" in said
    alone = list(read_batches([ImageFile(str(series / "a/2.png"), "2.png", named=True)], GREY, 2))
    assert alone[0].value.max() > 0.7 and "levels from 0 to 255" in alone[0].guesses[0]


def test_colour_is_alike_in_a_folder_too(tmp_path):
    for i, share in enumerate((0.02, 1.0, 0.1)):
        (tmp_path / f"{i}.png").write_bytes(colour_png((COLOURS * (4095 * share) // 255).astype(np.int64)))
    batches = list(read_batches(find_images([str(tmp_path)]), COLOUR, 8))
    tops = [float(image.max() * 255) for batch in batches for image in batch.value]
    assert tops == pytest.approx([5, 255, 25.5], abs=1)
    assert len([line for batch in batches for line in batch.guesses]) == 1
    (tmp_path / "3.png").write_bytes(colour_png(COLOURS.astype(np.int64) * 257))
    batches = list(read_batches(find_images([str(tmp_path)]), COLOUR, 8))
    assert max(image.max() * 255 for batch in batches[:-1] for image in batch.value) < 17
    assert not any(batch.guesses for batch in batches)


def test_training_reads_a_folder_as_encoding_does_and_says_the_guess(series):
    files = list(find_images([str(series)]))
    said = []
    data = decode_folder(files, FolderOptions(size=(28, 28)), 2, lambda *words: said.append(words))
    encoded_ = [image for batch in read_batches(files, GREY, 8) for image in batch.value]
    assert np.array_equal(data.pixels, np.rint(np.stack(encoded_) * 255).astype(np.uint8))
    assert [words[0] for words in said if "a guess" in words[0]] and len(data.skipped) == 1


@pytest.mark.parametrize("threads", ["1", "2"])
def test_commands_say_a_guess_on_stderr(series, toy, threads, tmp_path):
    done = subprocess.run(
        command(["encode", series, "-m", toy, "--threads", threads]), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3 and len([json.loads(line) for line in done.stdout.splitlines()]) == 4
    assert done.stderr.count("a guess: no tag says which number is white") == 1
    keys = [series / "a/0.png", series / "b/1.png"]
    done = subprocess.run(
        command(["combine", *keys, "-m", toy, "-o", tmp_path / "x.png"]), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr.count("aetool: warning: ") == done.stderr.count("a guess: no tag says") > 0


def test_python_warns_of_a_guess(series, toy):
    model = load(toy)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.encode([str(series / "a/0.png")])
    assert [w.category for w in said] == [LevelsGuessed]


def test_what_is_usual_is_not_said(tmp_path):
    (tmp_path / "1.png").write_bytes(deep((WIDE * 257).astype(np.uint16), "PNG"))
    (tmp_path / "2.tif").write_bytes(deep((LEVELS / 255).astype(np.float32)))
    (tmp_path / "3.png").write_bytes(deep((WIDE * 3).astype(np.uint16), "PNG"))  # dark beside the first one
    (batch, *rest) = read_batches(find_images([str(tmp_path)]), GREY, 8, LIMITS)
    assert not batch.guesses and not any(part.guesses for part in rest)
    assert rest[-1].value[-1].max() * 255 == pytest.approx(3)


def test_32_bits_without_a_sample_format_have_no_sign():
    values = np.linspace(0, 2**32 - 1, 28 * 28).astype(np.uint32).reshape(28, 28)
    stream = io.BytesIO()
    image = Image.fromarray(values.view(np.int32))
    image.save(stream, "TIFF")
    data = stream.getvalue()
    tag = data.find(b"\x53\x01")  # SampleFormat, 339, little-endian: another tag instead
    found = decode_image(data[:tag] + b"\x54\xfe" + data[tag + 2 :], GREY)[0]
    assert found[-1, -1] == 255 and abs(np.sort(found.ravel()).astype(int) - found.ravel()).max() == 0


def test_the_transparent_colour_of_12_bits_is_transparent():
    numbers = np.full((8, 8, 3), 2000, np.uint16)
    numbers[0, 0] = 4095
    data = colour_png(numbers, (b"tRNS", struct.pack(">3H", 4095, 4095, 4095)))
    found = decode_image(data, ImageSpec(3, 8, 8))
    assert (found[:, 0, 0] == 0).all() and (found[:, 1, 1] > 100).all()


def test_planes_of_16_bits_are_refused_by_name():
    """Pillow reads such a file as planes of 8 bits: garbage."""
    planes = np.full((3, 8, 8), 4000, "<u2").tobytes()
    places = [8, 8 + 128, 8 + 256]
    start = 8 + len(planes)
    lists = {258: [16] * 3, 273: places, 279: [128] * 3}
    numbers = {256: 8, 257: 8, 259: 1, 262: 2, 277: 3, 278: 8, 284: 2}
    after, entries, more = start + 6 + 12 * 10, b"", b""
    for tag in sorted({*lists, *numbers}):
        if tag in lists:
            entries += struct.pack("<HHII", tag, 4, 3, after + len(more))
            more += struct.pack("<3I", *lists[tag])
        else:
            entries += struct.pack("<HHII", tag, 4, 1, numbers[tag])
    data = b"II*\0" + struct.pack("<I", start) + planes + struct.pack("<H", 10) + entries + bytes(4) + more
    with pytest.raises(InvalidInput, match="planes of 16 bits"):
        decode_image(data, ImageSpec(3, 8, 8))
