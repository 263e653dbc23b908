"""The arrangement of a folder of pictures: classes, perhaps inside the folders of a split or in a wrapping folder."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aetool.images.walk import Content, content
from aetool.system.names import composed

SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of folders of a split, and their parts."""


@dataclass(frozen=True)
class Arrangement:
    """Where the classes of a folder are.

    wrapping   the folders around everything else, outermost first
    parts      "train" or "test" for each folder of a split, empty without a split
    """

    wrapping: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)

    def place(self, relative: str) -> tuple[str | None, str | None]:
        """Return the class, and "train", "test" or None, of a picture by its path relative to the folder."""
        if not self.wrapping and not self.parts:  # for speed, the usual case
            label, inside, _ = relative.partition(os.sep)
            return (composed(label) if inside else None), None
        folders = relative.split(os.sep)[len(self.wrapping) : -1]  # noqa: PTH206 (for speed)
        part = self.parts.get(folders.pop(0)) if self.parts and folders else None
        return (composed(folders[0]) if folders else None), part

    def sentence(self, name: str) -> str | None:
        """Return what is unusual about the folder `name`, None for classes alone."""
        said = []
        if self.wrapping:
            said.append(f"the classes are in its one folder {os.path.join(*self.wrapping)}")  # noqa: PTH118
        if self.parts:
            test = [folder for folder, part in self.parts.items() if part == "test"]
            said.append(f"split by its folders {', '.join(self.parts)}: {' and '.join(test)} for testing")
        return f"{name}: {'; '.join(said)}" if said else None


PLAIN = Arrangement()


def arrangement_of(folder: str) -> Arrangement:
    """Return the arrangement of a folder; few of its sub-folders are looked at."""
    try:
        return arranged(lambda inside: content(folder, inside), os.path.basename(os.path.realpath(folder)))  # noqa: PTH119
    except OSError:  # the walk names it
        return PLAIN


def arranged(look: Callable[[tuple[str, ...]], Content], name: str) -> Arrangement:
    """Return the arrangement of the folder `name`; `look` returns the content of a folder inside it.

    A single sub-folder around all pictures is a wrapping if it holds two or more folders, or is called like the folder
    or like a part of a split. Folders are a split if all are called so, and one is for training.
    """
    inner: tuple[str, ...] = ()
    while True:
        pictures, folders, holds = look(inner)
        if pictures:  # of a single class, if inside one
            wrapped = len(inner) > 1 and (inner[0] == name or inner[0].lower() in SPLITS)
            return Arrangement(inner[:1]) if wrapped else PLAIN
        parts = {folder: SPLITS.get(folder.lower()) for folder in folders}
        holding = (folder for folder in folders if holds(folder))
        found = list(holding if "train" in parts.values() else itertools.islice(holding, 2))
        if len(found) != 1:
            return Arrangement(inner if found else (), _split([folder.lower() for folder in found], found))
        inner += (found[0],)


def _split(names: list[str], folders: list[str]) -> dict[str, str]:
    """Return "train" or "test" for each folder of a split, else nothing; without test, val is for testing."""
    kinds = [SPLITS.get(name, "") for name in names]
    if "" in kinds or "train" not in kinds or set(kinds) == {"train"}:
        return {}
    test = "test" if "test" in kinds else "val"
    order = sorted(zip(kinds, folders, strict=True), key=lambda pair: ("train", "val", "test").index(pair[0]))
    return {folder: "test" if kind == test else "train" for kind, folder in order}


def arranged_files(paths: Sequence[str], name: str) -> Arrangement:
    """Return the arrangement of a list of pictures by their paths relative to the folder `name`."""
    parents = {Path(path).parent.parts for path in paths}
    folders = {parent[:depth] for parent in parents for depth in range(1, len(parent) + 1)}

    def look(inside: tuple[str, ...]) -> Content:
        inner = sorted(folder[-1] for folder in folders if folder[:-1] == inside)
        return Content(inside in parents, inner, lambda _: True)

    return arranged(look, name)
