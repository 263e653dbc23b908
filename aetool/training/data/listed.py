"""Pictures in a list as a data set: as if the folder around all of them held nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aetool.errors import InvalidInput, ReadWriteError
from aetool.images.arrangement import arranged_files
from aetool.images.files import ImageFile, find_images
from aetool.images.walk import Listing
from aetool.system.atomic import write_file
from aetool.system.names import composed
from aetool.system.reading import read_file

FILES = "files.jsonl"
"""The file of a run folder with the names of a list, relative to the data set."""
MAX_BYTES = 1 << 34


@dataclass(frozen=True)
class Listed:
    """Names of pictures relative to the folder of a data set, other names, and the account of folders in the list."""

    names: Sequence[str]
    missing: Sequence[str] = ()
    listing: Listing = field(default_factory=Listing)


def common_folder(names: Iterable[str]) -> tuple[str, Listed]:
    """Return the folder around all pictures of `names` (files and folders), and the pictures in it.

    The order is that of a walk, and a picture named twice counts once, so a list of all files of a folder makes the
    same data set as the folder. Names without a file are only named as such. Raises `InvalidInput` without a picture.
    """
    listing = Listing()
    paths = list(dict.fromkeys(os.path.abspath(file.path) for file in find_images(names, listing)))  # noqa: PTH100
    there = [path for path in paths if os.path.lexists(path)]
    missing = [path for path in paths if not os.path.lexists(path)]
    if not there:
        raise InvalidInput(f"no file of the list is there, as {missing[0]}" if missing else "the list names no picture")
    folder = os.path.commonpath([os.path.dirname(path) for path in there])  # noqa: PTH120
    listing.arrangements.clear()  # the folder around all counts
    return folder, Listed(sorted((os.path.relpath(path, folder) for path in there), key=_order), missing, listing)


def _order(path: str) -> list[bytes]:
    return [os.fsencode(composed(part)) for part in Path(path).parts]


def files_of(folder: str, listed: Listed | None) -> tuple[list[ImageFile], Listing]:
    """Return the pictures of a data set, training images first: all below `folder`, or the `listed`."""
    listing = listed.listing.copy() if listed else Listing()
    files = find_images([folder], listing) if listed is None else _listed_files(folder, listed, listing)
    return sorted(files, key=lambda file: file.part == "test"), listing


def _listed_files(folder: str, listed: Listed, listing: Listing) -> Iterator[ImageFile]:
    arrangement = arranged_files(listed.names, Path(folder).name)
    if sentence := arrangement.sentence(folder):
        listing.arrangements.append(sentence)
    for relative in listed.names:
        label, part = arrangement.place(relative)
        path = os.path.join(folder, relative)  # noqa: PTH118
        yield ImageFile(path, relative, label, part, folder=folder)
    yield from (ImageFile(path, path) for path in listed.missing)


def write_files(run: Path, listed: Listed) -> None:
    """Write the names of a list into a run folder, a JSON text a line."""
    write_file(run / FILES, "".join(json.dumps(name) + "\n" for name in listed.names).encode())


def read_files(run: Path) -> Listed:
    """Return the names of a list from a run folder; raises `ReadWriteError`."""
    try:
        return Listed([str(json.loads(line)) for line in read_file(run / FILES, MAX_BYTES).splitlines()])
    except ValueError as error:
        raise ReadWriteError(f"{run / FILES} is damaged") from error
