"""Temporary files: `.NAME.HEX.aetool-tmp` beside their target, locked by their writer.

A later process sweeps the temporary files of killed processes; the lock protects files of living processes. On a file
system without locks nothing is swept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import sys
from pathlib import Path

from aetool.system.lacking import LOCKS, open_folder

if sys.platform != "win32":  # there, no advisory locks, so nothing is ever swept
    import fcntl

SUFFIX = ".aetool-tmp"
_swept: set[Path] = set()


def name_for(target: Path) -> Path:
    """Return the name of a new temporary beside `target`."""
    kept = os.fsencode(target.name)[:100]  # names end at 255 bytes, on encrypted drives at 143
    return target.with_name(f".{os.fsdecode(kept)}.{secrets.token_hex(4)}{SUFFIX}")


def create_file(temporary: Path, mode: int = 0o666) -> int:
    """Create and lock a temporary file, and return its descriptor. A file swept before the lock is created again."""
    while True:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        if _is_ours(temporary, descriptor):
            return descriptor


def create_folder(temporary: Path) -> int:
    """Make and lock a temporary folder, and return its descriptor. A folder swept before the lock is made again."""
    while True:
        temporary.mkdir()
        try:
            descriptor = open_folder(temporary)
        except FileNotFoundError:
            continue
        if _is_ours(temporary, descriptor):
            return descriptor


def _is_ours(temporary: Path, descriptor: int) -> bool:
    """Lock a new temporary file and return whether the file still exists; a missing file is closed."""
    try:
        lock(descriptor, wait=True)  # a sweep holds it for as long as it takes to remove it
        if temporary.exists():
            return True
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return False


def lock(descriptor: int, wait: bool = False) -> bool | None:
    """Lock an open file and return True; False, without `wait`, while another process holds the lock.

    None where the file system has no locks. Raises `OSError`.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno == errno.EACCES and not wait:  # as some network drives say that another process holds it
            return False
        if error.errno not in LOCKS:
            raise
        return None
    return True


def sweep(folder: Path) -> None:
    """Remove the temporary files of dead processes in `folder`, once a folder and process."""
    if sys.platform == "win32" or folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):  # a folder that cannot be read, for one
        for path in folder.glob(f".*{SUFFIX}"):
            with contextlib.suppress(OSError):
                _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, os.O_RDWR | flags)  # over a network only files opened for writing can be locked
    except OSError:  # a folder, for one
        descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        if not lock(descriptor):
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)
