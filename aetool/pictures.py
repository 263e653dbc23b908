"""Arrays to pictures: sheets and strips, picture files and animations, half blocks for a terminal.

What made a picture travels in its text fields (`Provenance`), and `read_provenance` gets it back.
"""

from __future__ import annotations

import io
import json
import math
import struct
import textwrap
from dataclasses import asdict, dataclass, replace

import numpy as np
from PIL import GifImagePlugin, Image, PngImagePlugin

from aetool.arrays import Pixels
from aetool.errors import InvalidInput, LimitExceeded
from aetool.images import DECODE_ERRORS, open_image
from aetool.png import text_chunks
from aetool.system.limits import limit

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
SMALL = 64
"""Tiles of sheets and animations are enlarged by whole factors to at least this many pixels."""
MAX_SHEET = 100_000_000
"""Pixels of the largest sheet or animation that is made in memory."""
JPEG_SIDE = 65_500
GAP = 2
PAPER = 128
"""Grey level between the tiles of a sheet: seen beside black and beside white."""
EXIF_DESCRIPTION = 0x010E
EXIF_SOFTWARE = 0x0131


@dataclass(frozen=True)
class Provenance:
    """What a picture says of its making; names of files without their folders."""

    software: str
    model: str
    command: str
    seed: int | None = None


def tile_scale(height: int, width: int) -> int:
    """Return the whole factor that brings the shorter side of a tile to at least `SMALL` pixels."""
    return max(1, math.ceil(SMALL / min(height, width)))


def enlarge(pixels: Pixels, scale: int) -> Pixels:
    """Repeat every pixel of (n, c, h, w) `scale` times in both directions."""
    return pixels.repeat(scale, axis=2).repeat(scale, axis=3)


def sheet(pixels: Pixels, columns: int, scale: int) -> Pixels:
    """Lay (n, c, h, w) out as one picture (c, H, W), row by row, with a gap between the tiles and around them."""
    n, c, h, w = pixels.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    step_y, step_x = h * scale + GAP, w * scale + GAP
    check_sheet(n, h, w, columns, scale)
    paper = np.full((c, rows * step_y + GAP, columns * step_x + GAP), PAPER, np.uint8)
    for i, tile in enumerate(pixels):
        y, x = GAP + i // columns * step_y, GAP + i % columns * step_x
        paper[:, y : y + h * scale, x : x + w * scale] = enlarge(tile[None], scale)[0]
    return paper


def check_sheet(n: int, h: int, w: int, columns: int, scale: int) -> None:
    """Raise `LimitExceeded` for a sheet of n tiles that is too large to make in memory."""
    check_size(math.ceil(n / columns) * (h * scale + GAP) * columns * (w * scale + GAP))


def check_size(pixels: int) -> None:
    """Raise `LimitExceeded` for a sheet or animation too large to make in memory."""
    if pixels > MAX_SHEET:
        raise LimitExceeded(f"one picture of {pixels:,} pixels is over {MAX_SHEET:,}; write to a folder/ instead")


