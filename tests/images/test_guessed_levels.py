"""Levels that no file tells: one guess for a folder, and what is said of it."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import warnings

import numpy as np
import pytest
from PIL import Image

from aetool import load
from aetool.errors import InvalidInput, LevelsGuessed
from aetool.images.decode import decode_image
from aetool.images.files import ImageFile, find_images, read_batches
from aetool.images.spec import ImageSpec
from aetool.system.limits import LIMITS
from aetool.training.data.folder import FolderOptions, decode_folder
from tests.conftest import command
from tests.images.pictures import COLOUR, COLOURS, GREY, LEVELS, WIDE, colour_png, deep, encoded


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
