"""Limits: how large files from strangers may be. Options of the command line make other limits; nothing is global."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The largest accepted sizes.

    pixels   of an image to read, before decoding (--max-pixels)
    frames   of an animation to write (--max-frames)
    bytes    of a file of latents, unpacked (--max-bytes); of a data set eight times as many
    """

    pixels: int = 100_000_000
    frames: int = 10_000
    bytes: int = 1 << 29


LIMITS = Limits()
"""The default limits."""

MAX_RATIO = 100
"""Largest ratio of unpacked to packed size of an honest archive of pictures or latents."""
ALWAYS = 1 << 26
"""Bytes that every archive may unpack to, at any ratio."""


def is_bomb(packed: int, unpacked: int) -> bool:
    """Return whether an archive of `packed` bytes unpacks to more than an honest archive would."""
    return unpacked > max(ALWAYS, MAX_RATIO * packed)
