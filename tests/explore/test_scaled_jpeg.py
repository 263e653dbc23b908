"""JPEGs decoded at a smaller scale in JavaScript, from their coefficients: the levels of Pillow, to the bit."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from tests.images.test_scaled import photo

HERE = Path(__file__).parent
SCALES = (2, 4, 8)
SAMPLING = 11
"""Bytes from the marker of a frame to the sampling of its first part."""


@pytest.fixture(scope="module", autouse=True)
def node() -> None:
    """Have Node.js; without it the tests skip loudly."""
    if shutil.which("node") is None:
        pytest.skip("NODE MISSING: install node (nodejs) to test the decoding in JavaScript")


@pytest.fixture(autouse=True)
def room(monkeypatch) -> None:
    """Let Pillow write small pictures whose files are large."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 20)


def encoded(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def decoded(files: Sequence[bytes], place: Path, sides: tuple[int, int] | None = None) -> list[list[np.ndarray | None]]:
    """Return the levels (3, h, w) of files at each of `SCALES`, None where they are refused."""
    cases = []
    for i, data in enumerate(files):
        (place / f"{i}.jpg").write_bytes(data)
        width, height = sides or Image.open(io.BytesIO(data)).size
        common = {"file": str(place / f"{i}.jpg"), "width": width, "height": height}
        cases += [common | {"scale": scale, "out": str(place / f"{i}.{scale}")} for scale in SCALES]
    (place / "cases.json").write_text(json.dumps(cases))
    subprocess.run(["node", str(HERE / "scaled.js"), str(place / "cases.json")], check=True, timeout=60)
    found = []
    for case in cases:
        levels = np.fromfile(case["out"], np.uint8)
        shape = 3, *(-(-case[side] // case["scale"]) for side in ("height", "width"))
        found.append(levels.reshape(shape) if levels.size else None)
    return [found[i : i + len(SCALES)] for i in range(0, len(found), len(SCALES))]


def expected(data: bytes, scale: int) -> np.ndarray:
    """Return the levels (3, h, w) that Pillow decodes at a scale."""
    image = Image.open(io.BytesIO(data))
    image.draft(None, (image.width // scale, image.height // scale))
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def assert_same(files: Sequence[bytes], place: Path) -> None:
    for i, found in enumerate(decoded(files, place)):
        for scale, levels in zip(SCALES, found, strict=True):
            assert levels is not None, (i, scale)
            assert np.array_equal(levels, expected(files[i], scale)), (i, scale)


def pictures(width: int, height: int) -> list[Image.Image]:
    """Return a photo, and colours whose light is clipped everywhere."""
    levels = np.random.default_rng(width).choice(np.array([0, 255], np.uint8), (height, width, 3))
    return [photo(width, height), Image.fromarray(levels)]


@pytest.mark.parametrize("sampling", [0, 1, 2], ids=["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True], ids=["sequential", "progressive"])
def test_files_of_all_qualities_and_odd_sides(sampling, progressive, tmp_path):
    ways = [{}, {"optimize": True}, {"restart_marker_blocks": 3}, {"restart_marker_rows": 1}]
    files = [
        encoded(image, quality=quality, subsampling=sampling, progressive=progressive, **ways[(i + quality) % 4])
        for i, sides in enumerate([(128, 64), (97, 131), (24, 17), (200, 9)])
        for image in pictures(*sides)
        for quality in (5, 20, 50, 75, 92, 100)
    ]
    assert_same(files, tmp_path)


def test_grey_files_and_files_of_red_green_and_blue(tmp_path):
    images = pictures(75, 50)
    files = [encoded(image.convert("L"), progressive=way) for image in images for way in (False, True)]
    files += [encoded(image, keep_rgb=True, subsampling=0) for image in images]
    assert all(b"JFIF" not in data for data in files[-2:])
    assert_same(files, tmp_path)
    bare = [data.replace(b"Adobe\0", b"Other\0").replace(b"JFIF\0", b"JFXX\0") for data in files]
    assert_same([*bare, *(encoded(image).replace(b"JFIF\0", b"JFXX\0") for image in images)], tmp_path)


@pytest.mark.parametrize("factors", [0x12, 0x41, 0x14], ids=["4:4:0", "4:1:1", "1:4"])
@pytest.mark.parametrize("progressive", [False, True], ids=["sequential", "progressive"])
def test_other_samplings(factors, progressive, tmp_path):
    """The same blocks in another order: the pictures are mixed up, and as good for the purpose."""
    files = []
    for image in pictures(64, 96) if factors == 0x12 else pictures(192, 128):
        data = bytearray(encoded(image, subsampling=1 if factors == 0x12 else 2, progressive=progressive))
        at = data.find(b"\xff\xc2" if progressive else b"\xff\xc0")
        data[at + SAMPLING] = factors
        files.append(bytes(data))
    assert_same(files, tmp_path)


def test_what_is_not_read_is_refused(tmp_path):
    image = photo(80, 60)
    data, thrice = encoded(image), encoded(image, progressive=True)
    frame = data.find(b"\xff\xc0")
    patched = [bytearray(data) for _ in range(4)]
    patched[0][frame + 1] = 0xC9  # arithmetic codes
    patched[1][frame + 4] = 12  # bits a level
    patched[2][frame + SAMPLING] = 0  # no blocks
    patched[3][data.find(b"\xff\xc4") + 5] = 255  # more codes of a bit than there are
    cut = [one[: len(one) * i // 12] for one in (data, thrice) for i in range(12)]
    files = [encoded(image.convert("CMYK")), b"", b"\x89PNG", *map(bytes, patched), *cut]
    assert all(levels is None for found in decoded(files, tmp_path, (80, 60)) for levels in found)
    for sides in ((60, 80), (80, 59), (8, 8)):
        assert decoded([data], tmp_path, sides) == [[None] * 3]


def test_damaged_files_end(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for i in range(200):
        data = bytearray(encoded(photo(80, 60), progressive=i % 2 == 1, restart_marker_blocks=i % 3))
        for at in rng.integers(2, len(data), 4):
            data[at] = rng.integers(256)
        files.append(bytes(data))
    assert len(decoded(files, tmp_path, (80, 60))) == 200


def test_thousands_of_scans_are_refused_at_once(tmp_path):
    """Each of a few bytes that stand for all blocks of a large picture."""
    sides = 4000, 4000
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, *sides, 1) + b"\1\x11\0"
    codes = b"\xff\xc4\0\x14\x10\1" + bytes(15) + b"\xe0"  # a code alone, of runs of blocks
    scan = b"\xff\xda\0\x08\1\1\0" + bytes([1, 63, 0]) + b"\0" * 32
    again = [scan.replace(b"\1\x3f\0", bytes([k, k, 0])) for k in range(1, 64)] * 50
    data = b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64 + frame + codes + b"".join(again) + b"\xff\xd9"
    assert decoded([data], tmp_path, sides) == [[None] * 3]
