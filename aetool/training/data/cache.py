"""The cache of decoded folders: a second training on an unchanged folder starts at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from aetool.errors import AetoolError, InvalidInput
from aetool.images.files import Failure, ImageFile, find_images
from aetool.system.atomic import replacing, write_file
from aetool.system.limits import LIMITS, Limits
from aetool.system.paths import cache_folder
from aetool.system.progress import Report
from aetool.training.data.files import Labelled
from aetool.training.data.folder import FolderOptions, decode_folder

KEPT = 8
"""Folders in the cache; the least recently read folder is removed first."""


def read_folder(folder: str, options: FolderOptions, workers: int, report: Report, limits: Limits = LIMITS) -> Labelled:
    """Return the images of `folder` as `decode_folder` does, from the cache if no name, size or time has changed.

    An unreadable cache is made anew; an unwritable cache is left out.
    """
    files = list(find_images([folder]))
    entry = cache_folder() / "folders" / fingerprint(folder, files, options)
    labelled = _load(entry)
    if labelled is None:
        labelled = decode_folder(files, options, workers, report, limits)
        with contextlib.suppress(AetoolError, OSError):
            _save(entry, labelled)
    return labelled


def fingerprint(folder: str, files: Sequence[ImageFile], options: FolderOptions) -> str:
    """Return a name for the current state of the folder: its path, and path, size and time of each file."""
    digest = hashlib.sha256(repr((str(Path(folder).resolve()), asdict(options))).encode("utf-8", "surrogateescape"))
    for file in files:
        with contextlib.suppress(OSError):
            status = Path(file.path).stat()
            digest.update(os.fsencode(file.relative) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:32]


def _save(entry: Path, data: Labelled) -> None:
    """Write pixels.bin, then meta.json, which completes the entry; drop the entries beyond `KEPT`."""
    entry.mkdir(parents=True, exist_ok=True)
    with replacing(entry / "pixels.bin") as stream:
        stream.write(data.pixels.data)
    meta = {
        "shape": data.pixels.shape,
        "sha256": hashlib.sha256(data.pixels.data).hexdigest(),
        "labels": data.labels.tolist(),
        "classes": data.classes,
        "sources": data.sources,
        "background": data.background,
        "skipped": [[failure.path, str(failure.error)] for failure in data.skipped],
    }
    write_file(entry / "meta.json", json.dumps(meta).encode())
    entries = sorted(entry.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in entries[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _load(entry: Path) -> Labelled | None:
    """Return the images of an entry, None for a missing entry or another sha256."""
    try:
        meta: dict[str, Any] = json.loads((entry / "meta.json").read_bytes())
        pixels = np.fromfile(entry / "pixels.bin", np.uint8).reshape(meta["shape"])
        if hashlib.sha256(pixels.data).hexdigest() != meta["sha256"]:
            return None
        os.utime(entry)
        return Labelled(
            pixels,
            np.array(meta["labels"], np.int64),
            tuple(meta["classes"]),
            sources=tuple(meta["sources"]),
            background=meta["background"],
            skipped=tuple(Failure(path, InvalidInput(text)) for path, text in meta["skipped"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
