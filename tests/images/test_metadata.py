"""Pixels decide, not metadata: broken or oversized metadata lose no picture; orientation counts where it is read."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from aetool.errors import InvalidInput
from aetool.images.bare import without_metadata
from aetool.images.decode import Kind, decode_image, kind_of, open_image
from aetool.images.png import SIGNATURE, chunk
from aetool.images.spec import ImageSpec

STORED = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
"""Pixels as they lie in the file: 2 rows of 3."""
UPRIGHT = np.rot90(STORED, -1)
"""Pixels of a file with orientation 6: the first row is the right side."""


def encoded(kind: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(STORED).convert("RGB" if kind in ("WEBP", "AVIF") else "L").save(stream, kind, **options)
    return stream.getvalue()


def ifd(*entries: tuple[int, int, int, bytes], rest: bytes = b"", order: str = "<") -> bytes:
    """Return EXIF data with entries (tag, type, count, 4 bytes)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + b"".join(struct.pack(order + "HHI", *e[:3]) + e[3] for e in entries) + bytes(4) + rest


SIX = (0x112, 3, 1, struct.pack("<HH", 6, 0))
GPS = (0x8825, 4, 1, struct.pack("<I", 38))
EXIFS = {
    "not a header": (b"garbage!", 1),
    "empty": (b"", 1),
    "no tags": (b"II*\0\x08\0\0\0", 1),
    "cut": (ifd(SIX)[:14], 1),
    "text for a number": (ifd((0x100, 2, 4, b"abc\0"), SIX), 6),
    "an entry before that points nowhere": (ifd((0x10F, 2, 900, struct.pack("<I", 5000)), SIX), 6),
    "an entry behind that points nowhere": (ifd(SIX, (0x131, 2, 900, struct.pack("<I", 5000))), 6),
    "GPS of another type": (ifd(SIX, (0x8825, 2, 4, b"abc\0")), 6),
    "GPS with rationals of bytes": (ifd(SIX, GPS, rest=struct.pack("<HHHII", 1, 5, 1, 1, 0)), 6),
    "resolution 0/0": (ifd(SIX, (0x11A, 5, 1, struct.pack("<I", 38)), rest=bytes(8)), 6),
    "orientation as text": (ifd((0x112, 2, 2, b"6\0\0\0")), 1),
    "orientation as byte": (ifd((0x112, 1, 1, b"\6\0\0\0")), 1),
    "orientation undefined": (ifd((0x112, 7, 1, b"\6\0\0\0")), 1),
    "orientation as long": (ifd((0x112, 4, 1, b"\6\0\0\0")), 6),
    "orientation twice in one entry": (ifd((0x112, 3, 2, b"\6\0\6\0")), 6),
    "orientation as rational": (ifd((0x112, 5, 1, struct.pack("<I", 26)), rest=struct.pack("<II", 6, 1)), 6),
    "orientation of another byte order": (ifd((0x112, 3, 1, b"\0\6\0\0"), order=">"), 6),
}


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    data = encoded("JPEG", quality=100)
    inserted = b"".join(bytes([0xFF, name]) + struct.pack(">H", len(body) + 2) + body for name, body in segments)
    return data[:2] + inserted + data[2:]


def png_with(*chunks: tuple[bytes, bytes], behind: bool = False) -> bytes:
    data = encoded("PNG")
    at = len(data) - 12 if behind else len(SIGNATURE) + 25
    return data[:at] + b"".join(chunk(*parts) for parts in chunks) + data[at:]


def webp_with(*chunks: tuple[bytes, bytes], cut: int = 0) -> bytes:
    """Return a WebP file with chunks behind the picture; the file is cut `cut` bytes before its end."""
    extended = encoded("WEBP", lossless=True, exif=b"x")
    body = extended[12:20] + b"\x0c" + extended[21 : extended.index(b"EXIF")]  # flags: EXIF and XMP
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    whole = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    return whole[: len(whole) - cut]


def same(data: bytes, orientation: int = 1, rounding: int = 2) -> None:
    """Check the pixels and the size at first look."""
    expected = STORED if orientation == 1 else UPRIGHT
    assert kind_of(data).size == expected.shape
    found = decode_image(data, ImageSpec(1, *expected.shape))[0].astype(int)
    assert abs(found - expected).max() <= rounding


@pytest.mark.parametrize("exif", EXIFS)
def test_broken_exif_loses_no_picture_and_orientation_counts_where_it_can_be_read(exif):
    data, orientation = EXIFS[exif]
    same(jpeg_with((0xE1, b"Exif\0\0" + data)), orientation)
    same(png_with((b"eXIf", data)), orientation, 0)
    same(png_with((b"eXIf", data), behind=True), orientation, 0)
    same(webp_with((b"EXIF", data)), orientation, 1)


