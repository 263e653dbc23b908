"""A PNG decoder written from the specification (W3C PNG, 2003), as a second opinion: all depths, colours, Adam7."""

from __future__ import annotations

import struct
import zlib

import numpy as np

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""Adam7: first x, first y, step x, step y."""


def decode(data: bytes) -> np.ndarray:
    """Return the picture as RGBA float64 (h, w, 4) in [0, 1], every sample divided by the largest of its depth."""
    chunks = list(_chunks(data))
    parts = dict(chunks)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    samples = np.zeros((height, width, CHANNELS[colour]), np.int64)
    for x0, y0, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        w, h = -(-(width - x0) // dx), -(-(height - y0) // dy)
        if w > 0 and h > 0:
            rows, raw = _unfilter(raw, w, h, depth, CHANNELS[colour])
            samples[y0::dy, x0::dx] = rows
    return _colours(samples, depth, colour, parts.get(b"PLTE"), parts.get(b"tRNS"))


def over(rgba: np.ndarray, background: int) -> np.ndarray:
    """Return RGBA over a grey background, as levels 0 to 255 (h, w, 3), not rounded."""
    alpha = rgba[..., 3:]
    return 255 * rgba[..., :3] * alpha + background * (1 - alpha)


def _chunks(data: bytes):
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _unfilter(raw: bytes, w: int, h: int, depth: int, channels: int) -> tuple[np.ndarray, bytes]:
    stride, back = -(-w * depth * channels // 8), max(1, depth * channels // 8)
    above, rows = bytearray(stride), []
    for y in range(h):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = line[i - back] if i >= back else 0, above[i], above[i - back] if i >= back else 0
            line[i] = (line[i] + (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]) & 255
        bits = int.from_bytes(line, "big")
        shifts = [8 * stride - depth * (i + 1) for i in range(w * channels)]
        rows.append([(bits >> shift) & ((1 << depth) - 1) for shift in shifts])
        above = line
    return np.array(rows).reshape(h, w, channels), raw[h * (stride + 1) :]


def _paeth(a: int, b: int, c: int) -> int:
    return min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]


def _colours(samples: np.ndarray, depth: int, colour: int, palette: bytes | None, clear: bytes | None) -> np.ndarray:
    most = (1 << depth) - 1
    if colour == 3:
        table = np.frombuffer(palette, np.uint8).reshape(-1, 3)
        alphas = np.full(len(table), 255)
        alphas[: len(clear or b"")] = list(clear or b"")
        return np.concatenate([table[samples[..., 0]], alphas[samples]], 2) / 255
    alpha = samples[..., -1:] / most if colour in (4, 6) else np.ones((*samples.shape[:2], 1))
    levels = samples[..., :-1] if colour in (4, 6) else samples
    if clear is not None:
        alpha = (levels != np.frombuffer(clear, ">u2")).any(2, keepdims=True).astype(float)
    return np.concatenate([np.broadcast_to(levels / most, (*levels.shape[:2], 3)), alpha], 2)
