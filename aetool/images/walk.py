"""The walk of a folder: its pictures in sorted order, links to folders followed once, and an account of the rest."""

from __future__ import annotations

import errno
import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aetool.choices import CHECKED_SUFFIXES, IMAGE_SUFFIXES
from aetool.errors import AetoolError
from aetool.system.names import composed
from aetool.system.reading import read_file

LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"})
"""Files and folders that other programs leave in every folder, in lower case."""
RUN, BUNDLE, CACHE = "training run", "model", "folder cache"
"""Folders that aetool writes."""
RUN_FILES = frozenset({"checkpoints", "images.jsonl", "log.jsonl", ".lock"})
"""What lies beside config.json in a run folder; a run that began or was killed lacks some."""
MARKS = RUN_FILES | {"config.json", "bundle.json", "encoder.onnx", "decoder.onnx", "pixels.bin", "meta.json"}
SAMPLES = "samples.png"
"""The picture on the card of a model, which is no data."""
MANIFEST_BYTES = 1 << 23

LINK, BROKEN = "link to a parent or to a folder read anyway", "broken link"
SPECIAL, NO_SUFFIX = "not regular", "without a suffix"
"""Kinds of left-out files besides suffixes, after a number."""


@dataclass
class Listing:
    """An account of walked folders.

    left_out       number of left-out files by kind: a suffix such as ".txt", or words
    own            number of left-out folders that aetool wrote, by kind
    arrangements   sentences on folders that are more than classes
    """

    left_out: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    arrangements: list[str] = field(default_factory=list)

    def copy(self) -> Listing:
        """Return a copy, to be continued."""
        return Listing(self.left_out.copy(), self.own.copy(), self.arrangements.copy())


def walk(folder: str, listing: Listing | None = None) -> Iterator[str]:
    """Yield the pictures below `folder` in sorted order; a folder that cannot be read counts as a picture.

    The order is that of composed names, so a copy on another system has the same. Run folders, bundles and the cache
    of aetool below the folder are left out.
    """
    return _Walk(folder, Listing() if listing is None else listing).pictures(folder, top=True)


def content(root: str, inside: Sequence[str] = ()) -> Content:
    """Return what lies in the folder `inside` of a walked folder `root`; raises `OSError`."""
    folder = os.path.join(root, *inside)  # noqa: PTH118
    with os.scandir(folder) as entries:
        if any(_kind(entry) == PICTURE for entry in entries):  # for speed: most folders begin with one
            return Content(True, [], lambda _: False)
    found = {name: kind for _, name, kind in sorted(_entries(folder)[0])}

    def holds(name: str) -> bool:
        walker, place = _Walk(root, Listing()), os.path.join(folder, name)  # noqa: PTH118
        linked = found[name] == LINKED
        if linked and not walker.leads_on(folder, place):
            return False
        return _holds_at_once(place) or next(walker.pictures(place, linked=linked), None) is not None

    folders = [name for name, kind in found.items() if kind != PICTURE]
    return Content(False, folders, holds)


def _holds_at_once(folder: str) -> bool:
    """Return whether a look at the first names in a folder, which may be many, shows a picture that counts."""
    try:
        with os.scandir(folder) as entries:
            found = any(_kind(entry) == PICTURE for entry in entries)
    except OSError:
        return False
    own = ("config.json", "bundle.json")
    return found and not any(os.path.lexists(os.path.join(folder, name)) for name in own)  # noqa: PTH118


class Content(NamedTuple):
    """Whether pictures lie directly in a folder; else its sub-folders, in order, and a test for pictures in one."""

    pictures: bool
    folders: list[str]
    holds: Callable[[str], bool]