@pytest.mark.parametrize("exif", [name for name, (d, _) in EXIFS.items() if d.startswith(b"II*\0") and len(d) >= 26])
def test_broken_tags_of_a_tiff_lose_no_picture_and_orientation_counts_once(exif):
    data, orientation = EXIFS[exif]
    tiff = encoded("TIFF")
    (start,) = struct.unpack_from("<I", tiff, 4)
    (count,), (more,) = struct.unpack_from("<H", tiff, start), struct.unpack_from("<H", data, 8)
    tags = {
        struct.unpack_from("<H", tiff, at)[0]: tiff[at : at + 12] for at in range(start + 2, start + 12 * count, 12)
    }
    base = len(tiff)
    for at in range(10, 10 + 12 * more, 12):
        tag, kind, n, value = struct.unpack_from("<HHII", data, at)
        moved = value + base if kind == 5 or (tag == 0x8825 and kind != 2) else value
        tags.setdefault(tag, struct.pack("<HHII", tag, kind, n, moved))
    table = struct.pack("<H", len(tags)) + b"".join(tags[tag] for tag in sorted(tags)) + bytes(4)
    whole = tiff + data + bytes(len(data) % 2)
    same(whole[:4] + struct.pack("<I", len(whole)) + whole[8:] + table, orientation, 0)


PNG_TROUBLE = {
    "profile of another compression": [(b"iCCP", b"x\0\7abc")],
    "profile without an end": [(b"iCCP", b"abc")],
    "profile of 2 MB": [(b"iCCP", b"x\0\0" + zlib.compress(bytes(2 << 20)))],
    "text of 2 MB": [(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * (2 << 20)))],
    "international text of 2 MB": [(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"x" * (2 << 20)))],
    "text of another compression": [(b"zTXt", b"Comment\0\7abc")],
    "EXIF as text that is no hex": [(b"tEXt", b"Raw profile type exif\0\nexif\n    8\nzzzz")],
    "short resolution": [(b"pHYs", b"\0\0\0")],
    "short gamma": [(b"gAMA", b"")],
    "short colours": [(b"cHRM", b"\0")],
    "no rendering intent": [(b"sRGB", b"")],
    "frames out of order": [
        (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", struct.pack(">IIIIIHHBB", 7, 3, 2, 0, 0, 1, 1, 0, 0))
    ],
    "short frames": [(b"acTL", b"\0")],
}  # fmt: skip


@pytest.mark.parametrize("trouble", PNG_TROUBLE)
@pytest.mark.parametrize("behind", [False, True])
def test_trouble_in_chunks_beside_the_pixels_of_a_png_loses_no_picture(trouble, behind):
    same(png_with(*PNG_TROUBLE[trouble], behind=behind), 1, 0)
    same(png_with(*PNG_TROUBLE[trouble], (b"eXIf", ifd(SIX)), behind=behind), 6, 0)


def test_text_of_more_memory_than_pillow_allows_loses_no_picture(monkeypatch):
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 1000)
    same(png_with(*[(b"tEXt", b"Comment\0" + b"x" * 400)] * 3), 1, 0)


@pytest.mark.parametrize("name", [b"tEXt", b"eXIf", b"pHYs", b"juNk", b"iCCP"])
def test_a_wrong_checksum_counts_for_the_pixels_alone(name):
    data = png_with((name, b"Comment\0somewhat"))
    at = data.index(name) - 4
    same(data[: at + 24] + b"\0\0\0\0" + data[at + 28 :], 1, 0)
    header = bytearray(encoded("PNG"))
    header[29] ^= 1
    with pytest.raises(InvalidInput):
        decode_image(bytes(header), ImageSpec(1, 2, 3))


def test_transparency_with_a_wrong_checksum_is_transparency():
    data = bytearray(png_with((b"tRNS", b"\0\x28")))
    data[data.index(b"tRNS") + 6] ^= 1
    assert decode_image(bytes(data), ImageSpec(1, 2, 3, 99)).tolist() == [[[0, 99, 80], [120, 160, 200]]]


