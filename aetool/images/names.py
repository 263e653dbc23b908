"""Names of pictures that keep the folders of their files apart, where several files and folders are named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from aetool.images.files import ImageFile


class Folders:
    """The folders of the named files and folders: pictures keep the part that tells them apart.

    A single name keeps none: a.png of `d1` is called "a.png". Of several names the pictures keep what follows the
    folder that holds them all: of `d1` and `d2` they are called "d1/a.png" and "d2/a.png", of `d1/a.png` and `d1/b.png`
    "a.png" and "b.png". For a list that is read as a stream (`names` None) they keep the folders as written.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._alone = names is not None and len(names) < 2
        self._inside: dict[str, str] = {}
        self._common = None
        if names is not None and not self._alone:
            heads = {_split(name)[0] for name in names}
            self._common = os.path.commonpath([os.path.abspath(head) for head in heads])  # noqa: PTH100

    def named(self, name: str, files: Iterable[ImageFile]) -> Iterator[ImageFile]:
        """Yield the picture or pictures of a named file or folder, with the folders that they keep in their names."""
        if self._alone:
            yield from files
            return
        head, tail = _split(name)
        start = self._kept(head)
        for file in files:
            kept = start if file.named else os.path.join(start, tail)  # noqa: PTH118
            yield replace(file, relative=os.path.join(kept, file.relative)) if kept else file  # noqa: PTH118

    def _kept(self, head: str) -> str:
        """Return the part of the folder `head` to keep, "" for none."""
        if self._common is None:
            return head.lstrip(os.sep)
        if head not in self._inside:
            inside = os.path.relpath(head or os.curdir, self._common)
            self._inside[head] = "" if inside == os.curdir else inside
        return self._inside[head]


def _split(name: str) -> tuple[str, str]:
    """Return the folder of a named file or folder, and its own name, which "d/", "." and ".." do not tell."""
    head, tail = os.path.split(name)
    return (head, tail) if tail not in ("", os.curdir, os.pardir) else os.path.split(os.path.abspath(name))  # noqa: PTH100
