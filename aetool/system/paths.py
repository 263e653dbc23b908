"""File names: the first free name, numbers and texts in names, and the folder of caches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from aetool.system.names import composed

LEAST_DIGITS = 4
"""Digits of the numbers in file names, at least: files of runs of different lengths then sort and meet."""
LONGEST_NAME = 255
"""Bytes of the longest name in most file systems."""


def fitting(name: str) -> str:
    """Return the name of a file or folder, cut where it is too long, with a digest of the whole name instead."""
    whole = os.fsencode(name)
    if len(whole) <= LONGEST_NAME:
        return name
    import hashlib

    end = f"~{hashlib.sha256(whole).hexdigest()[:12]}{'.png' if name.lower().endswith('.png') else ''}"
    room = LONGEST_NAME - len(end)
    start = name[:room]
    while len(os.fsencode(start)) > room:  # letters may take several bytes
        start = start[:-1]
    return start + end


def numbered(folder: Path, name: str) -> Iterator[Path]:
    """Yield NAME, NAME-2, NAME-3 ... in `folder`, without end."""
    yield folder / name
    for number in count(2):
        yield folder / fitting(f"{name}-{number}")


def digits(count: int) -> int:
    """Return the digits of each number in the names of `count` files."""
    return max(LEAST_DIGITS, len(str(count)))


def safe_name(text: str) -> str:
    """Return `text` as a file name, composed, without separators, control characters or a leading dot, never empty."""
    name = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in composed(text)).strip()
    return "_" + name if name.startswith(".") or not name else name


def cache_folder() -> Path:
    """Return the cache folder of aetool: $XDG_CACHE_HOME/aetool, or ~/.cache/aetool.

    A relative $XDG_CACHE_HOME is ignored, as its rules say. Without a home folder the cache folder lies below the null
    device, where nothing can be read or written; no user of the cache needs it.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "aetool"
    try:
        home = Path.home() if os.environ.get("HOME", "unset") else Path()
    except RuntimeError:  # neither $HOME nor an entry of the user
        home = Path()
    return (home / ".cache" if home.is_absolute() else Path(os.devnull).absolute()) / "aetool"