JPEG_TROUBLE = {
    "short JFIF": [(0xE0, b"JFIF")],
    "Photoshop data cut": [(0xED, b"Photoshop 3.0\08BIM\3")],
    "Photoshop resolution cut": [(0xED, b"Photoshop 3.0\08BIM\3\xed\0\0\0\0\0\2ab")],
    "profile cut": [(0xE2, b"ICC_PROFILE\0")],
    "profiles with wrong numbers": [(0xE2, b"ICC_PROFILE\0\1\7abc"), (0xE2, b"ICC_PROFILE\0\1\7abc")],
    "index of pictures cut": [(0xE2, b"MPF\0II*\0")],
    "index of pictures without pictures": [(0xE2, b"MPF\0" + ifd((0xB001, 4, 1, struct.pack("<I", 2))))],
    "index of pictures of another type": [(0xE2, b"MPF\0" + ifd((0xB001, 2, 2, b"2\0\0\0"), (0xB002, 3, 1, bytes(4))))],
    "Adobe data cut": [(0xEE, b"Adobe")],
    "XMP that is no text": [(0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe\xff")],
}


@pytest.mark.parametrize("trouble", JPEG_TROUBLE)
def test_trouble_in_segments_of_a_jpeg_loses_no_picture(trouble):
    same(jpeg_with(*JPEG_TROUBLE[trouble]))
    same(jpeg_with(*JPEG_TROUBLE[trouble], (0xE1, b"Exif\0\0" + ifd(SIX))), 6)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def test_orientation_in_xmp_counts_where_exif_has_none():
    same(jpeg_with((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)), 6)
    same(jpeg_with((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), (0xE0, b"JFIF")), 6)
    same(png_with((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)), 6, 0)
    same(png_with((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), (b"gAMA", b"")), 6, 0)
    same(webp_with((b"XMP ", XMP)), 6, 1)
    same(encoded("TIFF", tiffinfo={700: XMP}), 6, 0)


def test_a_webp_whose_metadata_are_cut_is_a_picture():
    same(webp_with((b"EXIF", bytes(100)), cut=60), 1, 1)
    same(webp_with((b"EXIF", ifd(SIX)), (b"XMP ", bytes(100)), cut=60), 6, 1)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff_counts_once(compression, orientation):
    data = encoded("TIFF", tiffinfo={274: orientation}, compression=compression)
    turned = orientation >= 5
    assert kind_of(data) == Kind((3, 2) if turned else (2, 3), True)
    exif = Image.Exif()
    exif[274] = orientation
    spec = ImageSpec(1, *kind_of(data).size)
    assert np.array_equal(decode_image(data, spec), decode_image(encoded("PNG", exif=exif), spec))


def test_tiff_resolutions_and_profiles_that_are_nothing_lose_no_picture():
    for tag, kind, value in ((282, 5, bytes(8)), (283, 5, bytes(8)), (296, 2, b"ab\0\0"), (34675, 3, b"\1\0\0\0")):
        tiff = encoded("TIFF")
        (start,) = struct.unpack_from("<I", tiff, 4)
        (count,) = struct.unpack_from("<H", tiff, start)
        entries = [tiff[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]
        place = value if len(value) == 4 else struct.pack("<I", len(tiff))
        entry = struct.pack("<HHI", tag, kind, 1 if kind != 2 else 3) + place
        kept = [e for e in entries if e[:2] != entry[:2]]
        table = struct.pack("<H", len(kept) + 1) + b"".join(sorted([*kept, entry], key=lambda e: e[1::-1])) + bytes(4)
        same(tiff[:4] + struct.pack("<I", len(tiff) + 8) + tiff[8:] + value.ljust(8, b"\0") + table, 1, 0)


def test_what_is_left_out_of_a_file_leaves_its_pixels():
    for data in (png_with((b"tEXt", b"a\0b")), jpeg_with((0xFE, b"comment")), webp_with((b"EXIF", ifd(SIX))),
                 encoded("TIFF", tiffinfo={305: "x" * 100})):  # fmt: skip
        bare = without_metadata(data)
        assert bare is not None and len(bare[0]) <= len(data)
        spec = ImageSpec(3, 2, 3)
        stored = data.replace(struct.pack("<HH", 6, 0), struct.pack("<HH", 1, 0))
        assert np.array_equal(decode_image(bare[0], spec), decode_image(stored, spec))
    for data in (encoded("GIF"), encoded("BMP"), encoded("PPM"), b"", b"hello", encoded("PNG"), SIGNATURE + b"x"):
        assert without_metadata(data) in (None, (SIGNATURE + chunk(b"IEND", b""), {}))


def test_a_damaged_picture_is_damaged_with_and_without_its_metadata():
    for data in (png_with((b"gAMA", b"")), jpeg_with((0xE0, b"JFIF")), webp_with((b"EXIF", b"x"), cut=40)):
        with pytest.raises(InvalidInput, match=r"not an image that can be read|the image is damaged"):
            decode_image(data[: len(data) * 2 // 3], ImageSpec(1, 2, 3))


def test_avif_is_read_where_pillow_reads_it_and_keeps_its_own_orientation():
    try:
        data = encoded("AVIF", quality=100, subsampling="4:4:4")
    except (KeyError, OSError):
        pytest.skip("this Pillow has no AVIF")
    same(data)
    exif = Image.Exif()
    exif[274], exif[305] = 6, "x"
    turned = encoded("AVIF", quality=100, subsampling="4:4:4", exif=exif)
    same(turned, 6)
    assert b"II*\0" in turned or b"MM\0*" in turned
    same(turned.replace(b"II*\0", b"no\0\0").replace(b"MM\0*", b"no\0\0"), 6)


def test_heif_without_its_plug_in_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("aetool.images.decode._registered", lambda: ())
    for brand, name in ((b"heic", "HEIF"), (b"avif", "AVIF")):
        with pytest.raises(InvalidInput, match=name):
            open_image(struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1" + brand)
    with pytest.raises(InvalidInput, match="not an image that can be read"):
        open_image(struct.pack(">I", 24) + b"ftypmp42" + bytes(12))
