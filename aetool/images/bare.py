"""Bare pictures: the bytes of a file without its metadata, for files whose pixels are good and whose metadata are not.

Pixels, palettes, transparency and what decoders need stay; texts, EXIF, XMP, colour profiles and resolutions go. From
EXIF and XMP data the orientation can still be read. The formats: PNG (third edition) 5.3 and 11.3, JPEG (ITU-T T.81)
B.1, WebP (RFC 9649) 2.7, TIFF 6.0 sections 2 and 8, AVIF and HEIF (ISO/IEC 14496-12) 8.11.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from aetool.images.png import SIGNATURE, chunk

Metadata = dict[str, bytes]
"""EXIF and XMP data that were left out, by the names of Pillow: "exif", "xmp"."""

PNG_NEEDED = (b"tRNS", b"sBIT")
"""Ancillary chunks that are part of the pixels; critical chunks begin with a capital letter."""
PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
WEBP_METADATA = 0x2C
"""Flags of VP8X: colour profile, EXIF, XMP."""
TIFF_PIXELS = frozenset(
    [254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339,
     347, *range(512, 522), 529, 530, 531, 532]
)  # fmt: skip
"""Tags that decoding needs."""
TIFF_NUMBERS = {274: (3, 4), 281: (3, 4), 341: (3, 4, 11, 12)}
"""Tags that are of use as numbers, with these types: orientation and largest value."""


def without_metadata(data: bytes) -> tuple[bytes, Metadata] | None:
    """Return a file without its metadata, and the metadata; None where there is nothing to leave out."""
    metadata: Metadata = {}
    bare = data
    try:
        if data.startswith(SIGNATURE):
            bare = SIGNATURE + b"".join(_png(data, metadata))
        elif data.startswith(b"\xff\xd8\xff"):
            bare = b"".join(_jpeg(data, metadata))
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            chunks = b"WEBP" + b"".join(_webp(data, metadata))
            bare = b"RIFF" + struct.pack("<I", len(chunks)) + chunks
        elif data[:4] in (b"II*\0", b"MM\0*"):
            bare = _tiff(data)
        elif data[4:8] == b"ftyp":
            bare = data.replace(b"Exif", b"free", 1)  # the type of the item; its orientation is no part of the pixels
    except (struct.error, IndexError):
        pass  # not even the structure can be followed
    return None if bare == data else (bare, metadata)


def _png(data: bytes, metadata: Metadata) -> Iterator[bytes]:
    """Yield the chunks of a PNG file that are needed, up to its end or to where the file is cut."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        whole, at = data[at : at + 12 + length], at + 12 + length
        if name[:1].isupper():
            yield whole
        elif name in PNG_NEEDED:
            yield chunk(name, body)
        elif name == b"eXIf":
            metadata["exif"] = body
        elif body.startswith(PNG_XMP):
            metadata["xmp"] = body
        if name == b"IEND" or (at > len(data) and name[:1].isupper()):
            return
    yield chunk(b"IEND", b"")


def _jpeg(data: bytes, metadata: Metadata) -> Iterator[bytes]:
    """Yield the segments of a JPEG file that are needed, and everything from the first scan on."""
    yield data[:2]
    at = 2
    while True:
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if data[at] != 0xFF or marker == 0xDA:
            yield data[at:]
            return
        body = data[at + 4 : at + 2 + length]
        colours = (marker == 0xE0 and body[:5] == b"JFIF\0" and length >= 16) or (
            marker == 0xEE and body[:5] == b"Adobe" and length >= 14
        )  # the segments that tell libjpeg which colours these are
        if colours or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            yield data[at : at + 2 + length]
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            metadata["exif"] = metadata.get("exif", b"Exif\0\0") + body[6:]
        elif marker == 0xE1 and body.startswith(JPEG_XMP):
            metadata["xmp"] = body
        at += 2 + length


def _webp(data: bytes, metadata: Metadata) -> Iterator[bytes]:
    """Yield the chunks of a WebP file that are needed."""
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        whole, at = data[at : at + 8 + length + length % 2], at + 8 + length + length % 2
        if name == b"VP8X":
            yield whole[:8] + bytes([whole[8] & ~WEBP_METADATA]) + whole[9:]
        elif name in WEBP_PIXELS:
            yield whole
        elif name in (b"EXIF", b"XMP "):
            metadata[name.decode().strip().lower()] = whole[8 : 8 + length]


def _tiff(data: bytes) -> bytes:
    """Return a TIFF file with the needed tags of its first picture alone, at the places where everything was."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "L", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    kept = []
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in TIFF_PIXELS or kind in TIFF_NUMBERS.get(tag, ()):
            kept.append(data[at : at + 12])
    table = struct.pack(order + "H", len(kept)) + b"".join(kept) + bytes(4)
    return data[:start] + table + data[start + len(table) :]
