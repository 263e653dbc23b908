"""JPEG files made in code: the same bytes on every machine, which no encoder promises.

Baseline JPEG (ITU-T T.81), YCbCr with halved colour (4:2:0), and few coefficients a block. All codes of the two Huffman
tables have four bits. The rows of blocks repeat after `ROWS`, each row on its own between restart markers (E.1.4).
"""

from __future__ import annotations

import struct

MCU = 16
"""Pixels a side of a minimum coded unit: four blocks of brightness, one of each colour."""
ROWS = 4
"""Rows of units that differ."""
QUANTUM = 8
"""Every entry of the quantisation table: a step of a block's mean is a level."""
ZERO_RUN = 9
"""Coefficients left out before the last one."""
DC_SIZES = bytes(range(12))
AC_CODES = bytes([0, *range(1, 7), *(ZERO_RUN << 4 | size for size in range(1, 7))])
"""End of block; coefficients of 1 to 6 bits next to the one before; the same behind the run of zeros."""
COMPONENTS = ((1, 0x22), (2, 0x11), (3, 0x11))
"""Of brightness, blue and red: number and sampling factors."""


def jpeg_file(width: int, height: int, exif: bytes = b"") -> bytes:
    """Return a colour JPEG of these sides with shapes and fine detail, and with EXIF data."""
    across, down = -(-width // MCU), -(-height // MCU)
    rows = [_row(across, number) for number in range(min(ROWS, down))]
    scan = b"".join(rows[i % ROWS] + (bytes([0xFF, 0xD0 + i % 8]) if i + 1 < down else b"") for i in range(down))
    sides = struct.pack(">BHHB", 8, height, width, len(COMPONENTS))
    parts = b"".join(bytes([number, sampling, 0]) for number, sampling in COMPONENTS)
    tables = _segment(0xDB, bytes([0]) + bytes([QUANTUM]) * 64) + _segment(0xC0, sides + parts)
    tables += _huffman(0x00, DC_SIZES) + _huffman(0x10, AC_CODES) + _segment(0xDD, struct.pack(">H", across))
    start = b"\xff\xd8" + (_segment(0xE1, b"Exif\0\0" + exif) if exif else b"")
    chosen = bytes([len(COMPONENTS)]) + b"".join(bytes([number, 0]) for number, _ in COMPONENTS)
    return start + tables + _segment(0xDA, chosen + bytes([0, 63, 0])) + scan + b"\xff\xd9"


def _segment(name: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, name, len(body) + 2) + body


def _huffman(name: int, symbols: bytes) -> bytes:
    """Return the table of symbols with codes of four bits, in order from 0."""
    return _segment(0xC4, bytes([name]) + bytes(len(symbols) if bits == 4 else 0 for bits in range(1, 17)) + symbols)


def _row(across: int, number: int) -> bytes:
    """Return the entropy-coded bytes of a row of `across` units; `number` chooses the content."""
    bits, before = [], [0, 0, 0]
    for unit in range(across):
        for block in range(6):
            part = max(0, block - 3)
            means = 60 - 24 * part, 9 - 3 * part
            value = 7 * unit * (1 + part) + 31 * number + 17 * block
            mean = abs(value % (4 * means[0]) - 2 * means[0]) - means[0]
            bits.append(_coded(DC_SIZES, 0, mean - before[part]))
            before[part] = mean
            for place in range(4):
                detail = (value * (3 + 2 * place) + 5 * place) % (2 * means[1] + 1) - means[1]
                run = ZERO_RUN << 4 if place == 3 else 0
                bits.append(_coded(AC_CODES, run, detail or 1))
            bits.append(format(AC_CODES.index(0), "04b"))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def _coded(symbols: bytes, run: int, value: int) -> str:
    """Return the bits of a coefficient behind a run of zeros: the code of its size, and its value (F.1.2)."""
    size = abs(value).bit_length()
    rest = value if value > 0 else value + (1 << size) - 1
    return format(symbols.index(run | size), "04b") + (format(rest, f"0{size}b") if size else "")
