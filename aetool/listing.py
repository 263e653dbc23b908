"""Which files below a folder are pictures, by their names, in sorted order."""

from __future__ import annotations

import os
from collections.abc import Iterator

SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"])


def walk(folder: str) -> Iterator[str]:
    """Yield the image files below `folder` in sorted order; links to folders are not followed."""
    try:
        with os.scandir(folder) as entries:
            kinds = {os.fsencode(entry.name): inside for entry in entries if (inside := _inside(entry)) is not None}
    except OSError:
        yield folder  # so that it is named as what could not be read
        return
    start = os.path.join(folder, "")  # noqa: PTH118
    for name in sorted(kinds):
        path = start + os.fsdecode(name)
        if kinds[name]:
            yield from walk(path)
        else:
            yield path


def _inside(entry: os.DirEntry[str]) -> bool | None:
    """Return True for a folder to walk, False for a picture by its name, None for what is neither.

    What cannot be looked at is taken for a picture: reading it says why.
    """
    if entry.name.startswith("."):
        return None
    if entry.is_dir(follow_symlinks=False):
        return True
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:  # noqa: PTH122
        return None
    try:
        return False if entry.is_file() else None
    except OSError:
        return False
