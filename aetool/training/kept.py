"""The files of checkpoints: `STEP.safetensors` and `STEP.json`, which holds its sha256, is sealed, and is written last.

Two good ones are kept; an older one goes only when the newest has been read back. No torch here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from aetool.errors import BundleError, ReadWriteError
from aetool.system.atomic import make_folder, write_file, writing
from aetool.system.reading import read_file

MAX_BYTES = 1 << 36
"""Bytes of the largest file of a checkpoint."""
SUFFIXES = (".json", ".safetensors")
WHOLE, DAMAGED, UNREADABLE = "whole", "damaged", "unreadable"
MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def keep(folder: Path, step: int, data: bytes, body: dict[str, Any]) -> None:
    """Write a checkpoint of tensors `data` and all else `body`, read it back, and keep one good one before it.

    Raises `ReadWriteError`, and `BundleError` where it does not read back as it was written.
    """
    with writing(folder):
        make_folder(folder)
    stem = folder / f"{step:09d}"
    for suffix in SUFFIXES:
        if stem.with_suffix(suffix).is_dir():  # somebody's damage: nothing can be written there otherwise
            _remove(stem.with_suffix(suffix))
    write_file(stem.with_suffix(".safetensors"), data)
    write_file(stem.with_suffix(".json"), _sealed(body | {"tensors": hashlib.sha256(data).hexdigest()}))
    read(stem.with_suffix(".json"))
    _prune(folder, stem.with_suffix(".json"))


def _prune(folder: Path, newest: Path) -> None:
    """Remove all but the newest and the last good one before it, and what the disk does not give at the moment.

    What claims to be later than the newest could not be read when this process began.
    """
    kept = {newest.stem}
    for path in reversed(found(folder)):
        if path < newest:
            state = _state(path)
            kept |= set() if state == DAMAGED else {path.stem}
            if state == WHOLE:
                break
    for suffix in SUFFIXES:  # the JSON first: it makes a checkpoint
        for path in folder.glob(f"[0-9]*{suffix}"):
            if path.stem not in kept:
                with writing(path):
                    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _state(path: Path) -> str:
    try:
        read(path)
    except BundleError as error:
        failed = error.__cause__.__cause__ if error.__cause__ else None
        return UNREADABLE if isinstance(failed, OSError) and failed.errno not in MISSING else DAMAGED
    return WHOLE


def found(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first, good or not."""
    return sorted(folder.glob("[0-9]*.json"))


def read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return tensors and body of the checkpoint whose JSON is `path`; raises `BundleError` for any change."""
    try:
        body = _unsealed(read_file(path))
        data = read_file(path.with_suffix(".safetensors"), MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != body.pop("tensors"):
            raise ValueError("its tensors differ from their sha256")
        return data, body
    except (ReadWriteError, ValueError, KeyError) as error:
        raise BundleError(f"checkpoint {path.stem} is damaged ({error})") from error


def _sealed(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True)
    return f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def _unsealed(data: bytes) -> dict[str, Any]:
    text, _, seal = data.decode().partition("\n")
    if seal != hashlib.sha256(text.encode()).hexdigest() + "\n":
        raise ValueError("its JSON differs from its sha256")
    body: dict[str, Any] = json.loads(text)
    return body
