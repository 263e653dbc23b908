"""Pixels to animations in which every frame is kept, equal ones too."""

from __future__ import annotations

import io
import struct

from PIL import GifImagePlugin, Image

from aetool.arrays import Pixels
from aetool.errors import LimitExceeded
from aetool.images.provenance import Provenance, description, exif_bytes, png_info
from aetool.images.sheet import to_pil
from aetool.system.limits import LIMITS, Limits


def encode_animation(
    pixels: Pixels, suffix: str, fps: float, provenance: Provenance | None = None, limits: Limits = LIMITS
) -> bytes:
    """Return the frames (n, c, h, w) as an endless animation in which every frame is kept, equal ones too."""
    if len(pixels) > limits.frames:
        raise LimitExceeded(f"{len(pixels):,} frames are over {limits.frames:,}", fix="frames")
    frames = [to_pil(frame) for frame in pixels]
    duration = round(1000 / fps)
    return ENCODERS[suffix](frames, duration, provenance)


def _encode_gif(frames: list[Image.Image], duration: int, provenance: Provenance | None) -> bytes:
    """Write each frame whole and with its own colours (Pillow's `save` would merge equal frames)."""
    duration = max(10, round(duration, -1))  # GIF counts hundredths of a second
    frames = [frame.quantize(256) if frame.mode == "RGB" else frame for frame in frames]
    comment = description(provenance)
    info = {"loop": 0, "version": b"89a"} | ({"comment": comment.encode()} if comment else {})
    header, _ = GifImagePlugin.getheader(frames[0], info=info)
    blocks = [
        b"".join(GifImagePlugin.getdata(frame, duration=duration, include_color_table=frame.mode == "P"))
        for frame in frames
    ]
    return b"".join([*header, *blocks, b";"])


def _encode_apng(frames: list[Image.Image], duration: int, provenance: Provenance | None) -> bytes:
    """Encode with Pillow; alternating blend modes, invisible in opaque frames, keep equal frames from being merged."""
    stream = io.BytesIO()
    blend = [i % 2 for i in range(len(frames))]
    text = png_info(provenance)
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:], duration=duration, loop=0, blend=blend,
                   pnginfo=text)  # fmt: skip
    return stream.getvalue()


def _encode_webp(frames: list[Image.Image], duration: int, provenance: Provenance | None) -> bytes:
    """Put losslessly encoded frames into the WebP container (its own animation encoder merges equal frames).

    The chunks are those of RFC 9649, sections 2.7.1 (VP8X, ANIM, ANMF) and 2.7.1.5 (EXIF).
    """
    width, height = frames[0].size
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    timing = struct.pack("<I", duration)[:3] + b"\2"  # no blending: each frame covers the one before
    exif = exif_bytes(provenance)
    chunks = [_riff(b"VP8X", bytes([0x0A if exif else 0x02, 0, 0, 0]) + canvas), _riff(b"ANIM", bytes(6))]
    for frame in frames:
        stream = io.BytesIO()
        frame.save(stream, "WEBP", lossless=True)
        chunks.append(_riff(b"ANMF", bytes(6) + canvas + timing + stream.getvalue()[12:]))
    chunks += [_riff(b"EXIF", exif.removeprefix(b"Exif\0\0"))] if exif else []
    return _riff(b"RIFF", b"WEBP" + b"".join(chunks))


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


ENCODERS = {".gif": _encode_gif, ".apng": _encode_apng, ".webp": _encode_webp}
"""Animations by suffix: frames, milliseconds a frame, provenance -> bytes."""