class _Walk:
    """A walk below `root`; `seen` holds device and inode of the folders that a link led to."""

    def __init__(self, root: str, listing: Listing) -> None:
        self.root, self.listing = os.path.realpath(root), listing
        self.seen: set[tuple[int, int]] = set()

    def pictures(self, folder: str, top: bool = False, linked: bool = False) -> Iterator[str]:
        """Yield the pictures of a folder; `linked` for a folder reached by a link."""
        try:
            if linked and self._is_known(folder):
                self.listing.left_out[LINK] += 1
                return
            found, rest = _entries(folder)
        except OSError:
            yield folder  # so that it is named as what could not be read
            return
        own = None if top else _own_kind(folder, rest)
        if own is not None:
            self.listing.own[own] += 1
            return
        self.listing.left_out.update(rest.kinds)
        start = os.path.join(folder, "")  # noqa: PTH118
        card = top and "bundle.json" in rest.marks and _own_kind(folder, rest) == BUNDLE
        for _, name, kind in sorted(found):
            if kind == PICTURE:
                if not (card and name == SAMPLES):
                    yield start + name
            elif kind == FOLDER or self.leads_on(folder, start + name):
                yield from self.pictures(start + name, linked=linked or kind == LINKED)

    def _is_known(self, folder: str) -> bool:
        """Return whether a linked folder was walked before, and remember the folder; raises `OSError`."""
        status = os.stat(folder)  # noqa: PTH116
        place = status.st_dev, status.st_ino
        known = place in self.seen
        self.seen.add(place)
        return known

    def leads_on(self, folder: str, link: str) -> bool:
        """Return whether a link leads to a folder that the walk would not reach without it, and not to a parent."""
        target = os.path.realpath(link)
        above = any(_is_inside(place, target) for place in (self.root, os.path.realpath(folder)))
        hidden = os.sep + "." in target.removeprefix(self.root)
        reached = _is_inside(target, self.root) and not hidden
        if above or reached:
            self.listing.left_out[LINK] += 1
        return not above and not reached


def _is_inside(path: str, folder: str) -> bool:
    """Return whether a real path is a folder or lies below it."""
    return path == folder or path.startswith(os.path.join(folder, ""))  # noqa: PTH118


PICTURE, FOLDER, LINKED = range(3)
Entry = tuple[bytes, str, int]
"""The place in the order, the name, and the kind of a file or folder to go to."""


@dataclass
class _Rest:
    """What a folder holds besides pictures and folders: kinds of left-out files, and names that aetool gives."""

    kinds: Counter[str] = field(default_factory=Counter)
    marks: set[str] = field(default_factory=set)


def _entries(folder: str) -> tuple[list[Entry], _Rest]:
    """Return what to go to in a folder, and the rest; raises `OSError`."""
    found: list[Entry] = []
    rest = _Rest()
    with os.scandir(folder) as entries:
        for entry in entries:
            name, kind = entry.name, _kind(entry)
            if isinstance(kind, int):
                found.append((os.fsencode(name if name.isascii() else composed(name)), name, kind))
            elif kind is not None:
                rest.kinds[kind] += 1
            if kind != PICTURE and name in MARKS:
                rest.marks.add(name)
    return found, rest


def _kind(entry: os.DirEntry[str]) -> int | str | None:
    """Return the kind of what to go to, a text for a left-out file, None for hidden files and litter.

    An unreadable entry counts as a picture: reading the entry names the reason.
    """
    name = entry.name
    if name.startswith("."):
        return None
    if entry.is_dir(follow_symlinks=False):
        return None if name.lower() in LITTER else FOLDER
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    picture = suffix in IMAGE_SUFFIXES and (suffix not in CHECKED_SUFFIXES or is_read(suffix))
    try:
        if picture and entry.is_file():
            return PICTURE
        if entry.is_symlink() and not entry.is_file():
            return LINKED if entry.is_dir() else BROKEN
    except OSError as error:
        return PICTURE if picture or error.errno != errno.ELOOP else BROKEN
    if picture:
        return SPECIAL
    return None if name.lower() in LITTER else _suffix_kind(suffix)


def _suffix_kind(suffix: str) -> str:
    """Return a suffix for messages; what is long or has signs is none."""
    return suffix if suffix[1:].isalnum() and len(suffix) < 12 else NO_SUFFIX


@functools.cache
def is_read(suffix: str) -> bool:
    """Return whether the installed packages read pictures of one of `CHECKED_SUFFIXES`."""
    if suffix == ".avif":
        from PIL import features

        return "avif" in features.modules and bool(features.check_module("avif"))  # since Pillow 11.3
    from importlib.util import find_spec

    return find_spec("pillow_heif") is not None


def _own_kind(folder: str, rest: _Rest) -> str | None:
    """Return the kind of a folder that aetool wrote, by its structure, None for any other folder."""
    if "config.json" in rest.marks and rest.marks & RUN_FILES:
        settings = _json(os.path.join(folder, "config.json"))  # noqa: PTH118
        return RUN if {"config", "dataset", "sha256"} <= settings.keys() else None
    if "bundle.json" in rest.marks:
        manifest = _json(os.path.join(folder, "bundle.json"))  # noqa: PTH118
        return BUNDLE if manifest.get("format") == "aetool bundle" else None
    return CACHE if {"pixels.bin", "meta.json"} <= rest.marks else None


def _json(path: str) -> dict[str, object]:
    """Return the object in a JSON file of aetool, empty for any other file."""
    try:
        value = json.loads(read_file(path, MANIFEST_BYTES))
    except (AetoolError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
