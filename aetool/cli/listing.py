"""What was left out of folders, and how folders were understood, on stderr."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from aetool.choices import DATASETS, installing

if TYPE_CHECKING:
    from aetool.cli.console import Console
    from aetool.images.walk import Listing

Item = TypeVar("Item")

KINDS = 10
"""Kinds of left-out files that a line names."""
HEIF = installing("heif")
HINTS = {".heic": HEIF, ".heif": HEIF, ".hif": HEIF, ".avif": "this Pillow reads none"}
"""The reason or next step for kinds of left-out files."""


def told_listing(items: Iterable[Item], listing: Listing, console: Console) -> Iterator[Item]:
    """Yield the pictures of a listing, and print the account of the listing at its end."""
    yield from items
    tell(listing, console)


def tell(listing: Listing, console: Console) -> None:
    """Print the account of a listing: a warning for files, notes for the rest."""
    for sentence in listing.arrangements:
        console.note(sentence)
    if listing.own:
        own = ", ".join(f"{count:,} {kind}{'s' * (count > 1)}" for kind, count in sorted(listing.own.items()))
        console.note(f"folders that aetool wrote are no data: {own} left out")
    warn_left_out(listing.left_out, console)


def warn_of_namesake(name: str | None, console: Console) -> None:
    """Tell that a data set with a name is used where a folder or file of that name lies beside."""
    if name in DATASETS and os.path.exists(name):  # noqa: PTH110
        console.warn(f"{name} is the data set of that name; ./{name} stands for the folder or file here")


def warn_left_out(kinds: Mapping[str, int], console: Console) -> None:
    """Print the number of left-out files and their kinds, the most frequent first."""
    if not kinds:
        return
    total = sum(kinds.values())
    ordered = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = [f"{count:,} {_plural(kind, count)}" for kind, count in ordered[:KINDS]]
    if len(ordered) > KINDS:
        parts.append(f"{sum(count for _, count in ordered[KINDS:]):,} of {len(ordered) - KINDS} other kinds")
    files = "file" if total == 1 else "files"
    console.warn(f"{total:,} {files} left out: {', '.join(parts)}; in folders such files are skipped")


def _plural(kind: str, count: int) -> str:
    """Return a kind of left-out files after their number, with the reason or next step."""
    if kind in HINTS:
        return f"{kind} ({HINTS[kind]})"
    return kind.replace("link", "links", 1) if count > 1 and not kind.startswith(".") else kind
