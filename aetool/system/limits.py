"""How large things from strangers may be: one table, which options of the command line change for their process."""

from __future__ import annotations

LIMITS = {"pixels": 100_000_000, "frames": 10_000, "bytes": 1 << 29}
"""What is accepted unless an option says otherwise.

pixels   of an image that is read, before it is decoded (--max-pixels)
frames   of an animation that is written (--max-frames)
bytes    of a file of latents, unpacked (--max-bytes); of a data set eight times as many
"""

MAX_RATIO = 100
"""How many times smaller than its content an honest archive of pictures or latents may be."""
ALWAYS = 1 << 26
"""Bytes of content that an archive may have at any ratio."""

_now = dict(LIMITS)


def limit(name: str) -> int:
    """Return what is accepted now."""
    return _now[name]


def set_limit(name: str, value: int) -> None:
    """Accept another size from now on, in this process."""
    _now[name] = value


def is_bomb(packed: int, unpacked: int) -> bool:
    """Whether an archive of `packed` bytes holds more than an honest one would."""
    return unpacked > max(ALWAYS, MAX_RATIO * packed)
