"""Pictures one behind the other in a stream: each is cut where its format ends it, in any pieces that a pipe gives."""

from __future__ import annotations

import io
import itertools
import random

import numpy as np
import pytest
from PIL import Image, features

from aetool.errors import LimitExceeded
from aetool.images.stream import BLANKS, pictures_in

PIXELS = np.random.default_rng(0).integers(0, 256, (19, 23, 3), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS)
GREY, BITS = COLOUR.convert("L"), COLOUR.convert("1")


def saved(image: Image.Image, kind: str, pages: bool = False, **options: object) -> bytes:
    stream = io.BytesIO()
    if pages:
        options |= {"save_all": True, "append_images": [COLOUR.rotate(90), COLOUR.rotate(9)]}
    image.copy().save(stream, kind, **options)  # a copy: Pillow keeps options of other formats in a picture
    return stream.getvalue()


THUMBNAIL = saved(COLOUR.resize((8, 8)), "JPEG")
BMP = saved(COLOUR, "BMP")
MADE = {
    "png": saved(COLOUR, "PNG"),
    "png with colours": saved(COLOUR.convert("P"), "PNG"),
    "apng": saved(COLOUR, "PNG", pages=True),
    "jpeg": saved(COLOUR, "JPEG"),
    "progressive jpeg": saved(COLOUR, "JPEG", progressive=True),
    "jpeg with restarts": saved(COLOUR, "JPEG", restart_marker_blocks=2),
    "jpeg with a thumbnail": saved(COLOUR, "JPEG", exif=b"Exif\0\0II*\0" + THUMBNAIL),
    "mpo": saved(COLOUR, "MPO", pages=True),
    "gif": saved(COLOUR, "GIF"),
    "animated gif": saved(COLOUR, "GIF", pages=True),
    "webp": saved(COLOUR, "WEBP"),
    "lossless webp": saved(COLOUR, "WEBP", lossless=True),
    "animated webp": saved(COLOUR, "WEBP", pages=True),
    "bmp": BMP,
    "grey bmp": saved(GREY, "BMP"),
    "bmp of bits": saved(BITS, "BMP"),
    "bmp of size 0": BMP[:2] + bytes(4) + BMP[6:],
    "bmp that says too much": BMP[:2] + (1 << 20).to_bytes(4, "little") + BMP[6:],
    "ppm": saved(COLOUR, "PPM"),
    "pgm": saved(GREY, "PPM"),
    "pbm": saved(BITS, "PPM"),
    "pgm of 16 bits": saved(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 200), "PPM"),
    "pfm": saved(GREY.convert("F"), "PPM"),
    "plain pgm": b"P2\n# a comment 1 2 3\n2 2 # another\n255\n1 2\n3 # 7\n 255\n",
    "plain pbm": b"P1\n3 2\n101\n0 1 0\n",
    "plain ppm": b"P3 1 1 255 9 8 7",
    **({"avif": saved(COLOUR, "AVIF")} if features.check("avif") else {}),
}
TIFFS = {
    "tiff": saved(COLOUR, "TIFF"),
    "packed tiff": saved(COLOUR, "TIFF", compression="tiff_lzw"),
    "tiff of pages": saved(COLOUR, "TIFF", pages=True),
    "big tiff": saved(COLOUR, "TIFF", big_tiff=True),
}


class Slow(io.RawIOBase):
    """A pipe that gives `most` bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self.data, self.most = io.BytesIO(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        part = self.data.read(min(len(buffer), self.most))
        buffer[: len(part)] = part
        return len(part)


def cut(data: bytes, most: int = 1 << 20) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return the pictures in the data, without blank bytes around them, and what was told."""
    told: list[tuple[int, int]] = []
    stream = io.BufferedReader(Slow(data, most))
    return [one.rstrip(BLANKS) for one in pictures_in(stream, lambda *said: told.append(said))], told


@pytest.mark.parametrize("name", [*MADE, *TIFFS])
@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_a_single_picture_comes_back_whole_and_nothing_is_told(name, most):
    data = (MADE | TIFFS)[name]
    assert cut(data, most) == ([data.rstrip(BLANKS)], [])


def test_every_format_ends_where_any_other_begins():
    for (first, a), (second, b) in itertools.product(MADE.items(), repeat=2):
        for between in (b"",) if first == "bmp that says too much" else (b"", b"\n", b" \r\n"):
            found = cut(a + between + b)
            assert found == ([a.rstrip(BLANKS), b.rstrip(BLANKS)], []), (first, second, between)


@pytest.mark.parametrize("name", [name for name in MADE if name != "bmp that says too much"])
@pytest.mark.parametrize("rest", [b"hello, world", bytes(range(256)), b"BM", b'{"latent": [1]}'])
def test_other_bytes_behind_a_picture_are_told_with_their_number(name, rest):
    (picture,), told = cut(MADE[name] + rest)
    assert picture == MADE[name].rstrip(BLANKS) and told == [(1, len(rest.strip(BLANKS)))]
    assert cut(MADE[name] + b"\n\0\n")[1] == []


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_takes_the_rest_and_what_lies_behind_it_is_told(name):
    (picture,), ((number, count),) = cut(TIFFS[name] + MADE["png"])
    assert picture == (TIFFS[name] + MADE["png"]).rstrip(BLANKS)
    assert number == 1 and 0 <= count - len(MADE["png"]) < 8
    assert cut(MADE["png"] + TIFFS[name]) == ([MADE["png"], TIFFS[name].rstrip(BLANKS)], [])


def test_what_is_no_picture_and_what_is_cut_off_stays_one_piece():
    assert cut(b"") == ([b""], []) and cut(b"not a picture") == ([b"not a picture"], [])
    for name, data in MADE.items():
        half = data[: len(data) // 2]
        assert cut(half) == ([half.rstrip(BLANKS)], []), name
    jpeg = MADE["jpeg"]
    assert cut(jpeg[:-2] + jpeg) == ([jpeg[:-2], jpeg], [])  # a scan without its end


def test_many_pictures_are_read_one_at_a_time():
    class Counted(io.BytesIO):
        def read1(self, size: int = -1) -> bytes:
            return super().read1(100)

    stream = Counted(MADE["png"] * 1000)
    found = pictures_in(stream, lambda *_: None)
    for number in range(1, 5):
        assert next(found) == MADE["png"] and stream.tell() <= number * len(MADE["png"]) + 100


def test_a_picture_beyond_the_limit_is_refused_and_pictures_together_are_not():
    size = len(MADE["png"])
    told: list[object] = []
    assert len(list(pictures_in(io.BytesIO(MADE["png"] * 5), lambda *said: told.append(said), size))) == 5
    for data in (MADE["png"], bytes(1 << 18)):
        with pytest.raises(LimitExceeded, match="larger than the 0 MiB"):
            list(pictures_in(io.BytesIO(data), lambda *_: None, size - 1))
    assert not told


def test_damaged_streams_end_and_nothing_is_made_up():
    draw = random.Random(1)
    kinds = list((MADE | TIFFS).values())
    for _ in range(1500):
        data = bytearray(draw.choice(kinds) + draw.choice(kinds))
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(min(len(data), draw.choice([40, 400, 9999])))] = draw.randrange(256)
        whole = bytes(data[: draw.randrange(1, len(data))] if draw.random() < 0.3 else data)
        pictures, _ = cut(whole)
        assert pictures and sum(map(len, pictures)) <= len(whole) and all(one in whole for one in pictures)
