"""The cache of decoded folders: a second training on an unchanged folder starts at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aetool.errors import AetoolError, InvalidInput, LimitExceeded, ReadWriteError
from aetool.images.files import Failure, ImageFile
from aetool.images.stacks import holds_stack
from aetool.images.walk import is_read
from aetool.system.atomic import replacing, write_file
from aetool.system.limits import LIMITS, Limits
from aetool.system.paths import cache_folder
from aetool.system.progress import Report
from aetool.training.data.files import ARRAY, Labelled, TooFewImages, labels_beside, read_arrays, read_idx_pair
from aetool.training.data.folder import FolderOptions, decode_folder
from aetool.training.data.listed import Listed, files_of
from aetool.training.data.room import FILE
from aetool.training.data.stored import StoredPixels, sha256, stored_pixels

KEPT = 8
"""Folders in the cache; the least recently read folder is removed first."""
BYTES = 4_000_000_000
"""Bytes of all entries together; the least recently read folders are removed first."""
ERRORS = {kind.__name__: kind for kind in (InvalidInput, LimitExceeded)}
"""Errors that an entry keeps: those of the content of a file."""


def read_folder(
    folder: str,
    options: FolderOptions,
    workers: int,
    report: Report,
    limits: Limits = LIMITS,
    listed: Listed | None = None,
) -> Labelled:
    """Return the images of `folder` as `decode_folder` does, from the cache if nothing has changed that matters.

    `listed` names the pictures, None for all. An unreadable cache is made anew; an unwritable
    cache is left out.
    """
    files, listing = files_of(folder, listed)
    entry = entries_folder() / fingerprint(folder, files, options, limits)
    said: list[str] = []
    labelled = _load(entry, files, said)
    if labelled is None:
        try:
            labelled = decode_folder(files, options, workers, _noting(report, said), limits, place)
        except TooFewImages as error:
            raise TooFewImages(str(error), error.skipped, listing) from None
        keep(entry, labelled, folder, files, said)
    else:
        for line in said:
            report(line, 0, None, "")
    return replace(labelled, listing=listing)


def read_labelled(path: Path, options: FolderOptions, report: Report, limits: Limits = LIMITS) -> Labelled:
    """Return the images of an idx, .npz or .npy file; those that are unpacked to a file are found again in the cache.

    Raises `InvalidInput`, `LimitExceeded`, `ReadWriteError`.
    """
    files = [ImageFile(str(part), part.name) for part in (path, labels_beside(path)) if part is not None]
    entry = entries_folder() / fingerprint(str(path), files, options, limits)
    said: list[str] = []
    labelled = _load(entry, files, said)
    if labelled is not None:
        for line in said:
            report(line, 0, None, "")
        return labelled
    if holds_stack(path):
        white = dict(options.whites).get(ARRAY)
        labelled = read_arrays(path, limits, place, options.layout, white, _noting(report, said), options.channels)
    else:
        labelled = read_idx_pair(path, limits, place)
    if isinstance(labelled.pixels, StoredPixels) and labelled.pixels.file.is_temporary:
        keep(entry, labelled, str(path), files, said)
    return labelled


def _noting(report: Report, said: list[str]) -> Report:
    """Return a report that also notes what decoding says besides its progress, to be said again from the cache."""

    def noting(title: str, done: int, total: int | None, text: str) -> None:
        if total is None:
            said.append(title)
        report(title, done, total, text)

    return noting


def entries_folder() -> Path:
    """Return where the entries lie."""
    return cache_folder() / "folders"


def fingerprint(folder: str, files: Sequence[ImageFile], options: FolderOptions, limits: Limits = LIMITS) -> str:
    """Return a name for all that the images of a folder depend on.

    That is the path of the folder; path, class, size, times and inode of each file; options, among them the version of
    the preparation, limits and decoders. The time of change and the inode find files that were exchanged or restored
    with their old times.
    """
    settings = (str(Path(folder).resolve()), asdict(options), limits.pixels, _decoders())
    digest = hashlib.sha256(repr(settings).encode("utf-8", "surrogateescape"))
    for file in files:
        digest.update(os.fsencode(f"\0{file.relative}\0{file.label}\0{file.part}\0"))
        with contextlib.suppress(OSError, ValueError):
            s = os.stat(file.path)  # noqa: PTH116 (half the time of Path)
            digest.update(f"{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}".encode())
    return digest.hexdigest()[:32]


def _decoders() -> tuple[str | None, ...]:
    """Return the versions of what decodes pictures: other versions may read other levels, or other files."""
    from importlib.metadata import version

    import PIL
    from PIL import features

    codecs = (features.version_codec(name) for name in ("jpg", "zlib", "libtiff"))
    modules = (features.version_module(name) for name in ("webp", "avif") if name in features.modules)
    return PIL.__version__, *codecs, *modules, version("pillow_heif") if is_read(".heic") else None


def place(size: int) -> Path:
    """Return the folder of a temporary file of images, which may become an entry; raises `OSError`.

    There is room for an entry of `size` bytes then, unless it is larger than the cache.
    """
    folder = entries_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if size <= BYTES:
        _make_room(folder, size)
    return folder


def keep(entry: Path, data: Labelled, source: str, files: Sequence[ImageFile], said: list[str]) -> None:
    """Make an entry of the images of `source`, if possible; a temporary file of images has no name afterwards."""
    with contextlib.suppress(AetoolError, OSError):
        _save(entry, data, _meta(data, source, files, said))
    if isinstance(data.pixels, StoredPixels) and data.pixels.file.is_temporary:
        data.pixels.file.discard()


def _save(entry: Path, data: Labelled, meta: bytes) -> None:
    """Write pixels.bin, then meta.json, which completes the entry, after making room.

    Data with files that could not be read are not kept: the next attempt may read them.
    """
    size = data.pixels.nbytes + len(meta)
    if size > BYTES or any(isinstance(failure.error, ReadWriteError) for failure in data.skipped):
        return
    _make_room(entry, size)
    entry.mkdir(parents=True, exist_ok=True)
    if isinstance(data.pixels, StoredPixels):
        data.pixels.file.keep(entry / FILE)
    else:
        with replacing(entry / FILE) as stream:
            stream.write(data.pixels.data)
    write_file(entry / "meta.json", meta)


def _meta(data: Labelled, folder: str, files: Sequence[ImageFile], said: list[str]) -> bytes:
    relative = {file.path: file.relative for file in files}
    meta = {
        "folder": os.path.realpath(folder),
        "shape": data.pixels.shape,
        "sha256": sha256(data.pixels),
        "labels": data.labels.tolist(),
        "classes": data.classes,
        "train_count": data.train_count,
        "sources": data.sources,
        "background": data.background,
        "said": said,
        "whites": data.whites,
        "skipped": [[relative[f.path], type(f.error).__name__, str(f.error), f.error.fix] for f in data.skipped],
    }
    return json.dumps(meta).encode()


def _make_room(entry: Path, size: int) -> None:
    """Remove the least recently read entries until another of `size` bytes fits."""
    others = [other for other in entries() if other.path != entry]
    total = size + sum(other.bytes for other in others)
    while others and (len(others) >= KEPT or total > BYTES):
        oldest = others.pop()
        total -= oldest.bytes
        shutil.rmtree(oldest.path, ignore_errors=True)


def _load(entry: Path, files: Sequence[ImageFile], said: list[str]) -> Labelled | None:
    """Return the images of an entry, and add what decoding said; None for a missing entry or another sha256."""
    try:
        meta: dict[str, Any] = json.loads((entry / "meta.json").read_bytes())
        pixels = stored_pixels(entry / FILE, tuple(map(int, meta["shape"])), str(meta["sha256"]))
        os.utime(entry)
        said += map(str, meta["said"])
        paths = {file.relative: file.path for file in files}  # they depend on the current folder
        return Labelled(
            pixels,
            np.array(meta["labels"], np.int64),
            tuple(meta["classes"]),
            meta["train_count"],
            sources=None if meta["sources"] is None else tuple(meta["sources"]),
            background=meta["background"],
            skipped=tuple(Failure(paths[name], ERRORS[kind](text, fix)) for name, kind, text, fix in meta["skipped"]),
            whites=tuple((str(kind), int(white)) for kind, white in meta["whites"]),
        )
    except (ReadWriteError, OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class Entry:
    """A folder in the cache: where its entry lies, the folder, its images, its bytes, and when it was read last (s)."""

    path: Path
    folder: str | None
    images: int
    bytes: int
    read: float


def entries() -> list[Entry]:
    """Return the folders in the cache, the most recently read first; an entry that is not complete has no folder."""
    with contextlib.suppress(OSError):
        found = [_entry(path) for path in entries_folder().iterdir()]
        return sorted((entry for entry in found if entry), key=lambda entry: -entry.read)
    return []


def _entry(path: Path) -> Entry | None:
    """Return what is known about an entry, None for one that is being removed."""
    try:
        size = sum(part.lstat().st_size for part in path.iterdir())
        read = path.stat().st_mtime
    except OSError:
        return None
    try:
        meta = json.loads((path / "meta.json").read_bytes())
        return Entry(path, str(meta["folder"]), int(meta["shape"][0]), size, read)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return Entry(path, None, 0, size, read)


def clear() -> list[Entry]:
    """Remove all folders from the cache, and return the removed; raises `ReadWriteError` for what remains."""
    removed = entries()
    for entry in removed:
        shutil.rmtree(entry.path, ignore_errors=True)
    left = entries()
    if left:
        raise ReadWriteError(f"could not remove {left[0].path}")
    return removed