def to_pil(pixels: Pixels) -> Image.Image:
    """Return uint8 (c, h, w) as a grey or RGB picture."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def encode_picture(pixels: Pixels, suffix: str = ".png", provenance: Provenance | None = None) -> bytes:
    """Return uint8 (c, h, w) as the bytes of a file with `suffix` (of `PICTURES`)."""
    stream = io.BytesIO()
    if PICTURES[suffix] == "PNG":
        to_pil(pixels).save(stream, "PNG", pnginfo=_png_text(provenance))
    else:
        if max(pixels.shape) > JPEG_SIDE:
            raise LimitExceeded(f"a JPEG has at most {JPEG_SIDE:,} pixels a side; write .png, or to a folder/")
        to_pil(pixels).save(stream, "JPEG", quality=95, subsampling=0, exif=_exif(provenance))
    return stream.getvalue()


def encode_animation(pixels: Pixels, suffix: str, fps: float, provenance: Provenance | None = None) -> bytes:
    """Return the frames (n, c, h, w) as an endless animation in which every frame is kept, equal ones too."""
    if len(pixels) > limit("frames"):
        raise LimitExceeded(f"{len(pixels):,} frames are over {limit('frames'):,}; --max-frames, or write to a folder/")
    frames = [to_pil(frame) for frame in pixels]
    duration = round(1000 / fps)
    return ENCODERS[suffix](frames, duration, provenance)


def _encode_gif(frames: list[Image.Image], duration: int, provenance: Provenance | None) -> bytes:
    """Write each frame whole and with its own colours (Pillow's `save` would merge equal frames)."""
    duration = max(10, round(duration, -1))  # GIF counts hundredths of a second
    frames = [frame.quantize(256) if frame.mode == "RGB" else frame for frame in frames]
    comment = _description(provenance)
    info = {"loop": 0, "version": b"89a"} | ({"comment": comment.encode()} if comment else {})
    header, _ = GifImagePlugin.getheader(frames[0], info=info)
    blocks = [
        b"".join(GifImagePlugin.getdata(frame, duration=duration, include_color_table=frame.mode == "P"))
        for frame in frames
    ]
    return b"".join([*header, *blocks, b";"])


def _encode_apng(frames: list[Image.Image], duration: int, provenance: Provenance | None) -> bytes:
    """Let Pillow write it; it merges equal frames unless their blending differs, which opaque frames do not show."""
    stream = io.BytesIO()
    blend = [i % 2 for i in range(len(frames))]
    text = _png_text(provenance)
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
    exif = _exif(provenance)
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


def _description(provenance: Provenance | None) -> str:
    if provenance is None:
        return ""
    return json.dumps({k: v for k, v in asdict(provenance).items() if v is not None}, sort_keys=True)


def _shortened(provenance: Provenance) -> Provenance:
    """Return it with a command that fits into EXIF, of which a JPEG holds 64 KB."""
    return replace(provenance, command=textwrap.shorten(provenance.command, 8000, placeholder=" …"))


def png_text(provenance: Provenance | None) -> bytes:
    """Return what a PNG file says of its making, as chunks for `png_files`."""
    return text_chunks(provenance.software, _description(provenance)) if provenance else b""


def _png_text(provenance: Provenance | None) -> PngImagePlugin.PngInfo | None:
    if provenance is None:
        return None
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", provenance.software)
    text.add_itxt("aetool", _description(provenance))
    return text


def _exif(provenance: Provenance | None) -> bytes:
    if provenance is None:
        return b""
    exif = Image.Exif()
    exif[EXIF_SOFTWARE] = provenance.software
    exif[EXIF_DESCRIPTION] = _description(_shortened(provenance))
    return exif.tobytes()


def read_provenance(data: bytes) -> dict[str, object]:
    """Return what the picture in `data` says of its making; raises `InvalidInput` where it says nothing."""
    image = open_image(data)
    try:
        image.load()
        texts = [image.info.get("aetool"), image.info.get("comment"), image.getexif().get(EXIF_DESCRIPTION)]
    except DECODE_ERRORS as error:
        raise InvalidInput("the image is damaged") from error
    for text in texts:
        try:
            said = json.loads(text or "")
        except (ValueError, TypeError):
            continue
        if isinstance(said, dict) and {"software", "model", "command"} <= said.keys():
            return said
    raise InvalidInput("this picture does not say how it was made; aetool's own do, unless made with --no-metadata")


def half_blocks(pixels: Pixels, colour: bool = True) -> str:
    """Return uint8 (c, h, w) as lines of text, two pixels a character; without colour as five shades."""
    rgb = np.broadcast_to(pixels, (3, *pixels.shape[1:])) if len(pixels) == 1 else pixels
    if rgb.shape[1] % 2:
        rgb = np.concatenate([rgb, np.zeros_like(rgb[:, :1])], axis=1)
    upper, lower = rgb[:, 0::2].transpose(1, 2, 0), rgb[:, 1::2].transpose(1, 2, 0)
    if not colour:
        levels = (upper.astype(int).sum(2) + lower.astype(int).sum(2)) * 5 // (6 * 256)
        return "".join("".join(" ░▒▓█"[level] for level in row) + "\n" for row in levels)
    lines = []
    for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
        cells = (f"\x1b[38;2;{a};{b};{c};48;2;{d};{e};{f}m▀" for (a, b, c), (d, e, f) in zip(above, below, strict=True))
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def shrink(pixels: Pixels, width: int) -> Pixels:
    """Return (n, c, h, w) scaled down to at most `width` columns, proportions kept."""
    _, _, h, w = pixels.shape
    if w <= width:
        return pixels
    size = (width, max(1, round(h * width / w)))
    small = [np.asarray(to_pil(tile).resize(size, Image.Resampling.LANCZOS)) for tile in pixels]
    stacked = np.stack(small)
    return stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)
