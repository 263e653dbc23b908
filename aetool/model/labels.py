"""The labels of sheets: classes of rows, keys of strips, distances of what was found, errors of reconstructions.

A function returns the labels, and the texts with characters that the font lacks: numbers stand for these.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from aetool.choices import IMAGE_SUFFIXES
from aetool.errors import printable
from aetool.images.labels import Words, can_draw, legible

Made = tuple[Words | None, tuple[str, ...]]


def of_rows(names: Sequence[str], classes: Sequence[str]) -> Made:
    """Return the labels of rows of classes: their names, for want of a character their numbers among all `classes`."""
    if not can_draw():
        return None, ()
    rows, lacking = legible(names, [str(classes.index(name)) for name in names])
    return Words(rows=rows), lacking


def of_keys(titles: Sequence[str], steps: int, pictures: int) -> Made:
    """Return the labels of a path of so many pictures, with `steps` from key to key: the names of its keys."""
    if not can_draw():
        return None, ()
    names, lacking = legible([stem(title) for title in titles], [f"key {i + 1}" for i in range(len(titles))])
    at = dict(zip(range(0, pictures, steps - 1), names, strict=False))
    return Words(tiles=tuple(at.get(i, "") for i in range(pictures)), spread=True), lacking


def of_pairs(errors: Sequence[float]) -> Words | None:
    """Return the labels of originals beside their reconstructions: their mse."""
    return Words(tiles=tuple(f"mse {error:.4f}" for error in errors)) if can_draw() else None


def of_scores(percentiles: Sequence[float]) -> Words | None:
    """Return the labels of heat maps: the percentiles of their pictures."""
    return Words(tiles=tuple(f"{one:.1f}" for one in percentiles)) if can_draw() else None


def stem(title: str) -> str:
    """Return the name of a key without folders and the suffix of a picture, in printable characters."""
    name = os.path.basename(title.rstrip("/"))  # noqa: PTH119
    bare, suffix = os.path.splitext(name)  # noqa: PTH122
    return printable(bare if suffix.lower() in IMAGE_SUFFIXES else name)
